package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/step"
)

// longestReason is how much of one line that a program printed is told, in characters.
const longestReason = 1000

// Failure is the failure of a step, in words that hold no secret.
type Failure struct {
	Step  string
	Cause journal.Cause
	err   error
}

func (f *Failure) Error() string {
	text := f.Step + ": " + f.Cause.Message
	if f.Cause.Output != "" {
		text += "; all that was printed is in " + f.Cause.Output
	}
	return text
}

// Unwrap is the error behind it, whose own text may hold what a command printed.
func (f *Failure) Unwrap() error { return f.err }

// overdue is the error of a step that its bound ended.
type overdue struct {
	within time.Duration
	err    error
}

func (o *overdue) Error() string { return o.err.Error() }
func (o *overdue) Unwrap() error { return o.err }

// Explain is an error for people and for the journal. The reason is the last line of what a program printed that says
// something. Secrets are taken out first, and what is left is shortened then: the other way round, a part of one would stay.
func (e *Engine) Explain(err error) journal.Cause {
	var told *Failure
	if errors.As(err, &told) {
		return told.Cause
	}
	cause := journal.Cause{Message: e.Facts.Redact.Redact(err.Error())}
	text, printed := outputOf(err)
	last := lastLine(e.Facts.Redact.Redact(text))
	var late *overdue
	isLate := errors.As(err, &late)
	switch {
	case isLate && last != "":
		cause.Message = fmt.Sprintf("%s (it was given %s); the last that it printed: %s", cause.Message, asWritten(late.within), last)
	case isLate:
		cause.Message = fmt.Sprintf("%s (it was given %s)", cause.Message, asWritten(late.within))
	case last != "":
		cause.Message = fmt.Sprintf("%s (%s)", last, cause.Message)
	case printed:
		cause.Message += " and printed nothing"
	}
	cause.Advice = adviceFor(cause.Message, text)
	if kept := new(step.Printed); errors.As(err, &kept) {
		cause.Output = kept.File
	}
	return cause
}

// asWritten is a duration as a manifest has it: 5m, not 5m0s.
func asWritten(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// outputOf is what a program printed whose failure this is, and whether there was one.
func outputOf(err error) (text string, printed bool) {
	var kept *step.Printed
	if errors.As(err, &kept) {
		return string(kept.Text), len(kept.Text) == 0 && isCommand(kept.Err)
	}
	var failed *host.CommandError
	if errors.As(err, &failed) {
		return string(failed.Printed), len(failed.Printed) == 0
	}
	return "", false
}

func isCommand(err error) bool {
	var failed *host.CommandError
	return errors.As(err, &failed)
}

// escapes are what programs print to colour their words and to move the cursor.
var escapes = pattern.New(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)`)

// lastLine is the last line that has a word in it. Of a line that was written over, the last version counts.
func lastLine(text string) string {
	lines := strings.Split(text, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimRight(escapes().ReplaceAllString(lines[i], ""), "\r \t")
		line = strings.TrimSpace(line[strings.LastIndexByte(line, '\r')+1:])
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			return shortenTo(line, longestReason)
		}
	}
	return ""
}

func shortenTo(text string, length int) string {
	if runes := []rune(text); len(runes) > length {
		return string(runes[:length]) + "..."
	}
	return text
}

// longestAdvised is how much of the end of what a program printed is looked at for advice, in bytes.
const longestAdvised = 2000

// advice is what helps where a failure says one of these words. The first that fits is taken.
var advice = []struct {
	words []string
	says  string
}{
	{[]string{"no space left on device", "disk quota exceeded", "not enough free disk space"},
		"free some disk space (df -h shows where it went), or resize the Droplet"},
	{[]string{"address already in use", "port is already allocated", "only one usage of each socket address"},
		"find what has the port with ss -ltnp, and stop it or choose another port"},
	{[]string{"no such host", "could not resolve", "couldn't resolve", "name or service not known",
		"temporary failure in name resolution", "temporary failure resolving"},
		"make sure that the name is right and leads somewhere (resolvectl query NAME)"},
	{[]string{"there is no such command", "command not found", "executable file not found"},
		"install the command when the image is built, or correct its name in the manifest"},
	{[]string{"could not get lock", "unable to acquire the dpkg"}, "wait until the other package manager has ended (ps -e | grep apt)"},
	{[]string{"cannot allocate memory", "out of memory", "was killed by sigkill"},
		"give it more memory: resize the Droplet, or add swap (free -m shows what there is)"},
	{[]string{"connection refused"}, "make sure that the server runs and listens there (ss -ltnp)"},
	{[]string{"did not end in time", "it did not come in time"}, "find what it waits for, or give it more time with within: in the manifest"},
	{[]string{"journalctl -u "}, "look into the unit's own messages and mend what they name"},
}

// adviceFor is what a person can do about a failure; "" where nothing better is known than to mend the cause.
func adviceFor(reason, printed string) string {
	for _, text := range []string{reason, printed[max(0, len(printed)-longestAdvised):]} {
		text = strings.ToLower(text)
		for _, a := range advice {
			if slices.ContainsFunc(a.words, func(words string) bool { return strings.Contains(text, words) }) {
				return a.says
			}
		}
	}
	return ""
}
