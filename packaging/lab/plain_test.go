package lab

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestAPlainSystemRaisesNoFalseAlarm checks a Debian with LAMP as its packages made it: what is found is true, the
// secret scan finds nothing, and after cleaning nothing fails.
func TestAPlainSystemRaisesNoFalseAlarm(t *testing.T) {
	for _, image := range []string{"bookworm", "trixie"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			if !*inLab {
				t.Skip("makes a root file system; run with -lab as root, as make test-lab does")
			}
			archive, err := Images()[image].Archive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tree := t.TempDir()
			if err := command(t.Context(), "tar", "--extract", "--numeric-owner", "--xattrs", "--file", archive, "--directory", tree); err != nil {
				t.Fatal(err)
			}
			if err := install(t.Context(), tree, *deb); err != nil {
				t.Fatal(err)
			}
			// What a package manager leaves by itself, and each of it is true.
			leftovers := []string{"ssh.host_keys", "users.backups"}
			for _, finding := range findings(t, tree, "--check") {
				if finding.Status == "fail" && !slices.Contains(leftovers, finding.ID) {
					t.Errorf("before cleaning: %+v", finding)
				}
			}
			for _, finding := range findings(t, tree) {
				if finding.Status == "fail" {
					t.Errorf("after cleaning: %+v", finding)
				}
			}
		})
	}
}

type finding struct{ ID, Status, Subject, Message string }

// findings runs the program of the tree on the tree.
func findings(t *testing.T, tree string, more ...string) []finding {
	t.Helper()
	program := exec.CommandContext(
		t.Context(),
		filepath.Join(tree, "usr/bin/oneclick-agent"),
		append([]string{"pre-snapshot", "--json", "--root", tree}, more...)...)
	program.Stderr = os.Stderr
	out, err := program.Output()
	if err != nil && program.ProcessState.ExitCode() != 1 {
		t.Fatal(err)
	}
	var report struct{ Checks []finding }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	return report.Checks
}
