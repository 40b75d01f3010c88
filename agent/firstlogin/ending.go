package firstlogin

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/motd"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/status"
)

// screen is the layout for the terminal of this session.
func (s *Session) screen() Screen {
	app := strings.TrimSpace(s.Setup.Manifest.App.Name + " " + s.Setup.Manifest.App.Version)
	d := s.Setup.Droplet
	columns, rows := s.Terminal.size()
	return Screen{
		Theme: NewTheme(
			s.plain(),
			!s.NoColour,
		), App: app, Place: strings.TrimSpace(d.Name + "  " + d.Address()), Columns: columns, Rows: rows, Stays: true,
	}
}

// plain tells whether nothing is drawn now: the window may have become too small meanwhile.
func (s *Session) plain() bool { return s.Plain || !s.Terminal.fits() }

// tell says something that stays on the terminal. Restored first, because a form leaves it without echo and line breaks.
func (s *Session) tell(text string) {
	s.Terminal.Restore()
	screen := s.screen()
	if s.plain() {
		screen.say(s.Out, "\n"+text)
		return
	}
	fmt.Fprint(s.Out, "\n"+indent(screen.text(text, nil)))
}

// began is the head of what is followed, and which answers are applied: it stays on the terminal.
func (s *Session) began(title string, rows []Row) {
	if s.plain() {
		s.screen().say(s.Out, "\n"+title)
		return
	}
	screen := s.screen()
	lines := append([]string{""}, screen.head(0, 1)...)
	if len(rows) > 0 {
		lines = append(append(lines, ""), screen.table(rows, screen.done)...)
	}
	fmt.Fprint(s.Out, indent(append(append(lines, ""), screen.text(title, nil)...)))
}

// Tell says how things stand.
func (s *Session) Tell(stands status.Status) { s.tell(strings.Join(stands.Says, "\n")) }

// ending tells how the setup ended, and what to do now.
func (s *Session) ending(stands status.Status) {
	screen, words := s.screen(), stands.Says
	finished := stands.State.Complete()
	var rows []Row
	vendor := ""
	if finished {
		rows, vendor = s.endRows(), s.vendorText()
	}
	if s.plain() {
		text := "\n" + strings.Join(words, "\n")
		for _, row := range rows {
			text += "\n" + Option{Label: row.Name, Detail: problem.OneLine(row.Value)}.String()
		}
		if vendor != "" {
			text += "\n\n" + vendor
		}
		screen.say(s.Out, text)
		return
	}
	lines := []string{""}
	switch {
	case finished:
		lines = append(lines, screen.marked(screen.accent(screen.done), words[0], screen.title)...)
	case stands.State == status.Failed:
		lines = append(lines, screen.marked(screen.wrong(screen.failed), words[0], screen.wrong)...)
	default:
		lines = append(lines, screen.marked(screen.accent(screen.waiting), words[0], screen.bold)...)
	}
	for _, line := range words[1:] {
		lines = append(lines, screen.text(line, nil)...)
	}
	if len(rows) > 0 {
		lines = append(append(lines, ""), screen.table(rows, "")...)
	}
	if vendor != "" {
		lines = append(append(lines, ""), screen.text(vendor, nil)...)
	}
	fmt.Fprint(s.Out, indent(append(lines, "")))
}

// endRows are where to go now: the address, the user, the passwords, the next command.
func (s *Session) endRows() []Row {
	var rows []Row
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, Row{name, value})
		}
	}
	add("Open", s.address())
	user, password := s.account()
	add("User", user)
	if password != "" {
		add("Password", "oneclick-agent secrets show "+password)
	} else if s.Setup.Host.Files.Exists(secret.PasswordsPath) {
		add("Passwords", "oneclick-agent secrets list")
	}
	add("Help", s.Setup.Manifest.App.Docs)
	add("Next", "oneclick-agent status")
	return rows
}

// address is where the app is opened: as the vendor's own text has it, where that names this Droplet or its domain.
func (s *Session) address() string {
	known := s.Setup.URL()
	if !s.Setup.Manifest.App.URL.IsZero() {
		return known // the vendor says where it is
	}
	var domain string
	if login := s.Setup.Manifest.FirstLogin; login != nil {
		for _, q := range login.Questions {
			if q.Type == "domain" && domain == "" {
				domain, _ = s.Setup.Answer(q)
			}
		}
	}
	hosts := []string{domain, s.Setup.Droplet.IPv4, s.Setup.Droplet.ReservedIPv4, s.Setup.Droplet.IPv6}
	for _, word := range strings.Fields(s.vendorText()) {
		word = strings.TrimRight(word, ".,;:)")
		if parsed, err := url.Parse(word); err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https") && parsed.Hostname() != "" &&
			slices.Contains(hosts, parsed.Hostname()) {
			return word
		}
	}
	if domain != "" {
		return "http://" + domain
	}
	return known
}

// account is the user that the manifest knows for the app, and the name of the password: of a question for a user that
// stands beside one for a password, or of a login that was made by htpasswd.
func (s *Session) account() (user, password string) {
	m := s.Setup.Manifest
	if m.FirstLogin != nil {
		for _, q := range m.FirstLogin.Questions {
			if q.Type == "password" && s.set(q) {
				password = cmp.Or(password, q.Name)
				user = cmp.Or(user, s.userBeside(q))
			}
		}
	}
	names := []string{}
	for name := range m.Secrets {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if spec := m.Secrets[name]; spec.Kind() == "htpasswd" && (password == "" || spec.From == "answers."+password) {
			return cmp.Or(user, s.Setup.Preview().Show(spec.User), "admin"), cmp.Or(password, spec.From)
		}
	}
	return user, password
}

func (s *Session) set(q manifest.Question) bool {
	answer, ok := s.Setup.Answer(q)
	return ok && answer != ""
}

// userBeside is the answer to the question for the user that a password belongs to: admin_user beside admin_password.
func (s *Session) userBeside(password manifest.Question) string {
	prefix := strings.TrimSuffix(password.Name, "password")
	for _, q := range s.Setup.Manifest.FirstLogin.Questions {
		for _, ending := range []string{"user", "username", "user_name", "login"} {
			if q.Name == prefix+ending && !q.Hidden() {
				answer, _ := s.Setup.Answer(q)
				return answer
			}
		}
	}
	return ""
}

// vendorText is the part of the message of the day that the image's vendor wrote.
func (s *Session) vendorText() string {
	_, text, _ := strings.Cut(motd.Read(s.Setup.Host.Files), "\n\n")
	return strings.TrimSpace(text)
}
