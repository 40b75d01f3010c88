package firstboot

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
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
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
	"oneclick-agent/agent/support"
)

var attacks = flag.Int("templates", 400, "how many random templates try to bring a secret out")

// template writes random templates over everything that text/template and our functions can do with a secret.
type template struct {
	*rand.Rand
	names int
}

func (r *template) of(choices ...string) string { return choices[r.IntN(len(choices))] }

// source is a way to a secret, or to something that holds some.
func (r *template) source() string {
	return r.of(".secrets.one", "$.secrets.two", `(index .secrets "one")`, `(index $.secrets "key").private`, ".secrets.key.private",
		".secrets.odd",
		".secrets.hash", ".database.url", "$.database.password", `(index . "secrets").two`, `(index (index $ "secrets") "key" "ssh_private")`,
		".secrets", "$", ".secrets.key", ".database", ".droplet.name", `"plain"`)
}

// value is an expression.
func (r *template) value(depth int) string {
	if depth == 0 {
		return r.source()
	}
	inner := r.value(depth - 1)
	switch r.IntN(9) {
	case 0, 1:
		return fmt.Sprintf("(printf %q %s)", r.of("%v", "%s", "%q", "%x", "%X", "%+v", "%#v", "%.20s", "%40s", "%-50s", "%d", "%U",
			"%t", "% x", "%T", "%08b", "%+q",
			"a %v b", "%[1]s%[1]x", "%e", "%p", "%w", "%!", "%*d"), inner)
	case 2:
		return fmt.Sprintf("(%s %s)", r.of("print", "println", "html", "js", "urlquery"), inner)
	case 3:
		return fmt.Sprintf("(%s %s)", r.of("sh", "dotenv", "json", "yaml", "ini", "php", "nginx", "xml", "sql"), inner)
	case 4:
		return fmt.Sprintf("(slice %s %d)", inner, r.IntN(8))
	case 5:
		return fmt.Sprintf("(slice %s %d %d)", inner, r.IntN(4), 4+r.IntN(26))
	case 6:
		return fmt.Sprintf("(%s %s %s)", r.of("or", "and", "print", "eq", "ne", "lt"), inner, r.value(depth-1))
	case 7:
		return fmt.Sprintf("(%s | %s)", inner, r.of("print", "printf \"%s\"", "len", "json", "sh", "html", "not", "print \"x\""))
	}
	return inner
}

// text is a template.
func (r *template) text(depth int) string {
	value := r.value(r.IntN(3))
	r.names++
	name := fmt.Sprintf("n%d", r.names)
	inner := r.of("{{ . }}", "{{ print . }}", `{{ printf "%s" . }}`, "{{ $ }}", "x")
	if depth > 0 {
		inner = r.text(depth - 1)
	}
	switch r.IntN(12) {
	case 0:
		return fmt.Sprintf("{{ $%s := %s }}{{ $%s }}", name, value, name)
	case 1:
		return fmt.Sprintf("{{ $%s := . }}{{ with $%s.secrets }}{{ .%s }}{{ end }}", name, name, r.of("one", "two", "odd", "key.private"))
	case 2:
		return fmt.Sprintf("{{ with %s }}%s{{ else }}%s{{ end }}", value, r.of("{{ . }}", "{{ print . }}", "{{ $.secrets.one }}"), inner)
	case 3:
		return fmt.Sprintf("{{ range $k, $v := %s }}{{ $k }}={{ $v }} {{ else }}{{ . }}{{ end }}",
			r.of(".secrets", ".secrets.key", ".database", value))
	case 4:
		return fmt.Sprintf("{{ if %s }}%s{{ else }}%s{{ end }}", value, inner, r.of("{{ .secrets.one }}", "no"))
	case 5:
		return fmt.Sprintf("{{ define %q }}{{ . }}{{ end }}{{ template %q %s }}", name, name, value)
	case 6:
		return fmt.Sprintf("{{ define %q }}{{ print .secrets.two }}{{ end }}{{ template %q $ }}", name, name)
	case 7:
		return fmt.Sprintf("{{ block %q %s }}{{ . }}{{ end }}", name, value)
	case 8:
		return fmt.Sprintf("{{ $%s := \"\" }}{{ range .secrets.key }}{{ $%s = . }}{{ end }}{{ $%s }}", name, name, name)
	case 9:
		return fmt.Sprintf("{{ %s }}%s", r.of("break", "continue", "/* a comment */", "- \"\" -"), inner)
	}
	return "{{ " + value + " }}"
}

// use is a manifest in which a template has its place.
func (r *template) use(text string) string {
	quoted, _ := json.Marshal(text)
	q := string(quoted)
	step := r.of(
		"{file: /etc/made, content: "+q+"}", "{file: /etc/made, content: "+q+"}", "{edit: /etc/made.env, set: {KEY: "+q+"}}",
		"{edit: /etc/made.txt, format: text, block: "+q+"}", "{edit: /etc/made.yaml, set: {key: "+q+"}}",
		"{run: [/usr/bin/tool, show, "+q+"]}", "{run: [/usr/bin/tool, show, fail, "+q+"], tries: 1}",
		"{run: [/usr/bin/tool, show], stdin: "+q+"}", "{run: [/usr/bin/tool, show, fail], stdin: "+q+", tries: 1}",
		"{run: [/usr/bin/tool, show, fail], env: {CAUSE: "+q+"}, tries: 1}", "{run: [/usr/bin/tool, show], env: {CAUSE: "+q+"}, optional: true}",
		"{file: /etc/made, content: x, when: "+q+"}", "{file: "+q+", content: x}", "{link: /etc/link, to: "+q+"}",
		"{run: [/usr/bin/tool, show], unless: [/usr/bin/tool, show, "+q+"]}", "{directory: "+q+"}", "{wait: {http: "+q+"}, within: 1s}", "")
	manifest := "secrets: {one: {}, two: {}, odd: {format: password, length: 24, symbols: 4, symbol_set: \"-_.!\"}, key: {format: ed25519}, " +
		"hash: {derive: sha512-crypt, from: one}}\ndatabase: {engine: postgresql, local: {name: app, password: two}}\n"
	if step == "" {
		return manifest + "motd: " + q + "\n"
	}
	return manifest + "first_boot:\n  - " + step + "\n  - {file: /etc/beside, content: '{{ .secrets.one }}', optional: true}\n"
}

// TestNoTemplateBringsASecretOut sets up Droplets with random templates in random places, and looks for the secrets
// wherever others may read; after a rotation it looks for the old ones everywhere.
func TestNoTemplateBringsASecretOut(t *testing.T) {
	t.Parallel()
	needRoot(t)
	seed := *firstSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./agent/firstboot -run %s -args -seed %d -templates %d", t.Name(), seed, *attacks)
	directory, err := os.MkdirTemp(inMemory, "oneclick-tool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	tool := filepath.Join(directory, "tool")
	buildTool(t, tool)
	var accepted, rotated, held atomic.Int64
	workers := make(chan struct{}, 4)
	var group sync.WaitGroup
	for n := range *attacks {
		workers <- struct{}{}
		group.Go(func() {
			defer func() { <-workers }()
			a := &attack{T: t, tool: tool, template: &template{Rand: rand.New(rand.NewPCG(seed, uint64(n)))},
				label: fmt.Sprintf("-seed %d, case %d", seed, n)}
			a.run()
			accepted.Add(count(a.accepted))
			rotated.Add(count(a.rotated))
			held.Add(count(a.held))
		})
	}
	group.Wait()
	t.Logf("of %d templates %d were accepted, %d brought a secret into a private file, %d were rotated",
		*attacks, accepted.Load(), held.Load(), rotated.Load())
	if *attacks >= 100 && (accepted.Load() < int64(*attacks)/5 || held.Load() < int64(*attacks)/20 || rotated.Load() < int64(*attacks)/10) {
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
	accepted, rotated, held     bool
	told                        bytes.Buffer
}

func (a *attack) run() {
	a.manifest = a.use(a.text(a.IntN(3)))
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
	phase, ok := a.do(func(f *facts.Facts) (journal.Phase, error) { return Run(a.Context(), f, false) })
	if !ok {
		return // it was refused
	}
	a.accepted = true
	old := stored(root)
	a.look(old)
	if phase.Complete() {
		phase, _ = a.do(func(f *facts.Facts) (journal.Phase, error) { return Rotate(a.Context(), f, Rotatable(f)) })
		a.look(old)
		a.look(stored(root))
		if a.rotated = phase.Complete(); a.rotated {
			a.everywhere(old)
		}
	}
}

// do does one thing to the tree as a command does, and collects everything that leaves the program.
func (a *attack) do(use func(*facts.Facts) (journal.Phase, error)) (phase journal.Phase, accepted bool) {
	h, err := host.Open(a.root)
	if err != nil {
		a.Error(err)
		return "", false
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
		return "", false
	}
	f, err := facts.Gather(a.Context(), h, m, state.Manifest, "none")
	if err != nil {
		a.Errorf("%s: %v", a.label, err)
		return "", false
	}
	phase, err = use(f)
	if err != nil {
		a.told.WriteString(err.Error() + "\n")
	}
	if err := plan.Write(&a.told, f.Filling(a.Context()), false); err != nil {
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
	return phase, true
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
