package snapshot

import (
	"io"
	"strings"

	"oneclick-agent/agent/sarif"
)

// sarifLevels are SARIF's words for verdicts. What is unknown may be a failure, and has to be looked at like a warning.
var sarifLevels = map[Status]string{Fail: "error", Warn: "warning", Unknown: "warning", Note: "note", Pass: "none"}

// WriteSARIF prints the findings for programs that read SARIF.
func (r *Report) WriteSARIF(w io.Writer, about About) error {
	var results []sarif.Result
	for _, check := range r.Checks {
		if check.Status == Pass && check.Accepted == "" {
			continue
		}
		result := sarif.Result{
			Rule: check.ID, Why: check.Why, Severity: string(check.Severity), Level: sarifLevels[check.Status],
			Message: strings.TrimSpace(check.Subject + ": " + check.Message), Accepted: check.Accepted,
		}
		if strings.HasPrefix(check.Subject, "/") {
			result.File = check.Subject
		} else {
			result.Name = check.Subject
		}
		if check.Accepted != "" {
			result.Level = "warning"
		}
		results = append(results, result)
	}
	return sarif.Write(w, "oneclick-agent pre-snapshot", about.Agent, results)
}
