package firstlogin

import (
	"strings"
	"testing"

	"oneclick-agent/agent/status"
)

// Text is broken at spaces; a command never, where it fits a line at all.
func TestTextIsWrappedAtItsWords(t *testing.T) {
	t.Parallel()
	const command = "oneclick-agent secrets show admin_password"
	for _, c := range []struct {
		text  string
		width int
		long  bool
		want  string
	}{
		{"one two three", 7, false, "one two|three"},
		{"it fits", 7, false, "it fits"},
		{"two  spaces stay", 20, false, "two  spaces stay"},
		{"To see it: " + command, 60, false, "To see it: " + command},
		{"To see it now: " + command, 50, false, "To see it now:|" + command},
		{"Run oneclick-agent status; then go on", 24, false, "Run|oneclick-agent status;|then go on"},
		{"To see it: " + command, 30, true, "To see it:|" + command},
		{"To see it: " + command, 30, false, "To see it:|oneclick-agent secrets show|admin_password"},
		{"  1  Set it up with them", 14, false, "  1 Set it up|  with them"},
		{"https://example.org/a/long/path", 12, false, "https://exam|ple.org/a/lo|ng/path"},
		{"密码与暗号は秘密である", 8, false, "密码与暗|号は秘密|である"},
		{"first\n\nthird", 40, false, "first||third"},
		{"", 40, false, ""},
	} {
		if got := strings.Join(wrap(c.text, c.width, c.long), "|"); got != c.want {
			t.Errorf("wrap(%q, %d, %v) is %q, want %q", c.text, c.width, c.long, got, c.want)
		}
	}
}

// No line of anything that is laid out is wider than the window, whatever stands in it.
func TestNothingIsWiderThanTheWindow(t *testing.T) {
	t.Parallel()
	rows := []Row{
		{"Name", "value"},
		{"A question that is quite long for a name?", strings.Repeat("long ", 30)},
		{"密码", strings.Repeat("暗号", 40)},
	}
	for columns := 10; columns <= 120; columns++ {
		s := Screen{
			Theme:   Theme{Plain: true, marks: marks{bar: "=", line: "-", between: ", "}},
			App:     strings.Repeat("App ", 20),
			Place:   "garden",
			Columns: columns,
			Rows:    24,
		}
		lines := append(s.head(2, 5), s.table(rows, "+")...)
		lines = append(lines, s.table(rows, "")...)
		lines = append(lines, s.marked("x", strings.Repeat("word ", 40), nil)...)
		lines = append(lines, s.text(strings.Repeat("word ", 40), nil)...)
		for _, line := range lines {
			if got := columnsOf(margin + line); got >= columns && columns > len(margin)+20 {
				t.Errorf("%d columns: %d are taken by %q", columns, got, line)
			}
		}
	}
}

// What guessing programs try first, repetitions, sequences and what is known of the setup make no password strong.
func TestPasswordsAreJudged(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]string{
		"password": "weak", "Password123!": "weak", "aaaaaaaaaaaaaaaaaaaaaaaa": "weak", "abcdefghijklmnop": "weak", "1234567890123456": "weak",
		"rose@garden.org1": "weak", "wordpress-2026": "weak", "abababababababab": "weak",
		"h7Kq2m9x": "fair", "tulip-7391-gate": "strong", "correct horse battery staple": "strong", "q8Vn2Xw5Rk7Tz0Bd3Fg6Hj9Lm1Pq4St8": "strong",
	} {
		if got := Strength(password, "WordPress", "rose@garden.org", "rose", "garden"); got != want {
			t.Errorf("%q is called %s, want %s", password, got, want)
		}
	}
}

// A paste is one line, and nothing is taken out of its middle.
func TestPastedText(t *testing.T) {
	t.Parallel()
	const lines, control = "What you pasted has more than one line. Paste one line.", "What you pasted holds characters that cannot " +
		"be typed. Paste plain text."
	for text, want := range map[string][2]string{
		"plain": {"plain", ""}, "with its end\r\n": {"with its end", ""}, " spaces stay ": {" spaces stay ", ""},
		"two\nlines": {"", lines}, "two\rlines\r": {"", lines}, "a\tb": {"", control}, "a\x1b[31mb": {"", control}, "": {"", ""},
	} {
		if usable, problem := pasted(text); usable != want[0] || problem != want[1] {
			t.Errorf("%q gives %q, %q", text, usable, problem)
		}
	}
}

func TestTimesAreSaidAsPeopleSayThem(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{0.2: "0 s", 59.4: "59 s", 59.6: "1 min", 60: "1 min", 61: "1 min 1 s", 300: "5 min",
		3725: "62 min 5 s"} {
		if got := duration(seconds); got != want {
			t.Errorf("%v s is said as %q, want %q", seconds, got, want)
		}
	}
}

func TestARunningStepTellsWhatIsUsualAndWhatIsTheMost(t *testing.T) {
	t.Parallel()
	for want, step := range map[string]status.Step{
		"usually 40 s, at most 2 min": {Seconds: 3, Usual: 40, Within: 120},
		"usually 40 s":                {Seconds: 3, Usual: 40},
		"at most 2 min":               {Seconds: 41, Usual: 40, Within: 120}, // it is not as usual today
		"":                            {Seconds: 3},
	} {
		if got := strings.Join(bound(step), ", "); got != want {
			t.Errorf("%+v tells %q, want %q", step, got, want)
		}
	}
}
