package examples

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"oneclick-agent/agent/trial"
)

// A Droplet that gets another address becomes what a new Droplet with that address is: its certificates, its sites and its
// message included.
func TestEachExampleFollowsANewAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, i *trial.Image) {
		moved, fresh := newDroplet(t, i), newDroplet(t, i)
		move(t, fresh)
		must(t, fresh.SetUp(t.Context()))
		want, err := fresh.Look(t.Context())
		must(t, err)
		must(t, moved.SetUp(t.Context()))
		move(t, moved)
		if err := moved.FirstBoot(t.Context()); err != nil {
			t.Fatalf("after the address changed: %v", err)
		}
		got, err := moved.Look(t.Context())
		must(t, err)
		if !maps.Equal(got, want) {
			t.Errorf("after the address changed there is, beside a new Droplet's:\n%s", trial.Difference(want, got))
		}
	})
}

// move gives a Droplet another address.
func move(t testing.TB, d *trial.Droplet) {
	t.Helper()
	file := filepath.Join(d.Root, "run/cloud-init/instance-data.json")
	before, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, bytes.ReplaceAll(before, []byte("203.0.113.10"), []byte("203.0.113.99")), 0o644))
}
