package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

// look lints the manifest with these steps on a tree of these files, and returns what is wrong.
func look(t testing.TB, steps string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	text := "version: 1\napp: {name: App}\nsecrets: {key: {}}\nfirst_boot:\n" + steps
	if steps != "" {
		put(t, dir, map[string]string{state.Manifest: text})
	}
	put(t, dir, files)
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := Read(h, state.Manifest); err != nil {
		return err.Error()
	}
	return ""
}

func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		target := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(target), 0o755)
		if err := os.WriteFile(target, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	copied = "  - {file: /b, copy: /srv/made/x}\n"
	unread = ": cannot read /srv/made/x: no such file or directory"
)

func TestAFileThatAnEarlierStepMayMakeNeedNotBeThere(t *testing.T) {
	t.Parallel()
	for _, earlier := range []string{
		"  - {run: [/bin/make]}\n",
		"  - {service: a.service, do: [start]}\n",
		"  - {file: /srv/made/x, content: y}\n",
		"  - {edit: /srv/made/x, block: y}\n",
		"  - {link: /srv/made, to: /else}\n",
		"  - {link: /srv/made/x, to: /else}\n",
		"  - {directory: /srv}\n",
	} {
		if got := look(t, earlier+copied, nil); got != "" {
			t.Errorf("%s: %s", earlier, got)
		}
		if got := look(t, copied+earlier, nil); !strings.HasSuffix(got, "first_boot[0].copy"+unread) {
			t.Errorf("%s comes too late: %q", earlier, got)
		}
	}
	for _, earlier := range []string{"  - {file: /srv/made/y, content: y}\n", "  - {directory: /srv/made/x/y}\n",
		"  - {file: /srv/mad, content: y}\n"} {
		if got := look(t, earlier+copied, nil); !strings.HasSuffix(got, "first_boot[1].copy"+unread) {
			t.Errorf("%s makes something else: %q", earlier, got)
		}
	}
}

func TestTheTemplatesThatAManifestNamesAreCheckedWithTheirOwnPlaces(t *testing.T) {
	t.Parallel()
	const steps = "  - {file: /a, template: a.tmpl}\n  - {file: /b, template: gone.tmpl}\n  - {file: /c, template: c.tmpl}\n"
	got := look(t, steps, map[string]string{"etc/oneclick/a.tmpl": "fine\n{{ .secrets.kee }}\n", "etc/oneclick/c.tmpl": "{{ if }}"})
	for _, want := range []string{
		"/etc/oneclick/a.tmpl:2:1: there is no secret \"kee\"\n    did you mean \"key\"?",
		"/etc/oneclick/app.yaml:6:26: first_boot[1].template: cannot read /etc/oneclick/gone.tmpl: no such file or directory",
		"/etc/oneclick/c.tmpl:1:1: cannot read this template: missing value for if",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout\n%s", got, want)
		}
	}
	whole := map[string]string{"etc/oneclick/a.tmpl": "{{ .secrets.key }}", "etc/oneclick/c.tmpl": "", "etc/oneclick/gone.tmpl": "x"}
	if got := look(t, steps, whole); got != "" {
		t.Error(got)
	}
	if got := look(t, "  - {file: /a, copy: a.txt}\n", map[string]string{"etc/oneclick/a.txt": "{{ no template"}); got != "" {
		t.Errorf("a copy is no template: %s", got)
	}
}

func TestAManifestThatIsNotThereSaysWhereItBelongs(t *testing.T) {
	t.Parallel()
	const want = "/etc/oneclick/app.yaml: cannot read /etc/oneclick/app.yaml: no such file or directory\n" +
		"    write the image's manifest there, or name another with --manifest"
	if got := look(t, "", nil); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
