package snapshot

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
)

// Description is an entry of the catalogue as people and other programs read it.
type Description struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Cleaning Mode     `json:"cleaning"`
	Action   Action   `json:"action,omitempty"`
	Reason   string   `json:"reason"`
	Touches  []string `json:"touches"`
	Again    bool     `json:"again_at_shutdown,omitempty"`
}

// Describe is the whole catalogue.
func Describe() (all []Description) {
	for _, e := range Catalogue() {
		all = append(all, Description{e.ID, e.Severity, e.Mode, e.Action, e.Reason, e.Touches, e.Returns})
	}
	return all
}

// WriteList prints the catalogue, a line an entry.
func WriteList(w io.Writer) {
	for _, d := range Describe() {
		fmt.Fprintf(w, "%-28s %-8s %-8s %-7s %s\n", d.ID, d.Severity, d.Cleaning, d.Action, d.Reason)
	}
}

// WritePage prints the catalogue as a page of the documentation.
func WritePage(w io.Writer) {
	fmt.Fprint(w, pageHead)
	for _, d := range Describe() {
		action := string(d.Action)
		if d.Again {
			action += ", again at shutdown"
		}
		touches := strings.Join(d.Touches, "`, `")
		fmt.Fprintf(
			w,
			"| `%s` | %s | %s | %s | %s | `%s` |\n",
			d.ID,
			d.Severity,
			d.Cleaning,
			action,
			d.Reason,
			strings.ReplaceAll(touches, "|", "\\|"),
		)
	}
	fmt.Fprint(
		w,
		"\n## Where our verdict differs from the Marketplace's script (img_check 1.8.1)\n\n| the script | we | check |\n| "+
			"--- | --- | --- |\n",
	)
	for _, d := range Differences() {
		fmt.Fprintf(w, "| %s | %s | `%s` |\n", d.Script, d.Ours, d.Check)
	}
	fmt.Fprint(w, "\n## What the Marketplace's README asks for\n\n| sentence | check | severity | how |\n| --- | --- | --- | --- |\n")
	severity := map[string]Severity{}
	for _, e := range Catalogue() {
		severity[e.ID] = e.Severity
	}
	for _, r := range Requirements() {
		if r.Check == "" {
			fmt.Fprintf(w, "| %s | none | | %s |\n", r.Sentence, r.Why)
		} else {
			fmt.Fprintf(w, "| %s | `%s` | %s | %s |\n", r.Sentence, r.Check, severity[r.Check], r.Why)
		}
	}
	fmt.Fprint(w, "\n## Supported systems\n\n| system | free support ends | the Marketplace's script |\n| --- | --- | --- |\n")
	for _, s := range systems() {
		verdict := "accepts it"
		if !s.Script {
			verdict = "fails it"
		}
		fmt.Fprintf(w, "| %s %s | %s | %s |\n", s.Name, s.Version, s.End, verdict)
	}
}

const pageHead = `# What pre-snapshot cleans and checks

Made from the code by ` + "`make docs`" + `. ` + "`~`" + ` is every account's home, ` + "`~~`" + ` the homes of people, ` +
	"`*`" + ` part of a name, ` + "`**`" + ` any depth.

Cleaning is **default** (always), **guarded** (unless there is a reason not to, which is told), **optional** (where the
manifest names it: ` + "`pre_snapshot: {clean: [{id: editor.backups}]}`" + `) or **report** (never; only told).
What is intended is accepted, and then neither cleaned nor a finding:
` + "`pre_snapshot: {accept: [{check: users.password, subject: deploy, reason: documented console user}]}`" + `.

## The rule for verdicts

A way in, a live secret, or what keeps the image's Droplets from working **fails**. What is likely one of these
**warns**. What depends on what the vendor intends is a **note**. What could not be determined is **unknown**, and never
passes. Only failures make pre-snapshot end with status 1; with ` + "`--strict`" + ` warnings and what is unknown do too. What each
kind of defect gets is in [pre-snapshot-defects.md](pre-snapshot-defects.md).

The severity below says what is at stake: **critical** gives access or ships a live secret, **high** breaks what must
differ between machines or ships private data, **medium** is trouble or tells about the build, **low** is size and noise.

## The catalogue

| id | severity | cleaning | action | why | touches |
| --- | --- | --- | --- | --- | --- |
`

// CheckManifest finds what the manifest says of entries that there are not.
func CheckManifest(m *manifest.Manifest) (problems problem.List) {
	if m.PreSnapshot == nil {
		return nil
	}
	ids := IDs()
	check := func(id, at string, known []string, what string) {
		if id != "" && !slices.Contains(known, id) {
			problems = append(
				problems,
				problem.Problem{
					Position: m.Position(at),
					Path:     at,
					Message:  fmt.Sprintf("there is no %s %q", what, id),
					Hint:     problem.DidYouMean(id, known),
				},
			)
		}
	}
	for n, accept := range m.PreSnapshot.Accept {
		check(accept.Check, fmt.Sprintf("pre_snapshot.accept[%d].check", n), ids, "check")
	}
	for n, name := range m.PreSnapshot.Remove {
		if at := fmt.Sprintf("pre_snapshot.remove[%d]", n); isProtected(strings.TrimRight(name, "*/")) {
			problems = append(
				problems,
				problem.Problem{
					Position: m.Position(at),
					Path:     at,
					Message:  fmt.Sprintf("the image is made for %s, and it always stays", name),
					Hint:     "take the line out",
				},
			)
		}
	}
	var optional, always []string
	for _, e := range Catalogue() {
		if e.Mode == Optional {
			optional = append(optional, e.ID)
		} else if e.Cleans() {
			always = append(always, e.ID)
		}
	}
	for n, choice := range m.PreSnapshot.Clean {
		if slices.Contains(always, choice.ID) {
			at := fmt.Sprintf("pre_snapshot.clean[%d].id", n)
			problems = append(
				problems,
				problem.Problem{
					Position: m.Position(at),
					Path:     at,
					Message:  fmt.Sprintf("%s is always cleaned", choice.ID),
					Hint:     "take the line out",
				},
			)
			continue
		}
		if choice.ID == "users.build_account" && (choice.Subject == "" || choice.Subject == "root") {
			at := fmt.Sprintf("pre_snapshot.clean[%d]", n)
			problems = append(
				problems,
				problem.Problem{
					Position: m.Position(at),
					Path:     at,
					Message:  "must name the account that the build used, and not root",
					Hint:     "add subject: NAME",
				},
			)
		}
		check(choice.ID, fmt.Sprintf("pre_snapshot.clean[%d].id", n), optional, "optional cleaning")
	}
	return problems
}
