package scan

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTheProgramItselfHoldsNoSecret builds the program and scans it: neither its rules nor what it is linked with look
// like what they are for.
func TestTheProgramItselfHoldsNoSecret(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "oneclick-agent")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "../../cmd/oneclick-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the program: %v: %s", err, out)
	}
	for _, path := range []string{"/usr/bin/oneclick-agent", "/root/oneclick-agent"} {
		data, err := os.ReadFile(program)
		must(t, err)
		for _, f := range find(t, New(nil), bytes.NewReader(data), path) {
			t.Errorf("%s: %s at byte %d", path, f.Rule.ID, f.Offset)
		}
		for _, text := range []string{"dop_v1_", "sk-ant-", "github_pat_", "glpat-", "sk_live_", "AGE-SECRET-KEY-1"} {
			if at := bytes.Index(data, []byte(text)); at >= 0 {
				t.Errorf("the text %q stands in the program at byte %d", text, at)
			}
		}
	}
}
