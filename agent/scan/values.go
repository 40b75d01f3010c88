package scan

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

var (
	placeholderForms = pattern.New(`^(?:\$\{[^}]*\}?|\$\([^)]*\)?|\$[A-Za-z_][A-Za-z0-9_]*\$?|%[A-Za-z_][A-Za-z0-9_]*%|%\([^)]*\)[sd]?|` +
		`%[sdvq]|\{\{.*|\{%.*|\{[A-Za-z_][\w.:-]*\}|<[^<>]*>?|\[[^\[\]]*\]|@@?[A-Za-z_][\w.-]*@@?|__[\w.-]+__|` +
		`#\{.*|ENC[\[(].*|!vault.*|!.[a-z]+ .*|vault:.*|\(.*\)|\?+|\*+|-+|_+|\.{2,}|=+|~+|&[a-z]+;.*|%%.*%%)$`)
	// computation is an expression of a programming language, and no value.
	computation = pattern.New(`^(?:[A-Za-z_$@&*!][\w$]*(?:(?:\.|->|::)[\w$]+\??)+(?:[(\[].*)?|[A-Za-z_$@&*!][\w$.:>-]*(?:\(.*|\[.*)|` +
		`(?:new|await|return|function|lambda|def|var|let|const|static|public|private|this|self|null|None|` +
		`nil)\b.*|\$[\w>\[\]'"-]+|[&*@][A-Za-z_]\w*|.*\bos\.environ\b.*|.*\bgetenv\b.*)$`)
	pathLike = pattern.New(`^(?:~|\.{1,2}|[A-Za-z]:)?[/\\](?:[A-Za-z0-9_.@+:%*{}$-]+[/\\]?)*$|^(?:file|https?|unix|ldaps?|tcp|udp|` +
		`data|urn|env|arn|op|awskms|gcpkms|secretsmanager|projects?|mailto):\S*$|^[\w./-]+\.(?:pem|key|crt|cer|` +
		`txt|conf|cfg|ini|json|ya?ml|xml|php|py|rb|js|ts|html?|so|sh|db|sock|pid|log|jks|p12|pfx|env|properties|` +
		`service|secret|gpg|asc|md|css|svg|png|in|c|h|java)$|^[\w-]+(?:\.[\w-]+)*@[\w-]+(?:\.[\w-]+)+$`)
	hashLike = pattern.New(`^(?:\$(?:1|2[abxy]?|5|6|7|y|gy|argon2(?:id?|d)|pbkdf2[\w-]*|apr1|scrypt|P|H|S|sm3|md5)\$|\{(?:S?SHA|` +
		`SSHA\d*|SHA\d*|MD5|SMD5|CRYPT|PBKDF2[\w-]*|ARGON2|BLF-CRYPT|CRAM-MD5)\}|pbkdf2[_:]|scrypt:|bcrypt:|` +
		`sha(?:1|224|256|512)[:$]|argon2|md5[a-f0-9]{32}$|\*[A-F0-9]{40}$|SCRAM-SHA-)`)
	numberish = pattern.New(`^[+-]?(?:\d+(?:[.,:/-]\d+)*\.?)(?:\s?[a-zA-Z%]{1,3})?$`)
)

// isDefault reports whether the value is a password that everybody tries first.
func isDefault(value string) bool {
	return slices.Contains(words().DefaultPasswords, strings.ToLower(value))
}

// isPlaceholder reports whether the value stands where a secret belongs, in an example.
func isPlaceholder(value string) bool {
	low := strings.ToLower(value)
	if value == "" || strings.Count(low, low[:1]) == len(low) || placeholderForms().MatchString(value) {
		return true
	}
	inWords := func(part string) bool { return strings.Contains(low, part) }
	if slices.ContainsFunc(words().PlaceholderParts, inWords) {
		return true
	}
	if slices.Contains(words().PlaceholderWords, strings.TrimRight(low, "0123456789")) {
		return true
	}
	for _, head := range words().PlaceholderHeads {
		rest, ok := strings.CutPrefix(low, head)
		whole := rest == "" || !isLetter(rest[0]) && !isDigit(rest[0]) || !isLetter(head[len(head)-1])
		if ok && whole {
			return true
		}
	}
	return false
}

// isReference reports whether the value says where the secret is, or is computed: a path, a name, a piece of code.
func isReference(value string) bool {
	holdsOthers := strings.Contains(value, "${") || strings.Contains(value, "{{") || strings.Contains(value, "$(")
	return holdsOthers || pathLike().MatchString(value) || computation().MatchString(value)
}

// isHash reports whether the value is the hash of a password.
func isHash(value string) bool { return len(value) >= 16 && hashLike().MatchString(value) }

// isLogin reports whether base64 holds a name and a password.
func isLogin(encoded string) bool {
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	name, password, ok := strings.Cut(string(decoded), ":")
	return err == nil && ok && name != "" && len(password) >= 4 && isPrintable(decoded) && !isPlaceholder(password)
}

// isEncodedToken reports whether base64 holds text that looks made by a generator.
func isEncodedToken(encoded string) bool {
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	_, _, digits, _ := charactersOf(string(decoded))
	return err == nil && len(decoded) >= 20 && isPrintable(decoded) && digits >= 3
}

// isPrivateJWT reports whether the token lets its bearer do something: those for everybody say so.
func isPrivateJWT(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) < 3 {
		return false
	}
	var header, claims map[string]any
	for i, into := range []*map[string]any{&header, &claims} {
		decoded, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(decoded, into) != nil {
			return false
		}
	}
	return header["alg"] != nil && claims["role"] != "anon"
}

func isPrintable(data []byte) bool {
	return !slices.ContainsFunc(data, func(b byte) bool { return b < ' ' && b != '\n' && b != '\r' && b != '\t' || b == 0x7f })
}
