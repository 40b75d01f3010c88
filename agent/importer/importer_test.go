package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/trial"
)

// report is everything that an import says of an image, as text.
func report(r *Result) string {
	var b strings.Builder
	b.Write(r.Files["app.yaml"])
	for name, content := range r.Files {
		if name != "app.yaml" {
			fmt.Fprintf(&b, "\n# %s\n%s", name, content)
		}
	}
	b.WriteString("\n# mistakes\n")
	r.Findings.WriteText(&b)
	b.WriteString("\n# dropped\n")
	r.Dropped.WriteText(&b)
	fmt.Fprintf(&b, "\n# lines: %+v\n", r.Lines)
	return b.String()
}

func TestEachFixtureReadsAsItsGoldenTextSays(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"shop", "board"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := Read(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".txt")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(report(result)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got := report(result); got != string(want) {
				t.Errorf("it reads\n%s\nIf that is right: UPDATE=1 go test ./agent/importer", got)
			}
			runs(t, name, result)
		})
	}
}

// runs sets the image up on a throwaway tree.
func runs(t *testing.T, name string, result *Result) {
	t.Helper()
	directory := t.TempDir()
	for file, content := range result.Files {
		file = filepath.Join(directory, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(directory, "files"), os.DirFS(filepath.Join("testdata", name, "files"))); err != nil {
		t.Fatal(err)
	}
	image, err := trial.New(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	d, err := image.NewDroplet()
	if err == nil {
		err = d.FirstBoot(t.Context())
	}
	if err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoImageIsRefused(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	if _, err := Read(empty); err == nil || err.Error() != "cannot import "+empty+": it has no directory files, as an image's has" {
		t.Errorf("got %v", err)
	}
	if err := os.MkdirAll(filepath.Join(empty, "files/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(empty); err == nil ||
		!strings.HasSuffix(err.Error(), ": no script runs at a first boot, and none makes a message of the day") {
		t.Errorf("got %v", err)
	}
}

// imageOf is an image whose first boot is this shell.
func imageOf(t *testing.T, shell string) string {
	t.Helper()
	directory := t.TempDir()
	scripts := filepath.Join(directory, "files/var/lib/cloud/scripts/per-instance")
	if err := os.MkdirAll(scripts, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(scripts, "1"), []byte(shell), 0o644); err != nil {
		t.Fatal(err)
	}
	return directory
}

func TestNoLineIsCountedTwiceOrForgotten(t *testing.T) {
	t.Parallel()
	for shell, want := range map[string]Lines{
		"#!/bin/sh\necho hello\n":                           {Dropped: 1},
		"#!/bin/sh\nX=1\n\n# why\ntrue\n":                   {Typed: 2},
		"#!/bin/sh\n/opt/a/run\n":                           {Commands: 1},
		"#!/bin/sh\nif a; then\n  b\nfi\n":                  {Left: 3},
		"#!/bin/sh\ncat > /etc/a <<E\none\ntwo\nE\n":        {Typed: 4},
		"#!/bin/sh\nfoo() {\n  mkdir /a\n}\nfoo\nsleep 5\n": {Typed: 4, Dropped: 1},
	} {
		result, err := Read(imageOf(t, shell))
		if err != nil {
			t.Fatal(err)
		}
		if result.Lines != want {
			t.Errorf("of\n%s the lines are %+v, not %+v", shell, result.Lines, want)
		}
	}
}

func TestAsManyStepsThatCannotBeReadAsThereAreBecomeShell(t *testing.T) {
	t.Parallel()
	shell := "#!/bin/sh\n"
	for n := range 60 {
		shell += fmt.Sprintf("systemctl enable 'no unit %d'\n", n)
	}
	result, err := Read(imageOf(t, shell))
	if err != nil {
		t.Fatal(err)
	}
	if _, problems := lint.Parse(result.Files["app.yaml"], "app.yaml"); len(problems) > 0 || result.Lines != (Lines{Left: 60}) {
		t.Errorf("the lines are %+v, and lint says %v", result.Lines, problems)
	}
}

func TestALinkOutOfAnImageIsNotFollowed(t *testing.T) {
	t.Parallel()
	directory := imageOf(t, "#!/bin/sh\ntrue\n")
	secret := filepath.Join(t.TempDir(), "template.json")
	if err := os.WriteFile(secret, []byte(`{"variables": {"application_name": "stolen"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(directory, "template.json")); err != nil {
		t.Fatal(err)
	}
	result, err := Read(directory)
	if err != nil || strings.Contains(string(result.Files["app.yaml"]), "stolen") {
		t.Errorf("it reads %s, %v", result.Files["app.yaml"], err)
	}
}

// FuzzAnyShellIsReadAndLints: whatever the scripts are, nothing panics, and the manifest can be read.
func FuzzAnyShellIsReadAndLints(f *testing.F) {
	fixtures, _ := filepath.Glob("testdata/*/files/*/*/*") // the pattern is right
	deeper, _ := filepath.Glob("testdata/*/files/var/lib/cloud/scripts/per-instance/*")
	for _, name := range append(fixtures, deeper...) {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(string(text))
		}
	}
	for _, text := range []string{
		"#!/bin/sh\nsed -i 's/(/[/' /etc/a\n", "#!/bin/sh\necho '{{ .x }}' > /etc/a\n", "#!/bin/sh\nA=$(openssl rand -hex 8)\nrun $A {{\n",
		"#!/bin/sh\ncat > '' <<E\nE\n", "#!/bin/sh\nrm -rf /\nmkdir /a/../b\nchown : /x\nln -s a /\n",
		"#!/bin/sh\nread -p 'x' y\nservice\nufw allow\n",
		"#!/bin/sh\nf() { f; }\nf\n", "#!/bin/sh\nsystemctl stop '../x' 'a b'\nuseradd\nsudo -u\nsu\n",
		"#!/bin/sh\nprintf '%d' 1 > /a\necho \"\x1b[31m\" > /b\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, shell string) {
		result, err := Read(imageOf(t, shell))
		if err != nil {
			return
		}
		if _, problems := lint.Parse(result.Files["app.yaml"], "app.yaml"); len(problems) > 0 {
			t.Errorf("of\n%s\nit writes\n%s\nof which lint says\n%s", shell, result.Files["app.yaml"], problems)
		}
	})
}
