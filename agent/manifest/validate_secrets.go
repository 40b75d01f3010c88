package manifest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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
	keysBelong(d, reflect.ValueOf(*s), at, s.Kind(), "a secret of kind")
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
		validateBits(d, s, at)
	case "ca":
		validateIdentity(d, s, at)
	case "certificate":
		validateIdentity(d, s, at)
		if len(s.Hosts) == 0 && s.Proves("server") {
			d.report(at, "add hosts: [localhost]", "a certificate of a server needs hosts")
		} else if len(s.Hosts) == 0 && s.Name.IsZero() {
			d.report(at, "add name: NAME", "a certificate needs a name")
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
		if length := m.lengthOf(s.From); (s.Derive == "bcrypt" || s.Derive == "htpasswd") && length > longestBcrypt {
			d.report(at+".from", "make it shorter", "the secret %q has %d characters, and bcrypt takes %d at most", s.From, length, longestBcrypt)
		}
		if strings.ContainsAny(s.User.Text, ":\n\r") && !strings.Contains(s.User.Text, "{{") {
			d.report(at+".user", "", "must not hold a colon or a line break")
		}
	case "captured":
		m.validateCaptured(d, name, at)
	}
}

// longestBcrypt is how much bcrypt takes, in bytes.
const longestBcrypt = 72

// lengthOf is how long a secret will be, in characters; 0 where that is not known before it is made.
func (m *Manifest) lengthOf(name string) int {
	s, known := m.Secrets[name]
	if !known {
		return 0
	}
	bytes := cmp.Or(s.Bytes, DefaultBytes)
	switch s.Kind() {
	case "alphanumeric":
		return s.Length
	case "password":
		return s.PasswordLength()
	case "hex":
		return hex.EncodedLen(bytes)
	case "base64":
		return base64.StdEncoding.EncodedLen(bytes)
	case "sha256":
		return hex.EncodedLen(sha256.Size)
	}
	return 0
}

// DefaultBytes is how many random bytes are encoded where the manifest does not say.
const DefaultBytes = 32

func validateBits(d *decoder, s *Secret, at string) {
	if s.Bits != 0 && (s.Bits < 2048 || s.Bits > 8192) {
		d.report(at+".bits", "", "must be 2048 to 8192")
	}
}

// validateIdentity checks what a certificate says of its holder, and the holder's key.
func validateIdentity(d *decoder, s *Secret, at string) {
	validateBits(d, s, at)
	if s.Bits != 0 && s.Key != "rsa" {
		d.report(at+".bits", "add key: rsa", "belongs to an RSA key")
	}
	for _, part := range sortedKeys(s.Subject) {
		if !slices.Contains(SubjectParts, part) {
			d.report(join(at+".subject", part), problem.DidYouMean(part, SubjectParts), "is no part of a subject: %q", part)
		}
	}
	country, said := s.Subject["country"]
	if text := country.Text; said && !country.isDynamic() && len(text) != 2 {
		d.report(at+".subject.country", "such as US", "must be the two letters of a country: %q", text)
	}
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
func validatePolicy(d *decoder, s *Secret, at string) {
	length := s.PasswordLength()
	symbols := s.SymbolSet()
	letters := length - s.Digits - s.Symbols
	if length > 1024 {
		d.report(at+".length", "", "must be at most 1024")
		return
	}
	if letters < 1 || s.Upper > letters {
		d.report(
			at,
			"make it longer",
			"%d characters cannot hold %d digits, %d symbols and %d capital letters",
			length,
			s.Digits,
			s.Symbols,
			s.Upper,
		)
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
		d.report(
			at,
			"make it longer",
			"a password of this policy holds only %d bits of chance; at least %d are wanted",
			int(bits),
			leastPolicyBits,
		)
	}
}

// PasswordLength is the length of a password, in characters.
func (s *Secret) PasswordLength() int {
	if s.Length == 0 {
		return 32
	}
	return s.Length
}

// SymbolSet is the symbols that a password is made with.
func (s *Secret) SymbolSet() string {
	if s.Set == "" {
		return DefaultSymbols
	}
	return s.Set
}

func (m *Manifest) validateCaptured(d *decoder, name, at string) {
	var places []string
	for step := range m.Steps() {
		for i, captured := range step.Spec.Effects().Captures {
			if captured == name {
				places = append(places, index(step.Path+".capture", i))
			}
		}
	}
	switch {
	case len(places) == 0:
		d.report(at, "add capture: [{secret: "+name+", pattern: …}] to a run step", "no run step captures it")
	case len(places) > 1:
		d.report(places[1], "", "the secret %q is captured twice, first by %s", name, places[0])
	}
}

// keysBelong reports keys that were written but do not go with the kind of a secret.
func keysBelong(d *decoder, v reflect.Value, at, kind, what string) {
	fields, names := fieldsOf(v)
	takes := func(name string) bool { return slices.Contains(strings.Fields(fields[name].tag.Get("of")), kind) }
	for _, name := range names {
		if fields[name].tag.Get("of") == "" || !d.present[join(at, name)] || takes(name) {
			continue
		}
		hint := ""
		if same := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !takes(name) }); len(same) > 0 {
			hint = "it takes: " + strings.Join(same, ", ")
		}
		d.report(join(at, name), hint, "does not belong to %s %s", what, kind)
	}
}
