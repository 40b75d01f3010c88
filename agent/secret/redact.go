package secret

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// leastRedacted is the shortest value looked for: shorter ones would be found everywhere.
const leastRedacted = 6

// Redactor replaces known secrets in text that is about to be shown. It is the second line of defence, for what
// other programs print; what this program prints holds none in the first place.
type Redactor struct{ pairs []redaction }

type redaction struct{ value, name string }

// Add makes the redactor know a value, and the forms it takes in URLs and JSON.
func (r *Redactor) Add(name string, value Secret) {
	text := value.Reveal()
	quoted, _ := json.Marshal(text)
	forms := []string{text, url.QueryEscape(text), url.PathEscape(text), url.UserPassword("", text).String()[1:], strings.Trim(string(quoted), `"`)}
	if strings.Contains(text, "\n") { // a key: no line of it may show either
		forms = append(forms, strings.Split(text, "\n")...)
	}
	for _, form := range forms {
		if len(form) >= leastRedacted && !strings.HasPrefix(form, "-----") {
			r.pairs = append(r.pairs, redaction{form, "[secret " + name + "]"})
		}
	}
	slices.SortStableFunc(r.pairs, func(a, b redaction) int { return cmp.Compare(len(b.value), len(a.value)) })
	r.pairs = slices.Compact(r.pairs)
}

// AddStore makes the redactor know everything in a store.
func (r *Redactor) AddStore(store *Store) {
	for name, fields := range store.secrets {
		for field, value := range fields {
			if field != "public" && field != "ssh_public" && field != "cert" && field != "chain" {
				r.Add(name, value)
			}
		}
	}
}

// Redact replaces every known value by its name.
func (r *Redactor) Redact(text string) string {
	for _, pair := range r.pairs {
		text = strings.ReplaceAll(text, pair.value, pair.name)
	}
	return text
}
