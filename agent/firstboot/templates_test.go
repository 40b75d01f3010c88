package firstboot

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
	"oneclick-agent/agent/support"
)

var attacks = flag.Int("templates", 400, "how many random templates try to bring a secret out")

// TestNoTemplateBringsASecretOut sets up Droplets with random templates in random places, and looks for the secrets
// wherever others may read; after a rotation it looks for the old ones everywhere.
func TestNoTemplateBringsASecretOut(t *testing.T) {
	t.Parallel()
	needRoot(t)
	seed := beginning(t, fmt.Sprintf("-templates %d", *attacks))
	directory, err := os.MkdirTemp(inMemory, "oneclick-tool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	tool := filepath.Join(directory, "tool")
	buildTool(t, tool)
	var accepted, refused, rotated, held atomic.Int64
	workers := make(chan struct{}, 4)
	var group sync.WaitGroup
	for n := range *attacks {
		workers <- struct{}{}
		group.Go(func() {
			defer func() { <-workers }()
			a := &attack{T: t, tool: tool, template: &template{Rand: rand.New(rand.NewPCG(seed, uint64(n)))},
				label: fmt.Sprintf("-seed %d, case %d", seed, n)}
			a.run()
			accepted.Add(count(!a.refused))
			refused.Add(count(a.refused))
			rotated.Add(count(a.rotated))
			held.Add(count(a.held))
		})
	}
	group.Wait()
	t.Logf("of %d templates %d were accepted, %d refused and run all the same, %d brought a secret into a private file, %d were rotated",
		*attacks, accepted.Load(), refused.Load(), held.Load(), rotated.Load())
	all := int64(*attacks)
	if all >= 100 && (accepted.Load() < all*6/10 || refused.Load() < all/20 || held.Load() < all/5 || rotated.Load() < all*4/10) {
		t.Error("too few of the templates did anything: this proves little")
	}
}

func count(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// attack is one template in one place.
type attack struct {
	*testing.T
	*template
	tool, label, manifest, root string
	refused, rotated, held      bool
	told                        bytes.Buffer
}

func (a *attack) run() {
	a.manifest = a.use()
	root, err := os.MkdirTemp(inMemory, "oneclick-tree")
	if err != nil {
		a.Error(err)
		return
	}
	defer os.RemoveAll(root)
	a.root = root
	for _, set := range []map[string]string{accounts, appYAML(a.manifest)} {
		for name, content := range set {
			os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755)
			os.WriteFile(filepath.Join(root, name), []byte(content), 0o644)
		}
	}
	os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755)
	if err := os.Link(a.tool, filepath.Join(root, "usr/bin/tool")); err != nil {
		a.Error(err)
		return
	}
	phase := a.do(func(f *facts.Facts) (journal.Phase, error) { return Run(a.Context(), f, false) })
	old := stored(root)
	a.look(old)
	if phase.Complete() {
		phase = a.do(func(f *facts.Facts) (journal.Phase, error) { return Rotate(a.Context(), f, Rotatable(f)) })
		a.look(old)
		a.look(stored(root))
		if a.rotated = phase.Complete(); a.rotated {
			a.everywhere(old)
		}
	}
}

// do does one thing to the tree as a command does, and collects everything that leaves the program. A manifest that is
// refused is carried out all the same: what fills the templates in has to hold by itself.
func (a *attack) do(use func(*facts.Facts) (journal.Phase, error)) (phase journal.Phase) {
	h, err := host.Open(a.root)
	if err != nil {
		a.Error(err)
		return ""
	}
	defer h.Close()
	var mu sync.Mutex
	h.Progress = func(line, _ string) {
		mu.Lock()
		defer mu.Unlock()
		a.told.WriteString(line + "\n")
	}
	m, err := read(h)
	if err != nil {
		a.refused = true
		a.told.WriteString(err.Error() + "\n")
		m, _ = lint.Parse([]byte(contentOf(a.root, state.Manifest)), state.Manifest)
	}
	f, err := facts.Gather(a.Context(), h, m, state.Manifest, "none")
	if err != nil {
		a.Errorf("%s: %v", a.label, err)
		return ""
	}
	phase, err = use(f)
	if err != nil {
		a.told.WriteString(err.Error() + "\n")
	}
	if err := plan.Show(f.Filling(a.Context()), false).Write(&a.told); err != nil {
		a.told.WriteString(err.Error() + "\n")
	}
	if stands, err := status.Read(h, f); err == nil {
		stands.WriteText(&a.told)
		stands.WriteJSON(&a.told)
	}
	archive, err := support.Write(a.Context(), support.Case{Host: h, Manifest: state.Manifest}, "")
	if err != nil {
		a.Errorf("%s: %v", a.label, err)
	}
	archive.WriteJSON(&a.told)
	a.told.Write(unpacked(a, filepath.Join(a.root, state.Support)))
	return phase
}

// unpacked is everything in an archive that is only packed.
func unpacked(t testing.TB, file string) []byte {
	packed, err := os.Open(file)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer packed.Close()
	zipped, err := gzip.NewReader(packed)
	if err != nil {
		t.Error(err)
		return nil
	}
	text, err := io.ReadAll(zipped)
	if err != nil {
		t.Error(err)
	}
	return text
}

// look searches what others may read, what the program told, and what it keeps for people.
func (a *attack) look(values map[string]string) {
	found := func(where string, data []byte) {
		if name := shows(data, values); name != "" {
			a.Errorf("%s: %s shows the secret %s:\n%s\n%s", a.label, where, name, a.manifest, data[:min(len(data), 2000)])
		}
	}
	found("what was told", a.told.Bytes())
	filepath.WalkDir(a.root, func(file string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(file, a.root)
		found("the path", []byte(name))
		if err != nil || entry.IsDir() || name == "/usr/bin/tool" {
			return nil
		}
		if target, err := os.Readlink(file); err == nil {
			found("the link "+name, []byte(target))
			return nil
		}
		info, err := entry.Info()
		data, readErr := os.ReadFile(file)
		if err != nil || readErr != nil {
			return nil
		}
		open := info.Mode().Perm()&0o077 != 0
		ours := name == state.Journal || name == "/arguments" || strings.HasPrefix(name, state.Output) || strings.HasPrefix(name, state.Runtime)
		if open || ours {
			found(name, data)
		} else if strings.HasPrefix(name, "/etc/made") && shows(data, values) != "" {
			a.held = true
		}
		return nil
	})
}

// everywhere searches the whole tree for values that are gone.
func (a *attack) everywhere(values map[string]string) {
	filepath.WalkDir(a.root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(file, "/usr/bin/tool") {
			return nil
		}
		data, _ := os.ReadFile(file)
		if name := shows(data, values); name != "" {
			a.Errorf("%s: after the rotation %s still has the old value of %s:\n%s", a.label, strings.TrimPrefix(file, a.root), name, a.manifest)
		}
		return nil
	})
}

// shows names a secret of which twelve bytes are in the data, as they are or encoded. It is written without the redactor.
func shows(data []byte, values map[string]string) string {
	lower := bytes.ReplaceAll(bytes.ToLower(data), []byte(" "), nil)
	for name, value := range values {
		for line := range strings.Lines(value) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "-----") {
				continue
			}
			for i := 0; i+12 <= len(line); i += 4 {
				part := []byte(line[i : i+12])
				if name == "key" && i < 24 {
					continue // the same in every key of the kind
				}
				if bytes.Contains(data, part) || bytes.Contains(lower, []byte(hex.EncodeToString(part))) ||
					bytes.Contains(data, []byte(base64.StdEncoding.EncodeToString(part))) {
					return name
				}
			}
		}
	}
	return ""
}
