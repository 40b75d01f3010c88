package main

import (
	"os"
	"path/filepath"
	"testing"

	"oneclick-agent/agent/host"
)

// TestOnlyADropletIsCleanedWithoutItsName: on any other machine pre-snapshot would take away the keys, logs and passwords of
// whoever typed it.
func TestOnlyADropletIsCleanedWithoutItsName(t *testing.T) {
	t.Parallel()
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const unnamed = "cannot clean this machine: it is no Droplet, and cleaning takes its SSH keys, passwords, histories and logs away; " +
		"only look with --check, or say --this-machine "
	for _, test := range []struct{ name, vendor, given, want string }{
		{"a Droplet", "DigitalOcean\n", "", ""},
		{"a Droplet, and the name of another machine", "DigitalOcean\n", "another", ""},
		{"a laptop", "LENOVO\n", "", unnamed + own},
		{"a machine that does not say who made it", "", "", unnamed + own},
		{"a vendor whose name only begins alike", "DigitalOcean Fake\n", "", unnamed + own},
		{"a laptop, and its own name", "LENOVO\n", own, ""},
		{"a laptop, and another name", "LENOVO\n", "another", `cannot clean this machine: it is called "` + own + `" and not "another"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if test.vendor != "" {
				directory := filepath.Join(root, "sys/class/dmi/id")
				if err := os.MkdirAll(directory, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(directory, "sys_vendor"), []byte(test.vendor), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			h, err := host.Open(root)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			got := ""
			if err := isMeant(h, test.given); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("it says %q; want %q", got, test.want)
			}
		})
	}
}
