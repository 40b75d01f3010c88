package prove

import (
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Report is what was proved.
type Report struct {
	Image  string  `json:"image"`
	Seed   uint64  `json:"seed"`
	Proofs []Proof `json:"proofs"`
}

// Holds reports whether every claim does.
func (r Report) Holds() bool {
	for _, p := range r.Proofs {
		if !p.Holds {
			return false
		}
	}
	return len(r.Proofs) > 0
}

// Verdict says it in a sentence.
func (r Report) Verdict() string {
	failed := 0
	for _, p := range r.Proofs {
		if !p.Holds {
			failed++
		}
	}
	if failed == 0 {
		return fmt.Sprintf("All %d claims hold.", len(r.Proofs))
	}
	return fmt.Sprintf("%d of %d claims do not hold; repeat it with --seed %d.", failed, len(r.Proofs), r.Seed)
}

func (p Proof) line() string {
	word := "proved  "
	if !p.Holds {
		word = "REFUTED "
	}
	return fmt.Sprintf("%s%s (%s)", word, p.Claim, strings.ReplaceAll(p.Detail, "\n", "; "))
}

// WriteMarkdown writes the page for people.
func (r Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# What is proved of %s\n\n%s\n\n| | claim | seen | seconds |\n| --- | --- | --- | --- |\n", r.Image, r.Verdict())
	cell := strings.NewReplacer("|", "\\|", "\n", "<br>", "<", "&lt;")
	for _, p := range r.Proofs {
		mark, seen := "proved", cell.Replace(p.Detail)
		if !p.Holds {
			mark = "**refuted**"
			seen += "<br>*" + cell.Replace(p.Remedy) + "*"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f |\n", mark, cell.Replace(p.Claim), seen, p.Seconds)
	}
	fmt.Fprintf(&b, "\nOn Droplets of this image in QEMU, with real systemd, cloud-init and sshd; seed %d.\n", r.Seed)
	_, err := io.WriteString(w, b.String())
	return err
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>What is proved of {{.Image}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100% } td,
	th { text-align: left; vertical-align: top; padding: .4em .8em .4em 0; border-bottom: 1px solid #d0d7de }
.proved { color: #116329 } .refuted { color: #a40e26; font-weight: bold }
.seen { white-space: pre-line } .remedy { font-style: italic; white-space: pre-line }
</style>
<h1>What is proved of {{.Image}}</h1>
<p>{{.Verdict}}</p>
<table><tr><th></th><th>claim</th><th>seen</th><th>seconds</th></tr>
{{range .Proofs}}<tr><td class="{{if .Holds}}proved">proved{{else}}refuted">refuted{{end}}</td><td>{{.Claim}}</td>
<td><span class="seen">{{.Detail}}</span>
{{if .Remedy}}<br><span class="remedy">{{.Remedy}}</span>{{end}}</td><td>{{printf "%.0f" .Seconds}}</td></tr>
{{end}}</table>
<p>On Droplets of this image in QEMU, with real systemd, cloud-init and sshd; seed {{.Seed}}.</p>
</html>
`))

// WriteHTML writes the same as one page for a browser.
func (r Report) WriteHTML(w io.Writer) error { return page.Execute(w, r) }
