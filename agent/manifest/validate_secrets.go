package manifest

import (
	"math"
	"reflect"
	"slices"
	"strings"

	"oneclick-agent/agent/problem"
)

const (
	// leastBits is how much chance a secret must hold; 128 bits cannot be guessed.
	leastBits = 128
	// leastPolicyBits is the same for the password format, whose length and alphabet a foreign policy sets.
	leastPolicyBits = 96
	// DefaultSymbols need no quoting in any shell, URL or configuration file that images use.
	DefaultSymbols = "-_."
)

// shortestAlphanumeric is how many letters and digits hold leastBits.
var shortestAlphanumeric = int(math.Ceil(leastBits / math.Log2(62)))

// validateSecret checks one secret: its name, which keys go with its kind, and that it can hold enough chance.
func (m *Manifest) validateSecret(d *decoder, name string) {
	s, at := m.Secrets[name], join("secrets", name)
	if !namePattern().MatchString(name) || len(name) > longestName {
		d.report(at, nameHint, "cannot be the name of a secret: %q", name)
	}
	ways := 0
	for _, way := range []bool{s.Format != "", s.Derive != "", s.Captured} {
		if way {
			ways++
		}
	}
	if ways > 1 {
		d.report(at, "keep one of format, derive and captured", "is made in more than one way")
		return
	}
	keysBelong(d, reflect.ValueOf(s), at, s.Kind(), "a secret of kind")
	negative := s.Length < 0 || s.Bytes < 0 || s.Upper < 0 || s.Digits < 0 || s.Symbols < 0 || s.Bits < 0
	if negative {
		d.report(at, "", "counts must not be negative")
		return
	}
	switch s.Kind() {
	case "alphanumeric":
		if s.Length != 0 && (s.Length < shortestAlphanumeric || s.Length > 1024) {
			d.report(at+".length", "", "must be %d to 1024: fewer letters and digits hold less than %d bits", shortestAlphanumeric, leastBits)
		}
	case "hex", "base64":
		if s.Bytes != 0 && (s.Bytes < leastBits/8 || s.Bytes > 1024) {
			d.report(at+".bytes", "", "must be %d to 1024: fewer bytes hold less than %d bits", leastBits/8, leastBits)
		}
	case "password":
		validatePolicy(d, s, at)
	case "rsa":
		if s.Bits != 0 && (s.Bits < 2048 || s.Bits > 8192) {
			d.report(at+".bits", "", "must be 2048 to 8192")
		}
	case "certificate":
		if len(s.Hosts) == 0 {
			d.report(at, "add hosts: [localhost]", "a certificate needs hosts")
		}
		if s.SignedBy != "" && m.secretExists(d, s.SignedBy, at+".signed_by") && m.Secrets[s.SignedBy].Kind() != "ca" {
			d.report(at+".signed_by", "", "the secret %q is not of format ca", s.SignedBy)
		}
	case "bcrypt", "argon2id", "sha256", "sha512-crypt", "htpasswd", "jwt-hs256":
		if s.From == "" {
			d.report(at, "add from: NAME", "a derived secret needs the one it is computed from")
		} else if m.secretExists(d, s.From, at+".from") && m.Secrets[s.From].Fields() != nil {
			d.report(at+".from", "", "the secret %q is not a single value", s.From)
		}
		if strings.ContainsAny(s.User, ":\n\r") {
			d.report(at+".user", "", "must not hold a colon or a line break")
		}
	case "captured":
		m.validateCaptured(d, name, at)
	}
	m.validateCycle(d, name, at)
}

func (m *Manifest) secretExists(d *decoder, name, at string) bool {
	if _, ok := m.Secrets[name]; ok {
		return true
	}
	d.report(at, problem.DidYouMean(name, sortedKeys(m.Secrets)), "there is no secret %q", name)
	return false
}

// validatePolicy computes how much chance a password of this policy holds: go-password places exactly so many
// digits and symbols among letters.
func validatePolicy(d *decoder, s Secret, at string) {
	length := s.PasswordLength()
	symbols := s.SymbolSet()
	letters := length - s.Digits - s.Symbols
	if length > 1024 {
		d.report(at+".length", "", "must be at most 1024")
		return
	}
	if letters < 1 || s.Upper > letters {
		d.report(at, "make it longer", "%d characters cannot hold %d digits, %d symbols and %d capital letters", length, s.Digits, s.Symbols, s.Upper)
		return
	}
	for i, r := range symbols {
		if r <= ' ' || r > '~' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.IndexRune(symbols, r) < i {
			d.report(at+".symbol_set", "", "must be different printable ASCII symbols")
			return
		}
	}
	logFactorial := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v / math.Ln2 }
	bits := logFactorial(length) - logFactorial(s.Digits) - logFactorial(s.Symbols) - logFactorial(letters) +
		float64(letters)*math.Log2(52) + float64(s.Digits)*math.Log2(10) + float64(s.Symbols)*math.Log2(float64(len(symbols)))
	if bits < leastPolicyBits {
		d.report(at, "make it longer", "a password of this policy holds only %d bits of chance; at least %d are wanted", int(bits), leastPolicyBits)
	}
}

// PasswordLength is the length of a password, in characters.
func (s Secret) PasswordLength() int {
	if s.Length == 0 {
		return 32
	}
	return s.Length
}

// SymbolSet is the symbols that a password is made with.
func (s Secret) SymbolSet() string {
	if s.Set == "" {
		return DefaultSymbols
	}
	return s.Set
}

func (m *Manifest) validateCaptured(d *decoder, name, at string) {
	var places []string
	m.eachStep(func(at string, step *Step, _ bool) {
		for i, capture := range step.Capture {
			if capture.Secret == name {
				places = append(places, index(at+".capture", i))
			}
		}
	})
	switch {
	case len(places) == 0:
		d.report(at, "add capture: [{secret: "+name+", pattern: …}] to a run step", "no run step captures it")
	case len(places) > 1:
		d.report(places[1], "", "the secret %q is captured twice, first by %s", name, places[0])
	}
}

// eachStep visits all steps in the order in which they run; login tells those of first login.
func (m *Manifest) eachStep(visit func(at string, step *Step, login bool)) {
	for i := range m.FirstBoot {
		visit(index("first_boot", i), &m.FirstBoot[i], false)
	}
	if m.FirstLogin != nil {
		for i := range m.FirstLogin.Steps {
			visit(index("first_login.steps", i), &m.FirstLogin.Steps[i], true)
		}
	}
}

// SecretDependencies are the secrets that must be there before this one can be made.
func (m *Manifest) SecretDependencies(name string) []string {
	s := m.Secrets[name]
	var needs []string
	for _, need := range []string{s.From, s.SignedBy} {
		if need != "" {
			needs = append(needs, need)
		}
	}
	for _, text := range s.templates() {
		for _, reference := range references(text) {
			if len(reference.Path) > 1 && reference.Path[0] == "secrets" {
				needs = append(needs, reference.Path[1])
			}
		}
	}
	return needs
}

// templates are the templates within a secret's own description.
func (s Secret) templates() []string {
	var all []string
	for _, host := range s.Hosts {
		all = append(all, string(host))
	}
	for _, key := range sortedKeys(s.Claims) {
		all = append(all, templatesIn(s.Claims[key].Any)...)
	}
	return all
}

func templatesIn(value any) (all []string) {
	switch v := value.(type) {
	case Template:
		return []string{string(v)}
	case []any:
		for _, item := range v {
			all = append(all, templatesIn(item)...)
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			all = append(all, templatesIn(v[key])...)
		}
	}
	return all
}

// Templates are the templates inside a value.
func (v Value) Templates() []string { return templatesIn(v.Any) }

// NeedsAnswers reports whether a secret waits for the answers of first login, itself or by what it is made from.
func (m *Manifest) NeedsAnswers(name string) bool { return m.secretNeeds(name, "answers", nil) }

// NeedsCapture reports whether a secret waits for a run step's output.
func (m *Manifest) NeedsCapture(name string) bool { return m.secretNeeds(name, "captured", nil) }

func (m *Manifest) secretNeeds(name, what string, above []string) bool {
	s, ok := m.Secrets[name]
	if !ok || slices.Contains(above, name) {
		return false
	}
	if what == "captured" && s.Captured {
		return true
	}
	for _, text := range s.templates() {
		for _, reference := range references(text) {
			if reference.Path[0] == what {
				return true
			}
		}
	}
	for _, need := range m.SecretDependencies(name) {
		if m.secretNeeds(need, what, append(above, name)) {
			return true
		}
	}
	return false
}

func (m *Manifest) validateCycle(d *decoder, name, at string) {
	var walk func(current string, trail []string) []string
	walk = func(current string, trail []string) []string {
		if slices.Contains(trail, current) {
			return append(trail, current)
		}
		for _, need := range m.SecretDependencies(current) {
			if cycle := walk(need, append(slices.Clip(trail), current)); cycle != nil {
				return cycle
			}
		}
		return nil
	}
	// A cycle is told once, at the first of its names.
	if cycle := walk(name, nil); cycle != nil && cycle[len(cycle)-1] == name && slices.Min(cycle) == name {
		d.report(at, "", "is made from itself: %s", strings.Join(cycle, " from "))
	}
}
