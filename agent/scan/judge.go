package scan

import (
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

const (
	leastPassword = 8  // characters of a password that a generator made
	leastToken    = 12 // of a token
	leastChosen   = 6  // of a password that somebody thought out
)

// judge decides whether the value of a setting is a secret, by the name, the value, and where they stand. It returns
// which of the rules for settings it is.
func (s *Scanner) judge(set *setting) (rule int, certainty Certainty, ok bool) {
	value := set.value
	if len(value) < 4 || len(value) > 512 {
		return 0, "", false
	}
	if s.isDefaultOf(set) {
		return ruleDefault, Likely, true
	}
	least, rule := leastPassword, ruleSetting
	if set.kind == tokenName {
		least, rule = leastToken, ruleSettingToken
	}
	value = strings.TrimPrefix(value, "base64:")
	random := s.language.isRandom(value, least)
	strange := random && s.language.strangeness(value) > 0.6*float64(min(len(value), 40))
	switch {
	case isPlaceholder(value) && !(strange && !hasPlaceholderPart(value)), computed().MatchString(value),
		!strange && perhapsComputed().MatchString(value), aboutSecrets().MatchString(value), set.comment && sequence().MatchString(value):
		return 0, "", false
	case isReference(value) && !strange, numberish().MatchString(value) && !onlyDigits(set):
		return 0, "", false
	case isHash(value):
		return ruleHash, Possible, set.kind == passwordName && set.place >= codeSettings && !set.comment
	case strings.ContainsAny(value, " \t") && !set.isPassphrase(value):
		return 0, "", false
	case (set.place == code || set.place == codeSettings) && !set.quoted, set.place == prose && set.form == ' ':
		return 0, "", false
	case random:
		return rule, Likely, set.place >= codeSettings || strange
	}
	return rule, Likely, set.kind == passwordName && !set.comment && !set.loose && set.isChosen()
}

// computed values hold others, and perhapsComputed ones unless a generator made them.
var (
	computed = pattern.New(`\$\{[A-Za-z_.][A-Za-z0-9_.]*[}:]|\{\{|\$\([a-z]+ |\$\([A-Z_]+\)|<%=|^\$\{|^%\{|^\{\$|%\([a-z_]+\)s|` +
		`^\([A-Za-z]+\||^<[^<>]*>$|^\$[A-Z][A-Z0-9_]*$|^%[A-Z_]+%$|` +
		`^\[[A-Za-z _-]+\]$|^\$[A-Za-z_]\w*(?:\[['"$]|->)|^&[A-Z][A-Za-z]+-[\w-]+$|^&[a-z-]+:`)
	perhapsComputed = pattern.New(`\$\{|\$\(|<%|%>|\}\}|^&[\w-]+[:>;-]|^\(.*\||^\$[A-Za-z_]\w*\[`)
	// aboutSecrets is a list of names or a piece of text.
	aboutSecrets = pattern.New(`(?i)(?:passw|secret|token).*[:{}()$<>\\]|[:{}()$<>].*(?:passw|secret|token)`)
	// sequence is what people type for an example.
	sequence = pattern.New(`(?i)abcde|12345|qwert|asdf`)
)

func hasPlaceholderPart(value string) bool {
	low := strings.ToLower(value)
	return slices.ContainsFunc(words().PlaceholderParts, func(part string) bool { return strings.Contains(low, part) })
}

// isDefaultOf reports whether the setting has a password that everybody tries first. A value that only repeats its name
// is a label: password: Password.
func (s *Scanner) isDefaultOf(set *setting) bool {
	if set.place < codeSettings || set.comment || set.loose || !isDefault(set.value) {
		return false
	}
	parts := wordsOf(set.name)
	last := parts[len(parts)-1]
	if set.kind == tokenName && last != "secret" && !strings.HasPrefix(set.value, "change") {
		return false
	}
	if len(parts) == 1 && set.form != '=' && set.form != ' ' && strings.EqualFold(last, set.value) {
		return false
	}
	return set.whole || set.quoted || set.form != ':'
}

// onlyDigits reports whether the setting's value may be a number: the password of a person.
func onlyDigits(set *setting) bool {
	digits := strings.Trim(set.value, "0123456789") == "" && len(set.value) >= leastChosen
	return digits && set.kind == passwordName && set.place >= codeSettings && set.whole
}

// isPassphrase reports whether a value of several words is one: small words, none of which a sentence has.
func (set *setting) isPassphrase(value string) bool {
	parts := strings.Fields(value)
	if set.kind != passwordName || set.place < codeSettings || len(parts) < 4 || len(parts) > 12 {
		return false
	}
	return !slices.ContainsFunc(parts, func(word string) bool {
		low := strings.ToLower(word)
		plain := strings.Trim(low, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
		return len(word) < 2 || !plain || slices.Contains(words().SentenceWords, low)
	})
}

var (
	// technical words with numbers are no passwords.
	technical = pattern.New(`(?i)^(?:md5|sha-?\d+|scram|bcrypt|argon2|plain|crypt|pbkdf2|aes|des|rsa|ssl|tls|utf|iso-?8859|pam|x509|` +
		`oauth|http|ldap|kerberos|base(?:32|64)|v\d|ipv[46]|rfc\d|win\d|php\d|mysql|sql|int\d|uint|std|lib|text|` +
		`varchar|char|string|bool|object|array|function|interactive|keyboard|prompt|stdin|system|external|` +
		`internal|local|static|dynamic|manual|common)`)
	identifier = pattern.New(`^[A-Za-z][a-z0-9]*(?:[_.-][A-Za-z0-9]+)*$|^[a-z]+(?:[A-Z][a-z0-9]+)+$`)
)

// isChosen reports whether somebody thought the value out as a password: letters with digits or signs, or words where
// only a password can stand.
func (set *setting) isChosen() bool {
	value := set.value
	lower, upper, digits, other := charactersOf(value)
	signs := len(value) - len(strings.Map(func(r rune) rune {
		if strings.ContainsRune("!@#$%^&*?~+=", r) {
			return -1
		}
		return r
	}, value))
	switch {
	case len(value) < leastChosen || technical().MatchString(value):
		return false
	case other > 0 && digits == 0 && signs == 0 && strings.ContainsAny(value, "/\\:()[]{}<>|`"):
		return false
	case set.place == code:
		return set.quoted && signs > 0 && digits > 0 && lower+upper >= 3 && !strings.ContainsAny(value, " /\\:()[]{}<>|`,")
	case set.place < codeSettings:
		return false
	case strings.ContainsAny(value, " \t"):
		return true // a passphrase, by then
	case signs > 0 && lower+upper >= 3 && (digits > 0 || set.form == '='):
		return true
	case digits > 0 && lower+upper >= 3:
		return set.quoted || set.form == '=' || set.form == '>' || set.form == ' ' || !identifier().MatchString(value) || upper > 0
	case digits >= leastChosen:
		return true
	}
	parts := wordsOf(value)
	if slices.ContainsFunc(parts, func(word string) bool {
		return kindOfName(word) != noSecret || slices.Contains(words().SentenceWords, word)
	}) {
		return false
	}
	if len(parts) >= 3 && strings.ContainsAny(value, "-_ ") && len(value) >= 14 {
		return set.whole || set.quoted
	}
	// One word: only where a variable of the environment, or a setting of its own line, has it.
	return len(parts) <= 2 && len(value) >= leastPassword && set.form == '=' && set.whole && upperName(set.name)
}

// upperName reports whether a setting is named as a variable of the environment.
func upperName(name string) bool {
	return strings.ToUpper(name) == name && strings.Contains(name, "_")
}
