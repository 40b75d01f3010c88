package edit

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// example is a step of docs/edits.md with the file before and after the edit, or the error.
type example struct {
	Edit, Format         string
	Set                  map[string]any
	Unset                []string
	before, after, fault string
}

// examples are blocks of yaml, each with a diff behind, and perhaps an error behind that.
func examples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile("../../docs/edits.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```\n```diff\n(.*?)```\n(?:```text\n(.*?)\n```)?")
	for _, match := range blocks.FindAllStringSubmatch(string(text), -1) {
		e := example{fault: match[3]}
		if err := yaml.Load([]byte(match[1]), &e); err != nil {
			t.Fatalf("%s: %v", match[1], err)
		}
		for line := range strings.Lines(match[2]) {
			if line[0] != '+' {
				e.before += line[1:]
			}
			if line[0] != '-' {
				e.after += line[1:]
			}
		}
		if e.Format == "" {
			e.Format = FormatOf(e.Edit)
		}
		for key, value := range e.Set {
			e.Set[key] = asManifest(value)
		}
		all = append(all, e)
	}
	return all
}

// asManifest has numbers as a manifest has them.
func asManifest(value any) any {
	switch v := value.(type) {
	case int, float64:
		return json.Number(fmt.Sprint(v))
	case []any:
		for i := range v {
			v[i] = asManifest(v[i])
		}
	}
	return value
}

func TestTheExamplesOfTheReferenceDoWhatItSays(t *testing.T) {
	t.Parallel()
	all := examples(t)
	shown := []string{"text", "environment"}
	for _, e := range all {
		shown = append(shown, e.Format)
		t.Run(e.Edit, func(t *testing.T) {
			t.Parallel()
			after, err := Apply(e.Format, []byte(e.before), Change{Set: e.Set, Unset: e.Unset})
			if e.fault != "" {
				if err == nil || err.Error() != e.fault {
					t.Errorf("got  %v\nwant %s", err, e.fault)
				}
				return
			}
			if err != nil || string(after) != e.after {
				t.Errorf("got\n%s%v\nwant\n%s", after, err, e.after)
			}
		})
	}
	if len(all) < 15 {
		t.Errorf("the reference has %d examples; were they found?", len(all))
	}
	for _, format := range Formats() {
		if !slices.Contains(shown, format) {
			t.Errorf("the reference has no example of %s", format)
		}
	}
}

func TestTheReferenceListsEveryFormat(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/edits.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range Formats() {
		if !strings.Contains(string(text), "| `"+format+"` |") {
			t.Errorf("the table of docs/edits.md does not list %s", format)
		}
	}
}
