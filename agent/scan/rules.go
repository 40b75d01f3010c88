package scan

import (
	_ "embed"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"

	"oneclick-agent/agent/pattern"
)

// ruleSet is made by packaging/rules from the rule set of gitleaks (MIT), which it names.
//
//go:embed rules.json
var ruleSet []byte

// Rule describes one kind of secret.
type Rule struct {
	ID string // database_url
	// Group is the word that findings are accepted by: private_key, token, url_password, own_value, password.
	Group    string
	What     string   // for people: private key
	Literals []string // one of these stands in every secret of the kind, in any case
	// Contextual rules tell a secret only by what stands around it. They are tried on text that no package owns, and
	// what they find is a warning.
	Contextual bool

	regex   func() *regexp.Regexp
	entropy float64 // the secret's least, in bits a character
	// after is how many bytes behind the literal may belong to the secret.
	after int
	// accept has the last word on what the regular expression found.
	accept func(secret string) bool
}

const (
	before    = 128 // how many bytes before a literal may belong to the secret
	afterMost = 4096
)

// rules are all kinds of secrets: our own, then gitleaks'.
var rules = sync.OnceValue(func() []Rule {
	all := own()
	var set struct {
		Rules []struct {
			ID, What, Regex string
			Literals        []string
			Entropy         float64
			Contextual      bool
		}
	}
	if err := json.Unmarshal(ruleSet, &set); err != nil {
		panic("the rule set in the program is damaged: " + err.Error())
	}
	for _, r := range set.Rules {
		all = append(all, Rule{
			ID: strings.ReplaceAll(r.ID, "-", "_"), Group: "token", What: r.What, Literals: r.Literals, Contextual: r.Contextual,
			regex: pattern.New(r.Regex), entropy: r.Entropy, after: 512,
		})
	}
	return all
})

// own are the rules for what DigitalOcean and image builders leave, and those that gitleaks has in a blunter form.
func own() []Rule {
	return []Rule{
		{ID: "private_key", Group: "private_key", What: "private key", Literals: []string{"PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"}, after: afterMost,
			regex: pattern.New(`-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\+[rn])+(?:[A-Za-z-]+: [^\n]*\n)*\s*[A-Za-z0-9+/=\s\\]{64,})`)},
		{ID: "putty_key", Group: "private_key", What: "PuTTY private key", Literals: []string{"PuTTY-User-Key-File-"}, after: afterMost,
			regex: pattern.New(`(PuTTY-User-Key-File-[23]: [a-z0-9-]+(?:\r?\n|\\+n)Encryption: )`)},
		{ID: "age_key", Group: "private_key", What: "age private key", Literals: []string{"AGE-SECRET-KEY-1"}, after: 128,
			regex: pattern.New(`(AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58})`)},
		{ID: "wireguard_key", Group: "private_key", What: "WireGuard private key", Literals: []string{"PrivateKey"}, after: 128, Contextual: true,
			regex: pattern.New(`(?m)^\s*PrivateKey\s*=\s*([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\s*$`)},
		{ID: "digitalocean_token", Group: "token", What: "DigitalOcean token", Literals: []string{"dop_v1_", "doo_v1_", "dor_v1_", "dof_v1_"}, after: 128,
			regex: pattern.New(`(do[oprf]_v1_[a-f0-9]{64})`)},
		{ID: "digitalocean_database_password", Group: "token", What: "password of a DigitalOcean database", Literals: []string{"AVNS_"}, after: 128,
			regex: pattern.New(`(AVNS_[A-Za-z0-9_-]{12,64})`), entropy: 2.5},
		{ID: "docker_token", Group: "token", What: "Docker Hub token", Literals: []string{"dckr_pat_"}, after: 128,
			regex: pattern.New(`(dckr_pat_[A-Za-z0-9_-]{20,64})`), entropy: 3},
		{ID: "tailscale_key", Group: "token", What: "Tailscale key", Literals: []string{"tskey-"}, after: 128,
			regex: pattern.New(`(tskey-(?:auth|api|client|webhook)-[A-Za-z0-9]{8,32}-[A-Za-z0-9]{20,64})`), entropy: 3},
		{ID: "aws_secret_key", Group: "token", What: "secret key of AWS or Spaces", Literals: []string{"secret_access_key"}, after: 128,
			regex: pattern.New(`(?i)secret_access_key["']?\s*[=:]\s*["']?([A-Za-z0-9/+]{40,50})(?:[^A-Za-z0-9/+]|$)`), entropy: 3.5},
		{ID: "azure_account_key", Group: "token", What: "Azure account key", Literals: []string{"AccountKey="}, after: 128, regex: pattern.New(`AccountKey=([A-Za-z0-9+/]{86}==)`)},
		{ID: "huggingface_token", Group: "token", What: "Hugging Face token", after: 64, entropy: 3, Literals: []string{`"hf_`, "'hf_", "=hf_", ":hf_", " hf_", "\nhf_", "\x00hf_"},
			regex: pattern.New(`(hf_[A-Za-z0-9]{34})(?:[^A-Za-z0-9]|$)`)},
		{ID: "registry_login", Group: "token", What: "login of a container registry", Literals: []string{`"auth"`}, after: 256, Contextual: true, entropy: 3, regex: pattern.New(`"auth"\s*:\s*"([A-Za-z0-9+/]{16,}={0,2})"`)},
		{ID: "php_define", Group: "password", What: "password in a PHP constant", Literals: []string{"define"}, after: 256, Contextual: true, entropy: 3, accept: looksRandom,
			regex: pattern.New(`define\s*\(\s*['"]\w*(?:PASSWORD|SECRET|TOKEN|_KEY|_SALT)['"]\s*,\s*['"]([^'"]{10,128})['"]`)},
		{ID: "registry_token", Group: "token", What: "token of a package registry", Literals: []string{"_authToken"}, after: 256,
			regex: pattern.New(`_authToken\s*=\s*"?([A-Za-z0-9_=.+/-]{16,})`), entropy: 3},
		{ID: "database_url", Group: "url_password", What: "database address with its password", after: 512,
			Literals: []string{"postgres://", "postgresql://", "mysql://", "mariadb://", "mongodb://", "mongodb+srv://", "redis://", "rediss://", "valkey://", "amqp://", "amqps://"},
			regex:    pattern.New(`[a-z+0-9]{4,20}://[^\s:/@"'<>{}$]{0,64}:([^\s/@"'<>{}$\x00-\x1f]{4,256})@[A-Za-z0-9_.\[-]`), accept: notPlaceholder},
		{ID: "url_password", Group: "url_password", What: "web address with a password", Literals: []string{"https://", "http://"}, after: 256, Contextual: true,
			regex: pattern.New(`https?://[^\s:/@"'<>{}$?#]{1,64}:([^\s/@"'<>{}$?#\x00-\x1f]{6,128})@[A-Za-z0-9]`), accept: notPlaceholder},
		{ID: "password_line", Group: "password", What: "password in a configuration", Contextual: true, after: 160, entropy: 3,
			Literals: []string{"password", "passwd", "secret", "api_key", "apikey", "_token"},
			regex:    pattern.New(`(?im)(?:^|[\s"'$_.{,-])(?:[a-z0-9_.-]{0,24}(?:password|passwd|secret|secret_key|api_?key|[a-z0-9_.-]{0,24}_token))["']?\]?\s*(?:=>|=|:)\s*["']?([^\s"'<>{}$%#;,()\[\]]{10,128})["']?\s*(?:[,;)\]}]|$)`),
			accept:   looksRandom},
	}
}

// placeholders are words that stand where a secret belongs, in examples: whole, perhaps with a number, or as a beginning.
var (
	placeholders     = []string{"pass", "password", "passwd", "pw", "secret", "dummy", "sample", "todo", "redacted", "hunter", "test", "foobar", "token"}
	placeholderHeads = []string{"changeme", "change_me", "change-me", "example", "your", "xxxx", "****", "placeholder", "insert_", "replace_"}
)

func notPlaceholder(secret string) bool {
	low := strings.ToLower(secret)
	for _, head := range placeholderHeads {
		if strings.HasPrefix(low, head) {
			return false
		}
	}
	if slices.Contains(placeholders, strings.TrimRight(low, "0123456789")) {
		return false
	}
	return strings.Count(low, low[:1]) != len(low)
}

// looksRandom tells a generated value from a word, a path, a name of a setting and a piece of code.
func looksRandom(secret string) bool {
	letters, digits, other := 0, 0, 0
	for _, r := range secret {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			letters++
		case r == '/' || r == '\\' || r == ':' || r > '~':
			other++
		}
	}
	return letters >= 3 && digits >= 2 && other == 0 && notPlaceholder(secret)
}

// entropy is how many bits a character of the text carries (Shannon).
func entropy(text string) float64 {
	counts := map[rune]float64{}
	for _, r := range text {
		counts[r]++
	}
	bits := 0.0
	for _, n := range counts {
		p := n / float64(len([]rune(text)))
		bits -= p * math.Log2(p)
	}
	return bits
}
