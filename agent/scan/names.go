package scan

import (
	"slices"
	"strings"
)

// nameKind is what kind of secret the name of a setting promises.
type nameKind int

// The kinds.
const (
	noSecret nameKind = iota
	passwordName
	tokenName // a token, a secret, a key: made by a program, so never a word
)

// passwordEnds and tokenEnds are how the last word of a name ends that promises a secret.
var (
	passwordEnds = []string{"password", "passwd", "passphrase", "passcode", "passwort", "requirepass", "masterauth", "authtok", "bindpw", "rootpw", "userpw", "adminpw"}
	passwordAre  = []string{"pass", "pwd", "pw", "psk", "dbpass", "dbpwd", "userpass", "smtppass", "mailpass", "adminpass", "rootpass", "storepass", "keypass", "mypass", "sqlpass", "ftppass", "rpcpassword", "authpass"}
	tokenEnds    = []string{"secret", "token", "apikey", "secretkey", "privatekey", "encryptionkey", "accesskey", "authkey", "licensekey", "masterkey", "appkey", "signingkey", "sharedkey"}
	tokenAre     = []string{"credentials", "credential", "pepper", "salt", "pat"}
	// keyOf stand before "key" where it is one that must stay secret.
	keyOf = []string{"api", "secret", "encryption", "encrypt", "crypt", "crypto", "app", "application", "auth", "authentication", "master", "private", "signing", "sign", "signature",
		"session", "cookie", "access", "account", "license", "licence", "jwt", "hash", "hmac", "shared", "service", "admin", "storage", "integration", "ingest", "deploy", "webhook",
		"server", "client", "security", "preshared", "restricted", "aes", "cipher", "cookie", "csrf", "logged", "nonce", "data", "db", "database", "internal", "node", "agent", "site"}
	saltOf = []string{"auth", "nonce", "logged", "in", "secure", "hash", "password", "secret", "app", "cookie", "session", "key"}
	// qualifiers may stand behind the word that counts.
	qualifiers = []string{"prod", "production", "dev", "development", "staging", "live", "old", "new", "current", "previous", "primary", "secondary", "master", "slave", "replica",
		"base", "value", "plain", "plaintext", "cleartext", "raw", "string", "main", "root", "admin", "readonly", "ro", "rw", "default", "base64", "b64", "env", "for"}
	// harmless stand before it where the setting is about a secret, and holds none.
	harmless = []string{"no", "change", "forgot", "forgotten", "reset", "show", "hide", "confirm", "require", "required", "requires", "min", "max", "has", "is", "ask", "prompt", "get", "check", "verify",
		"validate", "valid", "invalid", "wrong", "bad", "missing", "empty", "csrf", "xsrf", "next", "page", "continuation", "cancellation", "cancel", "stop", "pad", "bos", "eos", "unk",
		"sep", "cls", "mask", "special", "public", "publishable", "enter", "lost", "save", "remember", "without", "use", "uses", "allow", "update", "repeat", "retype", "by", "pub", "sitekey", "primary", "foreign", "partition", "sort", "key_of", "expired", "encrypt", "unset", "expect", "md5", "anon", "token"}
)

// wordsOf splits a name at what stands between words, and at capital letters.
func wordsOf(name string) (words []string) {
	begin := 0
	flush := func(end int) {
		if end > begin {
			words = append(words, strings.ToLower(name[begin:end]))
		}
		begin = end
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case !isLetter(c) && !isDigit(c):
			flush(i)
			begin = i + 1
		case i > begin && isUpper(c) && (isLower(name[i-1]) || isDigit(name[i-1]) || i+1 < len(name) && isLower(name[i+1]) && isUpper(name[i-1])):
			flush(i)
		}
	}
	flush(len(name))
	return words
}

func isUpper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isLetter(c byte) bool { return isUpper(c) || isLower(c) }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// kindOfName tells what a setting of this name holds.
func kindOfName(name string) nameKind {
	words := wordsOf(name)
	for len(words) > 1 && (slices.Contains(qualifiers, words[len(words)-1]) || strings.Trim(words[len(words)-1], "0123456789") == "") {
		words = words[:len(words)-1]
	}
	if len(words) == 0 || len(words) > 12 {
		return noSecret
	}
	last := strings.TrimRight(words[len(words)-1], "0123456789")
	previous := ""
	if len(words) > 1 {
		previous = words[len(words)-2]
	}
	if slices.Contains(harmless, previous) {
		return noSecret
	}
	ends := func(suffixes []string) bool {
		return slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(last, suffix) })
	}
	switch {
	case ends(passwordEnds) || slices.Contains(passwordAre, last):
		return passwordName
	case last == "auth" && previous == "master", last == "auth" && previous == "smtp":
		return passwordName
	case last == "key":
		if slices.Contains(keyOf, previous) || previous == "" && name == "KEY" {
			return tokenName
		}
	case last == "salt":
		if slices.Contains(saltOf, previous) {
			return tokenName
		}
	case last == "cookie":
		if previous == "erlang" || previous == "magic" {
			return tokenName
		}
	case last == "id" && previous == "secret":
		return tokenName
	case ends(tokenEnds) || slices.Contains(tokenAre, last):
		return tokenName
	}
	return noSecret
}
