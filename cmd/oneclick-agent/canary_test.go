package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/secret"
	"oneclick-agent/packaging/terminal"
)

// careless is an image whose commands print every secret that they are given, and fail.
const careless = `
version: 1
app: {name: Careless}
secrets: {one: {}, key: {format: ed25519}, odd: {format: password, length: 24, symbols: 4, symbol_set: "-_.!"}, token: {captured: true}}
first_boot:
  - {file: /etc/boot.conf, content: "{{ .secrets.one }} {{ .secrets.key.private }}"}
  - {run: [/usr/bin/tool, issue], capture: [{secret: token, pattern: 'token: (\S+)'}]}
  - {run: [/usr/bin/tool, show, fail], stdin: "{{ .secrets.key.private }}", env: {CAUSE: "{{ .secrets.odd }}"}, optional: true, tries: 1}
first_login:
  questions:
    - {name: admin_password, ask: Admin password, type: password}
    - {name: api_key, ask: API key, type: secret}
  steps:
    - {run: [/usr/bin/tool, show, fail], stdin: "{{ .answers.admin_password }}{{ .secrets.one }}",
       env: {CAUSE: "{{ .answers.api_key }}"}, optional: true, tries: 1}
    - {run: [/usr/bin/tool, show, fail], stdin: "{{ .secrets.token }}",
       env: {CAUSE: "{{ .answers.api_key }}"}, creates: /etc/mended, tries: 1}
motd: "Welcome."
`

// A customer sets a careless image up on every kind of terminal, and its support person looks at all there is to see: each
// frame on the screen, what every command prints, what is kept of it, and the archive. No secret is in any of it.
func TestNoSecretIsOnAnyScreen(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	tool := filepath.Join(t.TempDir(), "tool")
	buildTool(t, tool)
	for _, term := range []string{"xterm-256color", "dumb"} {
		t.Run(term, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for name, content := range map[string]string{
				"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "root/.bashrc": "", "usr/bin/none": "",
				"run/cloud-init/instance-data.json": instanceData, "etc/oneclick/app.yaml": careless,
			} {
				plantFile(t, root, name, content, 0o644)
			}
			if out, err := exec.Command("cp", tool, filepath.Join(root, "usr/bin/tool")).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			w := &watched{t: t, program: program, root: root, seen: map[string]string{}}
			w.run(commandline.ExitDegraded, "first-boot")
			w.login(term)
			for range 2 { // once failed, once mended
				w.run(-1, "status")
				w.run(-1, "status", "--json")
				w.run(0, "motd")
				w.run(0, "secrets", "list")
				w.run(0, "first-boot", "--dry-run")
				w.run(-1, "first-boot", "--json")
				w.run(0, "lint")
				w.run(0, "support")
				w.run(0, "support", "--json")
				w.kept()
				plantFile(t, root, "etc/mended", "", 0o644)
				w.run(-1, "first-login", "--apply")
			}
			w.run(commandline.ExitDegraded, "rotate", "--all")
			w.run(0, "support")
			w.kept()
			w.look()
		})
	}
}

// watched is a Droplet of which everything that leaves the program is collected, by where it is seen.
type watched struct {
	t             *testing.T
	program, root string
	seen          map[string]string
	values        map[string]string
}

// run runs a command; code is what it must end with, -1 for anything but bad input.
func (w *watched) run(code int, arguments ...string) {
	w.t.Helper()
	command := exec.Command(w.program, append(arguments, "--root", w.root)...)
	out, _ := command.CombinedOutput()
	if got := command.ProcessState.ExitCode(); got != code && code >= 0 || got == commandline.ExitInput {
		w.t.Errorf("%v ends with %d: %s", arguments, got, out)
	}
	w.seen[strings.Join(arguments, " ")] += string(out)
	w.know()
}

// login answers the questions at a terminal, and keeps every frame.
func (w *watched) login(term string) {
	w.t.Helper()
	o := xterm(80, 24)
	o.Environment = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TERM=" + term}
	s := onTerminal(w.t, w.program, w.root, o, "first-login")
	for _, step := range []move{{canary, "Admin password", ""}, {"Canary-api-key-5527", "API key", ""}, {"", "These are your answers", ""}} {
		s.see(step.shows)
		s.press(step.press + "\r")
	}
	s.code()
	w.seen["the terminal"] = s.text()
	frames := s.Frames()
	for i := 0; i < len(frames); i += 1 + len(frames)/100 {
		w.seen["a frame"] += terminal.Draw(s.text()[:frames[i].Length], o.Columns, o.Rows).Text()
	}
	w.know()
}

// know takes up the secrets that the Droplet has now; those of before stay.
func (w *watched) know() {
	w.t.Helper()
	files, err := host.OpenRoot(w.root)
	if err != nil {
		w.t.Fatal(err)
	}
	defer files.Close()
	store, err := secret.Open(files)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.values == nil {
		w.values = map[string]string{}
	}
	for _, name := range store.Names() {
		fields, _ := store.Get(name)
		for field, value := range fields {
			if field != "public" && field != "ssh_public" {
				w.values[value.Reveal()] = name + " " + field
			}
		}
	}
}

// kept collects what is kept for people, and the archive.
func (w *watched) kept() {
	w.t.Helper()
	filepath.WalkDir(filepath.Join(w.root, "var/lib/oneclick"), func(file string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		private := strings.HasPrefix(name, "secrets") || strings.Contains(file, "/captured/")
		if err != nil || entry.IsDir() || private {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasSuffix(name, ".gz") {
			zipped, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				w.t.Fatal(err)
			}
			if data, err = io.ReadAll(zipped); err != nil {
				w.t.Fatal(err)
			}
		}
		w.seen[name] += string(data)
		return nil
	})
}

// look searches everything for twelve bytes of any secret, as they are or encoded.
func (w *watched) look() {
	w.t.Helper()
	if len(w.values) < 10 || len(w.seen["the terminal"]) < 200 || len(w.seen["support.tar.gz"]) < 5000 || w.seen["tool"] != "" {
		w.t.Fatalf("too little was seen: %d secrets", len(w.values))
	}
	for where, text := range w.seen {
		for value, name := range w.values {
			for line := range strings.Lines(value) {
				line = strings.TrimSpace(line)
				if strings.HasPrefix(line, "-----") {
					continue
				}
				for i := 0; i+12 <= len(line); i++ {
					part := line[i : i+12]
					quoted, _ := json.Marshal(part)
					for _, form := range []string{part, hex.EncodeToString([]byte(part)), base64.StdEncoding.EncodeToString([]byte(part)),
						strings.Trim(string(quoted), `"`)} {
						if strings.Contains(text, form) {
							w.t.Fatalf("%s shows %q of %s:\n%s", where, part, name, text[max(0, strings.Index(text, form)-300):])
						}
					}
				}
			}
		}
	}
}
