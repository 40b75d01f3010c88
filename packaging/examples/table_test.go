package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const table = "../../docs/examples.md"

const tableHead = `# Images to start from

Each folder of [packaging/examples](../packaging/examples) is one image: its manifest, the files that the manifest names,
and a README. Copy the nearest one, change the names, and read what it does in its ` + "`test/golden.txt`" + `: the plan, every command
and unit in its order, the message of the day, and every file with its mode and owner. A test holds all of it, and sets
each image up again after a power cut ahead of every single change.

Lines of manifest are those of app.yaml; files that it names are counted beside them. Shell is what runs on a Droplet at first
boot, at the first login and for the message of the day, in DigitalOcean's droplet-1-clicks at 12b072b.
This page is made by ` + "`UPDATE=1 go test ./packaging/examples`" + `.

| image | shell there | manifest | files beside it | vendor shell left | shows |
| --- | --- | --- | --- | --- | --- |
`

var (
	replaced = regexp.MustCompile(`Replaces ([0-9]+) lines of shell`)
	shows    = regexp.MustCompile(`(?m)^Shows: (.*)\.$`)
)

func TestTheTableOfExamplesIsTrue(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(tableHead)
	for _, example := range all(t) {
		b.WriteString(row(t, example))
	}
	if os.Getenv("UPDATE") != "" {
		must(t, os.WriteFile(table, []byte(b.String()), 0o644))
		return
	}
	have, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("docs/examples.md is not what the examples are; make it anew with: UPDATE=1 go test ./packaging/examples\n%s",
			firstDifference(b.String(), string(have)))
	}
}

// row is an example's line of the table.
func row(t *testing.T, example string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(example, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := shows.FindSubmatch(readme)
	if told == nil {
		t.Fatalf("%s/README.md has no line that begins with Shows: and ends with a full stop", example)
	}
	shell := "none known"
	if match := replaced.FindSubmatch(readme); match != nil {
		shell = string(match[1])
	}
	manifest, beside, left := 0, 0, "-"
	files, err := filepath.Glob(filepath.Join(example, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "README.md" || name == "test" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(string(data), "\n")
		switch {
		case name == "app.yaml":
			manifest = lines
		case strings.HasPrefix(string(data), "#!"):
			left = fmt.Sprintf("%d lines: %s", lines, name)
		default:
			beside += lines
		}
	}
	return fmt.Sprintf("| [%[1]s](../packaging/examples/%[1]s) | %s | %d | %d | %s | %s |\n",
		example, shell, manifest, beside, left, told[1])
}
