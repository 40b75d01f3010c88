package snapshot

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"time"
)

// About says what a report is of, for the reports that are handed on.
type About struct {
	Name, Version string // of the app; "" without a manifest
	System        string
	Agent         string // the version of this program
	When          time.Time
}

// About describes the image.
func (i *Image) About(agent string) About {
	name, version := i.release()
	about := About{System: strings.TrimSpace(name + " " + version), Agent: agent, When: i.Now().UTC()}
	if i.Manifest != nil {
		about.Name, about.Version = i.Manifest.App.Name, i.Manifest.App.Version
	}
	return about
}

const pageStyle = `body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #ddd;overflow-wrap:anywhere}
code{font-size:90%}.fail{color:#b00020;font-weight:600}.warn{color:#8a5a00;font-weight:600}
.unknown{color:#5b3fa0;font-weight:600}.pass{color:#1a6b33}.note{color:#555}
small{color:#555}`

// WriteHTML prints the report as one page that needs nothing else, for the Marketplace's reviewers. Like every report it
// has no secret in it: findings have redacted samples.
func (r *Report) WriteHTML(w io.Writer, about About) error {
	var page strings.Builder
	name := cmp.Or(strings.TrimSpace(about.Name+" "+about.Version), "An image")
	verdict := Pass
	if r.Summary.Fail > 0 {
		verdict = Fail
	}
	fmt.Fprintf(
		&page,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "+
			"content=\"width=device-width\">\n<title>%s: image check</title>\n<style>%s</style>\n</head>\n<body>\n",
		html.EscapeString(name),
		pageStyle,
	)
	fmt.Fprintf(
		&page,
		"<h1>%s</h1>\n<p>%s, checked on %s by oneclick-agent %s.</p>\n",
		html.EscapeString(name),
		html.EscapeString(cmp.Or(about.System, "An unknown system")),
		about.When.Format(time.RFC3339),
		html.EscapeString(about.Agent),
	)
	fmt.Fprintf(
		&page,
		"<p>Verdict: <span class=\"%s\">%s</span>. %d failed, %d unknown, %d warnings, %d notes, %d passed; %d cleaned.</p>\n",
		verdict,
		verdict,
		r.Summary.Fail,
		r.Summary.Unknown,
		r.Summary.Warn,
		r.Summary.Note,
		r.Summary.Pass,
		len(r.Cleaned),
	)
	fmt.Fprintf(
		&page,
		"<p>The Marketplace's own script (img_check 1.8.1) would say: <span class=\"%s\">%s</span>.</p>\n",
		r.Marketplace.Status,
		r.Marketplace.Status,
	)
	if len(r.Marketplace.Reasons) > 0 {
		page.WriteString("<ul>\n")
		for _, reason := range r.Marketplace.Reasons {
			fmt.Fprintf(&page, "<li>%s</li>\n", html.EscapeString(reason))
		}
		page.WriteString("</ul>\n")
	}
	r.writeFindings(&page)
	r.writeRequirements(&page)
	r.writeCleaned(&page)
	page.WriteString("</body>\n</html>\n")
	_, err := io.WriteString(w, page.String())
	return err
}

func (r *Report) writeFindings(page *strings.Builder) {
	page.WriteString(
		"<h2>Findings</h2>\n<table>\n<tr><th>verdict</th><th>check</th><th>subject</th><th>what, and why it matters</th></tr>\n",
	)
	for _, check := range r.Checks {
		if check.Status == Pass && check.Accepted == "" {
			continue
		}
		text := html.EscapeString(check.Message)
		if check.Why != "" && !strings.Contains(check.Message, check.Why) {
			text += "<br><small>" + html.EscapeString(check.Why) + "</small>"
		}
		if check.Remedy != "" {
			text += "<br><small>Remedy: " + html.EscapeString(check.Remedy) + "</small>"
		}
		status := string(check.Status)
		if check.Accepted != "" {
			status = "accepted"
		}
		fmt.Fprintf(
			page,
			"<tr><td class=\"%s\">%s</td><td><code>%s</code></td><td>%s</td><td>%s</td></tr>\n",
			check.Status,
			status,
			check.ID,
			html.EscapeString(check.Subject),
			text,
		)
	}
	page.WriteString("</table>\n")
}

// writeRequirements answers each sentence of the Marketplace's README with the worst of its check.
func (r *Report) writeRequirements(page *strings.Builder) {
	page.WriteString(
		"<h2>What the Marketplace's README asks for</h2>\n<table>\n<tr><th>sentence</th><th>verdict</th><th>check</th></tr>\n",
	)
	for _, requirement := range Requirements() {
		if requirement.Check == "" {
			fmt.Fprintf(
				page,
				"<tr><td>%s</td><td class=\"note\">not checked</td><td>%s</td></tr>\n",
				html.EscapeString(requirement.Sentence),
				html.EscapeString(requirement.Why),
			)
			continue
		}
		status := Pass
		for _, check := range r.Checks {
			if check.ID == requirement.Check && rank(check.Status) < rank(status) {
				status = check.Status
			}
		}
		fmt.Fprintf(
			page,
			"<tr><td>%s</td><td class=\"%s\">%s</td><td><code>%s</code></td></tr>\n",
			html.EscapeString(requirement.Sentence),
			status,
			status,
			requirement.Check,
		)
	}
	page.WriteString("</table>\n")
}

func (r *Report) writeCleaned(page *strings.Builder) {
	if len(r.Cleaned) == 0 {
		return
	}
	counts := map[string]int{}
	var ids []string
	for _, c := range r.Cleaned {
		if counts[c.ID]++; counts[c.ID] == 1 {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	page.WriteString("<h2>Cleaned</h2>\n<table>\n<tr><th>what</th><th>how many</th></tr>\n")
	for _, id := range ids {
		fmt.Fprintf(page, "<tr><td><code>%s</code></td><td>%d</td></tr>\n", id, counts[id])
	}
	page.WriteString("</table>\n")
}
