package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	yamlBlock  = regexp.MustCompile("(?s)```yaml\n(.*?)```")
)

// elsewhere are commands that need root, a token or Packer, and have tests of their own.
var elsewhere = regexp.MustCompile(`^(sudo|packer|oneclick publish)`)

// TestEveryCommandOfTheFirstStepsWorks runs the page from its top to its end, with the program that is built here.
func TestEveryCommandOfTheFirstStepsWorks(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/start.md")
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(directory, "oneclick"), ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ran := 0
	for _, block := range shellBlock.FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(block[1]) {
			if elsewhere.MatchString(line) {
				continue
			}
			command := exec.Command("sh", "-c", line)
			command.Dir, command.Env = directory, append(os.Environ(), "PATH="+directory+":/usr/bin:/bin")
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%s%v\n%s", line, err, out)
			}
			if ran++; ran == 1 { // the stand-ins of the page are those of the directory that it has just written
				rules := yamlBlock.FindSubmatch(page)[1]
				if err := os.WriteFile(filepath.Join(directory, "notes/test/stand-ins.yaml"), rules, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if ran < 6 {
		t.Errorf("only %d commands were found", ran)
	}
}

// imageOfShell is an image as they are built today, with one script.
func imageOfShell(t *testing.T) string {
	t.Helper()
	return vendor(t, map[string]string{
		"template.json": `{"variables": {"application_name": "Notes"}}`,
		"files/var/lib/cloud/scripts/per-instance/001_onboot": "#!/bin/bash\nkey=$(openssl rand -hex 16)\necho \"KEY=$key\" > /etc/notes.env\n" +
			"sleep 5\nsystemctl enable --now notes\n",
	})
}

func TestAnImageOfShellBecomesAManifestThatCanBeTried(t *testing.T) {
	t.Parallel()
	directory := imageOfShell(t)
	code, stdout, stderr := call(t, directory, "import", directory)
	want := `Mistakes of the shell, and what the agent does instead:
DIR/files/var/lib/cloud/scripts/per-instance/001_onboot:4:1: a pause, which is too short on a slow Droplet and too long on a fast one
    wait: has a condition and a bound

Not in the manifest, and why:
DIR/files/var/lib/cloud/scripts/per-instance/001_onboot:4:1: sleep 5
    write a wait: step for what has to be there; a sleep only hopes

Of 4 lines of shell 3 are said by steps, 0 are commands without a shell, 1 are not in it, 0 are still shell.
1 file written into DIR. Read app.yaml, take the scripts that it replaces out of files, then: oneclick try DIR
`
	if code != 0 || stdout != want {
		t.Fatalf("it ends with %d and prints\n%s%s\nand should print\n%s", code, stdout, stderr, want)
	}
	if code, stdout, stderr := call(t, directory, "try", directory); code != 0 || !strings.Contains(stdout, "  | KEY=[secret key]\n") {
		t.Errorf("the trial ends with %d and prints\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := call(t, directory, "import", directory); code != 2 ||
		!strings.HasPrefix(stderr, "DIR/app.yaml: is there already\n") {
		t.Errorf("the second time it ends with %d and prints\n%s", code, stderr)
	}
}

func TestOnlyLookingAtShellWritesNothing(t *testing.T) {
	t.Parallel()
	directory := imageOfShell(t)
	if code, stdout, _ := call(t, directory, "lint", "--image", "--json", directory); code != 0 ||
		!strings.Contains(stdout, `"typed": 3`) {
		t.Errorf("it ends with %d and prints\n%s", code, stdout)
	}
	if _, err := os.Stat(filepath.Join(directory, "app.yaml")); !os.IsNotExist(err) {
		t.Errorf("there is an app.yaml: %v", err)
	}
}
