package examples

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Droplet that gets another address becomes what a new Droplet with that address is: its certificates, its sites and its
// message included.
func TestEachExampleFollowsANewAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, i *image) {
		moved, fresh := i.newTree(t), i.newTree(t)
		move(t, fresh)
		named, err := i.setUp(t, fresh, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := i.look(t, fresh, named)
		if _, err := i.setUp(t, moved, nil); err != nil {
			t.Fatal(err)
		}
		move(t, moved)
		if err := i.on(t, moved, nil, boot(t.Context())); err != nil {
			t.Fatalf("after the address changed: %v", err)
		}
		if got := i.look(t, moved, i.naming(t, moved)); !maps.Equal(got, want) {
			t.Errorf("after the address changed there is, beside a new Droplet's:\n%s", difference(want, got))
		}
	})
}

// move gives the Droplet of a tree another address.
func move(t testing.TB, root string) {
	t.Helper()
	text := strings.ReplaceAll(droplet, "203.0.113.10", "203.0.113.99")
	if err := os.WriteFile(filepath.Join(root, "run/cloud-init/instance-data.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
