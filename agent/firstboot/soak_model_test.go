package firstboot

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

// model is what must be true of a Droplet.
type model struct {
	// now is true, and possible was true at some time since everything was last as it must be: what a run that was cut off
	// left may be made from any of these.
	now      truth
	possible []truth
	// revisions are those of the manifest that steps may have been carried out with: one that comes later is taken up with
	// the next change.
	revisions []int
	ran       []int // the revisions of the runs since everything was last as it must be
	// applied is the database that everything was last made for.
	applied connection
	// renewable are the secrets that may get another value, because somebody asked for that or because of what they say.
	renewable map[string]bool
	given     map[string][]string // answers that were given, not yet seen
	reset     bool
	settled   bool // everything was once as it must be
	calm      bool // and nothing ran since
	booted    bool // first boot was complete once
	loggedIn  bool // first login is complete
	hands     map[string]string
	added     map[string]string // lines that a person added to files that steps edit
	once, at  int               // how often commands may have run by now
}

// removed is in hands for a file that a person removed.
const removed = "removed"

func (m *model) clone() *model {
	c := *m
	c.now, c.possible = m.now.clone(), nil
	for _, t := range m.possible {
		c.possible = append(c.possible, t.clone())
	}
	c.renewable, c.hands, c.added = maps.Clone(m.renewable), maps.Clone(m.hands), maps.Clone(m.added)
	c.revisions, c.ran = slices.Clone(m.revisions), slices.Clone(m.ran)
	c.given = map[string][]string{}
	for name, values := range m.given {
		c.given[name] = slices.Clone(values)
	}
	return &c
}

// observe takes up what an event brought about, and finds what it must not have.
func (m *model) observe(root string, fail func(string, ...any)) {
	h, err := host.Open(root)
	if err != nil {
		fail("%v", err)
		return
	}
	defer h.Close()
	m.observeSecrets(h, fail)
	m.observeAnswers(h, fail)
	boot, err := journal.Read(h.Files, state.Journal)
	login, loginErr := journal.Read(h.Files, state.LoginJournal)
	if err != nil || loginErr != nil {
		fail("a record cannot be read: %v %v", err, loginErr)
	}
	if m.booted && !boot.Phase.Complete() {
		fail("first boot was complete, and is %s", boot.Phase)
	}
	m.booted, m.loggedIn = boot.Phase.Complete(), login.Phase.Complete()
	m.observeDatabase(root, fail)
	if n := len(m.possible); n == 0 || fmt.Sprint(m.possible[n-1]) != fmt.Sprint(m.now) {
		m.possible = append(m.possible, m.now.clone())
	}
}

func (m *model) observeSecrets(h *host.Host, fail func(string, ...any)) {
	store, err := secret.Open(h.Files)
	if err != nil {
		fail("the store: %v", err)
		return
	}
	names := store.Names()
	for _, name := range names {
		fields, _ := store.Get(name)
		value := fields[""].Reveal() + fields["cert"].Reveal()
		old, known := m.now.secrets[name]
		question, isAnswer := strings.CutPrefix(name, "answers.")
		switch {
		case value == old && known:
		case isAnswer && slices.Contains(m.given[question], value), !isAnswer && (!known || m.renewable[name] || name == "late" && !m.loggedIn):
			delete(m.renewable, name)
			m.now.secrets[name] = value
		default:
			fail("%s has another value", name)
		}
	}
	for name := range m.now.secrets {
		if !slices.Contains(names, name) {
			if !m.reset || !strings.HasPrefix(name, "answers.") {
				fail("%s is gone", name)
			}
			delete(m.now.secrets, name)
		}
	}
	if one, sum := m.now.secrets["one"], m.now.secrets["sum"]; sum != "" {
		if digest := sha256.Sum256([]byte(one)); hex.EncodeToString(digest[:]) != sum {
			fail("sum is not that of one")
		}
	}
}

func (m *model) observeAnswers(h *host.Host, fail func(string, ...any)) {
	var answers facts.Answers
	if _, _, err := state.ReadSealed(h.Files, state.Answers, &answers, ""); err != nil {
		fail("the answers: %v", err)
	}
	value := answers.Values["name"]
	if value != m.now.answer && !slices.Contains(m.given["name"], value) && !(m.reset && value == "") {
		fail("the answer is %q, and was %q", value, m.now.answer)
	}
	m.now.answer = value
}

// observeDatabase takes up which database everything is said to be made for: that of before, or the one to be used.
func (m *model) observeDatabase(root string, fail func(string, ...any)) {
	before := m.now.database
	m.now.database = m.inUse(root)
	var known struct {
		Applied *struct{ Host, Password, TLS string }
	}
	data, err := os.ReadFile(filepath.Join(root, state.Database))
	if err != nil || json.Unmarshal(data, &known) != nil || known.Applied == nil {
		return
	}
	is := connection{known.Applied.Host, known.Applied.Password, known.Applied.TLS != ""}
	if !slices.Contains([]connection{m.applied, before, m.now.database}, is) {
		fail("everything is said to be made for %v, and not for %v, %v or %v", is, m.applied, before, m.now.database)
	}
	m.applied = is
	m.now.database = m.inUse(root)
}

// inUse is the database that must be in use: the one whose credentials are there and right, the one that was in use, or the
// Droplet's own.
func (m *model) inUse(root string) connection {
	content := contentOf(root, database.CredentialsPath)
	password := valueIn(content, "db_password")
	switch {
	case strings.Contains(content, "postgresql") && password != "":
		return connection{valueIn(content, "db_host"), password, true}
	case content != "" || m.applied.Managed:
		return m.applied // none, where nothing was made yet
	}
	return connection{"localhost", m.now.secrets["two"], false}
}

// valueIn is the value of a key in a file of lines.
func valueIn(text, key string) string {
	_, value, _ := strings.Cut("\n"+text, "\n"+key+"=")
	value, _, _ = strings.Cut(value, "\n")
	return strings.Trim(value, `"`)
}

// waits reports whether first boot cannot be complete as things are: the credentials of its database cannot be used.
func (m *model) waits() bool { return !m.booted && m.now.database.Host == "" }

// have is what is in a place.
func have(root, path string) (content string, there bool) {
	if target, err := os.Readlink(filepath.Join(root, path)); err == nil {
		return target, true
	}
	data, err := os.ReadFile(filepath.Join(root, path))
	return string(data), err == nil
}

// checkFiles finds files that are made from nothing that was ever true, and those that a person changed and that are not
// as they left them.
func (m *model) checkFiles(root string, fail func(string, ...any)) {
	allowed, always := map[string][]string{}, map[string]int{}
	for _, t := range m.possible {
		for path, content := range t.want(false) {
			allowed[path] = append(allowed[path], content+m.added[path])
			always[path]++
		}
		if m.loggedIn {
			for path, content := range t.want(true) {
				allowed[path] = append(allowed[path], content)
				always[path]++
			}
		}
	}
	paths, _ := filepath.Glob(filepath.Join(root, "t/*"))
	for _, path := range paths {
		path = strings.TrimPrefix(path, root)
		if strings.HasPrefix(path, "/t/.") {
			continue // a run that was cut off was about to write it
		}
		content, _ := have(root, path)
		want, byHand := m.hands[path]
		switch {
		case byHand:
			if content != want {
				fail("%s, which a person changed to %q, is %q", path, want, content)
			}
		case !m.booted && content == soakedBase[path]:
		case isLoginFile(path) && !m.loggedIn:
			if !strings.HasPrefix(content, "BEGIN ") || !strings.HasSuffix(content, " END") || strings.Count(content, "BEGIN ") != 1 {
				fail("%s is not whole: %q", path, content)
			}
		case !slices.Contains(allowed[path], content):
			fail("%s is %q, and not of %q", path, content, allowed[path])
		}
	}
	for path, times := range always {
		if _, there := have(root, path); !there && m.booted && times == len(m.possible) && m.hands[path] != removed {
			fail("%s is gone", path)
		}
	}
}

func isLoginFile(path string) bool {
	return slices.ContainsFunc(soakedFiles, func(file soaked) bool { return file.path == path && file.login })
}

// checkCommands counts how often commands ran.
func (m *model) checkCommands(root string, fail func(string, ...any)) {
	if issued := strings.Count(contentOf(root, "issued"), "x"); issued > 1 || m.booted && issued != 1 {
		fail("the token was issued %d times", issued)
	}
	log := contentOf(root, "log")
	if once, at := strings.Count(log, "once\n"), strings.Count(log, "at "); once > m.once || at > m.at {
		fail("commands ran %d and %d times, and may have run %d and %d times", once, at, m.once, m.at)
	}
}

// settle finds what is not as it must be after a run that nothing disturbed.
func (m *model) settle(root string, phase journal.Phase, cause error, fail func(string, ...any)) {
	if m.waits() {
		if phase != journal.Pending && phase != journal.Failed {
			fail("it is %s without its database", phase)
		}
		return
	}
	if phase != journal.Degraded {
		fail("it is %s: %v", phase, cause)
		return
	}
	if !m.settled || !m.possible[0].sameBoot(m.now) {
		m.revisions = slices.Clone(m.ran)
	}
	m.ran = nil
	m.removeStrays(root)
	m.possible, m.settled, m.calm, m.reset = nil, true, true, m.reset && !m.loggedIn
	for _, revision := range m.revisions {
		t := m.now.clone()
		t.revision = revision
		m.possible = append(m.possible, t)
	}
	m.given, m.renewable = map[string][]string{}, map[string]bool{}
	maps.DeleteFunc(m.hands, func(path, content string) bool {
		_, wanted := m.now.want(isLoginFile(path))[path]
		return content == removed && !wanted
	})
	m.checkFiles(root, fail)
	m.checkState(root, fail)
	m.checkMade(fail)
	log := contentOf(root, "log")
	m.once, m.at = strings.Count(log, "once\n"), strings.Count(log, "at ")
}

// allowCommands lets commands run once more that a run may have to begin again: all of them until first boot is complete,
// and then what is made from an address that changed.
func (m *model) allowCommands() {
	if !m.booted {
		m.once++
	}
	if !m.booted || slices.ContainsFunc(append(m.possible, m.now), func(t truth) bool {
		return t.world.address != m.possible[0].world.address
	}) {
		m.at++
	}
}

// removeStrays removes what a change made that was cut off and taken back: nothing tells of it any more, so it stays.
func (m *model) removeStrays(root string) {
	for _, t := range m.possible {
		path := "/t/of-" + t.world.name
		if _, byHand := m.hands[path]; t.world.name != m.now.world.name && t.world.name != m.possible[0].world.name && !byHand {
			os.Remove(filepath.Join(root, path))
		}
	}
}

// checkState looks at what the agent keeps.
func (m *model) checkState(root string, fail func(string, ...any)) {
	h, err := host.Open(root)
	if err != nil {
		fail("%v", err)
		return
	}
	defer h.Close()
	for _, path := range []string{state.Changing, state.Apply} {
		if h.Files.Exists(path) {
			fail("%s is there", path)
		}
	}
	for _, path := range []string{state.Lock, state.SecretsLock, state.AnswersLock} {
		if h.Files.Locked(path) {
			fail("%s is locked", path)
		}
	}
	if store, err := secret.Open(h.Files); err != nil || len(store.Changing()) > 0 {
		fail("a rotation is under way: %v", err)
	}
	if stands, err := status.Read(h, nil); err != nil || stands.State != status.Degraded && stands.State != status.Clone {
		fail("its status is %s: %v", stands.State, err)
	}
	passwords := contentOf(root, "root/.digitalocean_passwords")
	for _, name := range []string{"one", "two", "token"} {
		if got := valueIn(passwords, strings.ToUpper(name)); got != m.now.secrets[name] {
			fail("the list says %s is %q, and the store %q", name, got, m.now.secrets[name])
		}
	}
	environment := contentOf(root, state.DatabaseEnvironment)
	if is := (connection{valueIn(environment, "DATABASE_HOST"), valueIn(environment, "DATABASE_PASSWORD"), m.now.database.Managed}); is !=
		m.now.database {
		fail("the environment is of %v, and not of %v", is, m.now.database)
	}
	filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if strings.HasPrefix(path, filepath.Join(root, state.Captured)+"/") {
			fail("%s is left", path)
		}
		return nil
	})
}

// checkMade looks into what is made from facts: a certificate and a token.
func (m *model) checkMade(fail func(string, ...any)) {
	if block, _ := pem.Decode([]byte(m.now.secrets["server"])); block == nil {
		fail("the certificate is none")
	} else if certificate, err := x509.ParseCertificate(block.Bytes); err != nil || certificate.VerifyHostname(m.now.world.address) != nil {
		fail("the certificate is not one of %s: %v", m.now.world.address, err)
	}
	if parts := strings.Split(m.now.secrets["late"], "."); m.loggedIn && len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		if !strings.Contains(string(payload), fmt.Sprintf("%q:%q", "for", m.now.answer)) {
			fail("the token says %s, and the answer is %s", payload, m.now.answer)
		}
	}
}
