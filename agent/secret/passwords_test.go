package secret

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// A value that goes on over several lines leaves none of them behind when it, or its neighbour, changes; lines of others
// stay; and sh reads every value back.
func TestAValueOfSeveralLinesLeavesNoStrayLines(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, directory := range []string{"root", "var/lib/oneclick"} {
		if err := os.MkdirAll(filepath.Join(root, directory), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	list := filepath.Join(root, PasswordsPath)
	if err := os.WriteFile(list, []byte("# mine\nMINE='1'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := host.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	m, _ := manifest.Parse([]byte("version: 1\napp: {name: x}\nsecrets: {one: {}, token: {captured: true}}\n"), "app.yaml", nil)
	store, err := Open(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"first\nONE=\"no\"\n\"`$x\\", "one line", "second\nand\nmore"} {
		if err := store.Capture(map[string]string{"token": token}); err != nil {
			t.Fatal(err)
		}
		if err := store.Replace(m, []string{"one"}, false, time.Now(), fill); err != nil {
			t.Fatal(err)
		}
		if err := store.Settle(m); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", `. "$1"; printf '%s|%s|%s' "$MINE" "$ONE" "$TOKEN"`, "sh", list).CombinedOutput()
		if want := "1|" + store.plain("one") + "|" + token; err != nil || string(out) != want {
			t.Errorf("sh reads %q, %v, and not %q", out, err, want)
		}
		data, err := os.ReadFile(list)
		if got, want := strings.Count(string(data), "\n"), 4+strings.Count(token, "\n"); err != nil || got != want {
			t.Errorf("the list has %d lines, and not %d:\n%s", got, want, data)
		}
	}
}
