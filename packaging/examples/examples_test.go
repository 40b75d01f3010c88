// Package examples holds the images to start from, and the tests that each of them does what its golden text says.
package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/trial"
)

// all are the folders of the examples.
func all(t testing.TB) (folders []string) {
	t.Helper()
	manifests, err := filepath.Glob("*/app.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	for _, file := range manifests {
		folders = append(folders, filepath.Dir(file))
	}
	return folders
}

// each does something with the image of each example, side by side.
func each(t *testing.T, do func(t *testing.T, i *trial.Image)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: files are given to other users")
	}
	for _, example := range all(t) {
		t.Run(example, func(t *testing.T) {
			t.Parallel()
			image, err := trial.New(example)
			if err != nil {
				t.Fatalf("lint says of %s:\n%s", example, err)
			}
			t.Cleanup(func() { image.Close() })
			do(t, image)
		})
	}
}

func newDroplet(t testing.TB, i *trial.Image) *trial.Droplet {
	t.Helper()
	d, err := i.NewDroplet()
	must(t, err)
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEachExampleDoesWhatItsGoldenTextSays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, i *trial.Image) {
		got := golden(t, newDroplet(t, i))
		file := filepath.Join(i.Directory, "test/golden.txt")
		if os.Getenv("UPDATE") != "" {
			must(t, os.WriteFile(file, []byte(got), 0o644))
			return
		}
		want, err := os.ReadFile(file)
		must(t, err)
		if got != string(want) {
			t.Errorf("it does:\n%s\nIf that is right, write it with: UPDATE=1 go test ./packaging/examples\n%s", got,
				firstDifference(got, string(want)))
		}
	})
}

func firstDifference(got, want string) string {
	these, those := strings.Split(got, "\n"), strings.Split(want, "\n")
	for n := range min(len(these), len(those)) {
		if these[n] != those[n] {
			return fmt.Sprintf("The first difference is in line %d:\n got %q\nwant %q", n+1, these[n], those[n])
		}
	}
	return fmt.Sprintf("It has %d lines, and the golden text %d.", len(these), len(those))
}

// golden does the first boot and the first login, and writes what was planned, what was done, and what there is then.
func golden(t testing.TB, d *trial.Droplet) string {
	t.Helper()
	var b strings.Builder
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "# %s\n\n%s\n", title, text)
		}
	}
	var planned strings.Builder
	must(t, d.Use(t.Context(), func(f *facts.Facts) error { return plan.Show(f.Filling(t.Context()), false).Write(&planned) }))
	section("The plan", planned.String())
	if err := d.FirstBoot(t.Context()); err != nil {
		t.Fatalf("first boot: %v\n%s", err, calls(t, d))
	}
	booted := calls(t, d)
	section("What first boot runs and starts", named(t, d, booted))
	shown := message(t, d)
	if d.Image.Manifest.FirstLogin != nil {
		section("The message of the day before the first login", shown)
		if err := d.FirstLogin(t.Context()); err != nil {
			t.Fatalf("first login: %v\n%s", err, calls(t, d))
		}
		section("What first login runs and starts", named(t, d, strings.TrimPrefix(calls(t, d), booted)))
		shown = message(t, d)
	}
	section("The message of the day", shown)
	changes, err := d.Changes(t.Context())
	must(t, err)
	section("The files", changes)
	return b.String()
}

func calls(t testing.TB, d *trial.Droplet) string {
	t.Helper()
	text, err := d.Calls()
	must(t, err)
	return text
}

func named(t testing.TB, d *trial.Droplet, text string) string {
	t.Helper()
	names, err := d.Names(t.Context())
	must(t, err)
	return names(text)
}

// message is the message of the day, which must hold the vendor's text to its end.
func message(t testing.TB, d *trial.Droplet) string {
	t.Helper()
	shown, err := d.Message()
	must(t, err)
	must(t, d.Use(t.Context(), func(f *facts.Facts) error {
		text, err := f.Filling(t.Context()).Text(f.Manifest.MOTD)
		if whole := strings.Join(strings.Fields(text), " "); !strings.HasSuffix(strings.Join(strings.Fields(shown), " "), whole) {
			t.Errorf("the message of the day is cut:\n%s\nIt should end with:\n%s", shown, text)
		}
		return err
	}))
	return shown
}

// A Droplet that loses power ahead of change n, for every n: the next boot and the next login make of it what an
// undisturbed Droplet is. Cuts within the agent's own files, and within the writing of a file, are those of
// agent/firstboot's tests; EVERY=1 has them here.
func TestEachExampleSurvivesAPowerCutAheadOfEveryChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, i *trial.Image) {
		cuts, err := i.CutPower(t.Context(), os.Getenv("EVERY") != "")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d power cuts", cuts)
	})
}
