package plan

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"oneclick-agent/agent/facts"
)

// Shown is what a setup would do, for people and programs. No secret is in it.
type Shown struct {
	// Secrets are the names of those that would be made.
	Secrets    []string `json:"secrets"`
	FirstBoot  []Line   `json:"first_boot"`
	FirstLogin []Line   `json:"first_login"`
	// later says when first login's part is done.
	later string
}

// Line is one step of it.
type Line struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Does    string `json:"does"`
	Applies bool   `json:"applies"` // true also where that is not known yet
	// Optional tells that its failure does not fail the setup.
	Optional bool    `json:"optional"`
	Within   float64 `json:"within"` // seconds that it may take
}

// Show lists what a setup would do. With answered, it counts on the answers that are there.
func Show(filling *facts.Filling, answered bool) Shown {
	f := filling.Facts()
	shown := ShowLogin(filling, answered)
	shown.FirstBoot = lines(filling, Boot(f), true)
	if len(shown.FirstLogin) > 0 {
		shown.later = "once the questions of first login are answered"
		if len(f.Manifest.FirstLogin.Questions) == 0 {
			shown.later = "at first login"
		}
	}
	return shown
}

// ShowLogin lists what is done with the answers.
func ShowLogin(filling *facts.Filling, answered bool) Shown {
	f := filling.Facts()
	return Shown{Secrets: append([]string{}, f.Store.Missing(f.Manifest, answered)...), FirstBoot: []Line{},
		FirstLogin: lines(filling, Login(f), answered)}
}

// lines lists items. Known tells that what their conditions ask for is.
func lines(filling *facts.Filling, items []Item, known bool) []Line {
	made := []Line{}
	for _, item := range items {
		applies, err := filling.Applies(item.When)
		made = append(made, Line{item.ID, item.Title, item.Summary, applies || err != nil || !known, item.Optional, item.Within.Seconds()})
	}
	return made
}

// Write prints it for people.
func (s Shown) Write(w io.Writer) error {
	var b strings.Builder
	if len(s.Secrets) > 0 {
		fmt.Fprintf(&b, "%4s  make secrets: %s\n", "", strings.Join(s.Secrets, ", "))
	}
	for i, line := range slices.Concat(s.FirstBoot, s.FirstLogin) {
		if i == len(s.FirstBoot) && s.later != "" {
			fmt.Fprintf(&b, "%4s  %s:\n", "", s.later)
		}
		suffix := ""
		if !line.Applies {
			suffix = "  (does not apply)"
		} else if line.Optional {
			suffix = "  (optional)"
		}
		fmt.Fprintf(&b, "%4d  %s%s\n", i+1, line.Does, suffix)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
