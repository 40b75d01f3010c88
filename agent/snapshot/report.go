package snapshot

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"oneclick-agent/agent/problem"
)

// Report is what a run did and found.
type Report struct {
	Cleaned     []Cleaned   `json:"cleaned"`
	Checks      []Check     `json:"checks"`
	Marketplace Marketplace `json:"marketplace"`
	Summary     Summary     `json:"summary"`
}

// Cleaned is one thing that was cleaned, or in a dry run would be.
type Cleaned struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Action  Action `json:"action"`
}

// Check is one finding, or the word that a check found nothing.
type Check struct {
	ID      string `json:"id"`
	Status  Status `json:"status"`
	Subject string `json:"subject"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
	// Severity says what is at stake: critical, high, medium, low.
	Severity Severity `json:"severity"`
	// Why is in one sentence why this matters for the image, and Accepted the manifest's reason for accepting it.
	Why      string `json:"why"`
	Accepted string `json:"accepted,omitempty"`
}

// Summary counts the checks by verdict. It is always computed from them.
type Summary struct {
	Pass    int `json:"pass"`
	Note    int `json:"note"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Unknown int `json:"unknown"`
}

func (r *Report) sum() {
	r.Summary = Summary{}
	for _, check := range r.Checks {
		switch check.Status {
		case Pass:
			r.Summary.Pass++
		case Note:
			r.Summary.Note++
		case Warn:
			r.Summary.Warn++
		case Fail:
			r.Summary.Fail++
		default:
			r.Summary.Unknown++
		}
	}
	slices.SortStableFunc(r.Checks, func(a, b Check) int {
		return cmp.Or(cmp.Compare(rank(a.Status), rank(b.Status)), cmp.Compare(weight(a.Severity), weight(b.Severity)))
	})
}

// rank puts the worst first.
func rank(s Status) int { return slices.Index([]Status{Fail, Unknown, Warn, Note, Pass}, s) }

// weight puts what is most at stake first.
func weight(s Severity) int { return slices.Index([]Severity{Critical, High, Medium, Low}, s) }

// Failed reports whether the image should not be snapshotted; strict takes warnings and what is unknown for failures.
func (r *Report) Failed(strict bool) bool {
	return r.Summary.Fail > 0 || strict && r.Summary.Warn+r.Summary.Unknown > 0
}

// WriteJSON prints the report as one document.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// shown is how many subjects of one check people are shown; all are in the JSON.
const shown = 5

// WriteText prints the report for people: the worst first, each with what mends it; then what cleaning will deal with.
func (r *Report) WriteText(w io.Writer) {
	counts := map[string]int{}
	for _, check := range r.Checks {
		if check.Status == Pass && check.Subject == "" || check.Remedy == cleansIt {
			continue
		}
		key := check.ID + string(check.Status)
		if counts[key]++; counts[key] > shown {
			continue
		}
		fmt.Fprintf(w, "%-8s %-28s %s\n", check.Status, check.ID, check.Subject)
		fmt.Fprintf(w, "         %s\n", check.Message)
		if check.Status != Pass && check.Status != Unknown && check.Why != "" && !strings.Contains(check.Message, check.Why) {
			fmt.Fprintf(w, "         why: %s\n", check.Why)
		}
		if check.Remedy != "" {
			fmt.Fprintf(w, "         -> %s\n", check.Remedy)
		}
		if more := r.count(check) - shown; counts[key] == shown && more > 0 {
			fmt.Fprintf(w, "         ... and %d more of %s; --json has all\n", more, check.ID)
		}
	}
	r.writeCleanable(w)
	fmt.Fprintf(
		w,
		"\n%d failed, %d unknown, %d warnings, %d notes, %d passed; %d cleaned\n",
		r.Summary.Fail,
		r.Summary.Unknown,
		r.Summary.Warn,
		r.Summary.Note,
		r.Summary.Pass,
		len(r.Cleaned),
	)
	fmt.Fprintf(w, "The Marketplace's own script (img_check 1.8.1) would say: %s\n", r.Marketplace.Status)
	for _, reason := range r.Marketplace.Reasons {
		fmt.Fprintf(w, "  - %s\n", problem.OneLine(reason))
	}
}

// writeCleanable prints a line for each check whose findings need nobody: cleaning deals with them.
func (r *Report) writeCleanable(w io.Writer) {
	told := map[string]bool{}
	for _, check := range r.Checks {
		key := check.ID + string(check.Status)
		if check.Remedy != cleansIt || told[key] {
			continue
		}
		if len(told) == 0 {
			fmt.Fprintf(w, "\nDealt with by %s:\n", cleansIt)
		}
		told[key] = true
		fmt.Fprintf(w, "%-8s %-28s %s", check.Status, check.ID, check.Subject)
		if more := r.count(check) - 1; more > 0 {
			fmt.Fprintf(w, " and %d more", more)
		}
		fmt.Fprintln(w)
	}
}

func (r *Report) count(like Check) (n int) {
	for _, check := range r.Checks {
		if check.ID == like.ID && check.Status == like.Status && (check.Remedy == cleansIt) == (like.Remedy == cleansIt) {
			n++
		}
	}
	return n
}

// WritePlan prints what cleaning would do.
func (r *Report) WritePlan(w io.Writer) {
	for _, c := range r.Cleaned {
		fmt.Fprintf(w, "%-7s %-28s %s\n", c.Action, c.ID, problem.OneLine(c.Subject))
	}
	fmt.Fprintf(w, "%d would be cleaned; nothing was changed\n", len(r.Cleaned))
}
