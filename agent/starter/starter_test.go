package starter

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/trial"
)

// choices are all that can be chosen, for an app of this name.
func choices(name string) (all []Choice) {
	for _, kind := range Kinds() {
		for _, database := range append(Databases(), "") {
			for _, domain := range []bool{false, true} {
				if c := (Choice{name, kind.Name, database, domain}); c.Validate() == nil {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

func write(t *testing.T, c Choice) (directory string) {
	t.Helper()
	files, err := c.Files()
	if err != nil {
		t.Fatal(err)
	}
	directory = t.TempDir()
	for name, file := range files {
		name = filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Content, file.Mode); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func TestWhateverIsChosenIsSetUpAtOnceAndAfterPowerCuts(t *testing.T) {
	t.Parallel()
	for _, choice := range choices("Acme Notes") {
		t.Run(choice.Kind+" "+choice.Database, func(t *testing.T) {
			t.Parallel()
			image, err := trial.New(write(t, choice))
			if err != nil {
				t.Fatal(err)
			}
			defer image.Close()
			d, err := image.NewDroplet()
			if err == nil {
				err = d.SetUp(t.Context())
			}
			if err == nil && choice.Domain && choice.Database != "mysql" { // the others have the same steps
				_, err = image.CutPower(t.Context(), false)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnyNameIsOnlyANameInEachFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		`Acme's "Notes"`, "${HOME} %{if}", "`id` $(id)", `back\slash`, "a: b # c", "- x", "«» << >>", "ünï·cödé", "日本", "<b>&amp;",
		"*_[]()|", "true", "1.0",
		"}} {", "'; rm -rf /; '",
	} {
		for _, choice := range choices(name) {
			files, err := choice.Files()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var manifest struct{ App struct{ Name string } }
			if err := yaml.Load(files["app.yaml"].Content, &manifest); err != nil || manifest.App.Name != name {
				t.Errorf("in app.yaml %q reads %q: %v", name, manifest.App.Name, err)
			}
			if !json.Valid(files["packer/marketplace-image.json"].Content) {
				t.Errorf("with %q Packer's template is no JSON", name)
			}
			for _, file := range files {
				if strings.Contains(string(file.Content), "«") && !strings.Contains(name, "«") {
					t.Errorf("with %q a mark is left:\n%s", name, file.Content)
				}
			}
		}
	}
}

func TestTheScriptsAreShell(t *testing.T) {
	t.Parallel()
	for _, choice := range choices("Acme Notes") {
		directory := write(t, choice)
		for _, script := range []string{"setup", "packages", "finish"} {
			if out, err := exec.Command("sh", "-n", filepath.Join(directory, "packer", script)).CombinedOutput(); err != nil {
				t.Errorf("%+v: %s: %s", choice, script, out)
			}
		}
	}
}

func TestTheIDIsFitForFilesUnitsAndAccounts(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Acme Notes": "acme-notes", "日本": "app", "3D Print": "app-3d-print", "--a--b--": "a-b",
		"A Name That Is Far Too Long For Any Account": "a-name-that-is-far-too-lo",
		"x/../../etc": "x-etc", "Café": "caf",
	} {
		if got := (Choice{Name: name}).ID(); got != want[:min(len(want), 24)] {
			t.Errorf("the ID of %q is %q, not %q", name, got, want)
		}
	}
}

func TestWhatCannotBeMadeIsRefused(t *testing.T) {
	t.Parallel()
	for want, choice := range map[string]Choice{
		"the app needs a name, without spaces around it":        {Kind: "go"},
		"the app's name is longer than 40 characters":           {Name: strings.Repeat("x", 41), Kind: "go"},
		"the app's name has characters that cannot be shown":    {Name: "a\x1b[31mb", Kind: "go"},
		"the app's name must not look like a template":          {Name: "{{ .x }}", Kind: "go"},
		`there is no kind "rust"; use compose, go, php, static`: {Name: "x", Kind: "rust"},
		`there is no database "oracle"; use postgresql, mysql`:  {Name: "x", Kind: "go", Database: "oracle"},
		"static pages have no database":                         {Name: "x", Kind: "static", Database: "mysql"},
	} {
		if _, err := choice.Files(); err == nil || err.Error() != want {
			t.Errorf("%+v: got %v, want %s", choice, err, want)
		}
	}
}

func TestTheManifestAndTheFilesOfAGoServiceAreTheseOnes(t *testing.T) {
	t.Parallel()
	files, err := Choice{"Acme Notes", "go", "postgresql", true}.Files()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(slices.Sorted(maps.Keys(files)), "\n") + "\n\n" + string(files["app.yaml"].Content)
	const golden = "testdata/go.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it is\n%s\nIf that is right: UPDATE=1 go test ./agent/starter", got)
	}
}
