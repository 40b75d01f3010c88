package importer

import (
	"maps"
	"regexp"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// value is what a word of the shell stands for, as a manifest's template.
type value struct {
	text string
	// secret names the secret that the text is, or holds; "" for none.
	secret string
}

// literal is a text that a template leaves as it is.
func literal(text string) string { return strings.ReplaceAll(text, "{{", `{{ "{{" }}`) }

// known is what the shell knows from the beginning.
func known() map[string]value {
	return map[string]value{"HOME": {text: "/root"}, "USER": {text: "root"}, "HOSTNAME": {text: "{{ .droplet.name }}"}}
}

// word says what a word stands for, and whether that is known. name is the setting that the word is for, "" for none: what is
// generated in its place is called by it.
func (t *translator) word(word *syntax.Word, name string) (v value, ok bool) {
	if word == nil {
		return value{}, true
	}
	var b strings.Builder
	for i, part := range word.Parts {
		if lit, is := part.(*syntax.Lit); is && i == 0 && strings.HasPrefix(lit.Value, "~/") {
			b.WriteString("/root")
		}
		if !t.part(&b, &v, part, name, false) {
			return value{}, false
		}
	}
	v.text = b.String()
	return v, true
}

// settingBefore is the name of the setting that a text ends with.
var settingBefore = regexp.MustCompile(`(?:^|[\s;{,])["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?\s*[=:]\s*["']?$`)

// part adds one part of a word.
func (t *translator) part(b *strings.Builder, v *value, part syntax.WordPart, name string, quoted bool) bool {
	if found := settingBefore.FindStringSubmatch(b.String()); found != nil {
		name = found[1]
	}
	switch part := part.(type) {
	case *syntax.Lit:
		text := part.Value
		if quoted {
			text = escapesInQuotes.Replace(text)
		} else {
			text = escapesOutside.ReplaceAllString(text, "$1")
		}
		if !quoted && strings.ContainsAny(part.Value, "*?[") && !strings.Contains(part.Value, `\`) {
			return false // a pattern
		}
		b.WriteString(literal(text))
	case *syntax.SglQuoted:
		if part.Dollar {
			return false
		}
		b.WriteString(literal(part.Value))
	case *syntax.DblQuoted:
		for _, inner := range part.Parts {
			if !t.part(b, v, inner, name, true) {
				return false
			}
		}
	case *syntax.ParamExp:
		found, ok := t.variable(part)
		if !ok {
			return false
		}
		v.take(b, found)
	case *syntax.CmdSubst:
		found, ok := t.substitute(part.Stmts, name)
		if !ok {
			return false
		}
		v.take(b, found)
	default:
		return false
	}
	return true
}

func (v *value) take(b *strings.Builder, found value) {
	b.WriteString(found.text)
	if found.secret != "" {
		v.secret = found.secret
	}
}

var (
	escapesInQuotes = strings.NewReplacer(`\"`, `"`, `\$`, `$`, "\\`", "`", `\\`, `\`, "\\\n", "")
	escapesOutside  = regexp.MustCompile(`\\(.)`)
)

// variable is what a variable stands for. A fallback counts only where the variable is not known.
func (t *translator) variable(p *syntax.ParamExp) (value, bool) {
	if p.Excl || p.Length || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Names != 0 || p.Param == nil {
		return value{}, false
	}
	found, ok := t.variables[p.Param.Value]
	if !ok && t.speaks && looksSecret.MatchString(p.Param.Value) {
		found, ok = value{text: whereSecretsAre}, true
	}
	if p.Exp == nil {
		return found, ok
	}
	switch p.Exp.Op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull:
		if ok && found.text != "" {
			return found, true
		}
		if !t.opaque[p.Param.Value] {
			return t.word(p.Exp.Word, "")
		}
	}
	return value{}, false
}

// looksSecret matches the names of variables that a message of the day would show.
var looksSecret = regexp.MustCompile(`(?i)pass|secret|token|key|user`)

// fieldOf finds the setting of DigitalOcean's credentials that a command reads.
var fieldOf = regexp.MustCompile(`\^?\b(db|keystore)_(protocol|username|password|host|port|database)\b`)

// credentialFields are how templates call these.
var credentialFields = map[string]string{
	"protocol": "engine", "username": "user", "password": "password", "host": "host", "port": "port", "database": "name",
}

// addresses are how scripts find out what DigitalOcean says of the Droplet.
var addresses = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`169\.254\.169\.254/metadata/v1/interfaces/public/0/ipv4/address|public/0/ipv4/address`), "{{ .droplet.ipv4 }}"},
	{regexp.MustCompile(`169\.254\.169\.254/metadata/v1/interfaces/public/0/ipv6/address`), "{{ .droplet.ipv6 }}"},
	{regexp.MustCompile(`169\.254\.169\.254/metadata/v1/hostname`), "{{ .droplet.name }}"},
	{regexp.MustCompile(`169\.254\.169\.254/metadata/v1/id\b`), "{{ .droplet.id }}"},
	{regexp.MustCompile(`169\.254\.169\.254/metadata/v1/region`), "{{ .droplet.region }}"},
	{
		regexp.MustCompile(`^hostname -I\b|^ip (-4 )?(addr|route)|^(curl|wget) .*(ifconfig\.me|icanhazip|ipinfo\.io|checkip|api\.ipify)`),
		"{{ .droplet.ipv4 }}",
	},
	{regexp.MustCompile(`readlink -f .*\$\{?0`), "/etc/update-motd.d/99-one-click"}, // our hook has that place
	{regexp.MustCompile(`^hostname( -[fs])?( \| .*)?$|^cat /etc/hostname$`), "{{ .droplet.name }}"},
}

// generators are how scripts make secrets: the pattern's first group is how much.
var generators = []struct {
	pattern *regexp.Regexp
	secret  func(amount int) []string // keys and values of the secret
}{
	{regexp.MustCompile(`openssl rand -hex (\d+)$`), hexadecimal},
	{regexp.MustCompile(`openssl rand .*\b(?:head|cut) .*?-?c ?(?:1-)?(\d+)`), letters},
	{regexp.MustCompile(`openssl rand -base64 (\d+)$`), base64Bytes},
	{regexp.MustCompile(`openssl rand -base64 (\d+) \| tr -d`), letters},
	{regexp.MustCompile(`openssl rand -base64 (\d+)`), base64Bytes},
	{regexp.MustCompile(`(?:pwgen|apg|makepasswd)\b[^|]*?\b(\d{2,})\b`), letters},
	{regexp.MustCompile(`urandom.*\bhead -c ?(\d+)|head -c ?(?:\d+) /dev/urandom.*\bhead -c ?(\d+)`), letters},
	{regexp.MustCompile(`head -c ?(\d+) /dev/urandom \| (?:xxd|od|hexdump)`), hexadecimal},
	{regexp.MustCompile(`head -c ?(\d+) /dev/urandom`), base64Bytes},
	{regexp.MustCompile(`date\b.*sum.*head -c ?(\d+)`), letters},
	{regexp.MustCompile(`uuidgen|/proc/sys/kernel/random/uuid()`), func(int) []string { return []string{"format", "uuid"} }},
}

func hexadecimal(n int) []string { return []string{"format", "hex", "bytes", strconv.Itoa(max(16, n))} }
func base64Bytes(n int) []string {
	return []string{"format", "base64", "bytes", strconv.Itoa(max(16, n))}
}
func letters(n int) []string { return []string{"length", strconv.Itoa(max(20, n))} }

// substitute says what a command's output stands for: an address, or a secret that is made.
func (t *translator) substitute(commands []*syntax.Stmt, name string) (value, bool) {
	if len(commands) != 1 {
		return value{}, false
	}
	line := t.inlined(strings.Join(strings.Fields(printed(commands[0])), " "))
	for _, address := range addresses {
		if address.pattern.MatchString(line) {
			return value{text: address.text}, true
		}
	}
	if field := fieldOf.FindStringSubmatch(line); field != nil && field[1] == "db" &&
		strings.Contains(line, "digitalocean_dbaas_credentials") {
		found := value{text: "{{ .database." + credentialFields[field[2]] + " }}"}
		if field[2] == "password" {
			found.secret = "the database's password"
		}
		return found, true
	}
	for _, generator := range generators {
		if found := generator.pattern.FindStringSubmatch(line); found != nil {
			amount := 0
			for _, group := range found[1:] {
				if n, err := strconv.Atoi(group); err == nil {
					amount = n
				}
			}
			secret := t.newSecret(name, generator.secret(amount))
			return value{text: "{{ .secrets." + secret + " }}", secret: secret}, true
		}
	}
	return value{}, false
}

// inlined puts the only command of a function in the place of its call, as for: meta() { curl "$1"; }.
func (t *translator) inlined(line string) string {
	name, arguments, _ := strings.Cut(line, " ")
	if body, known := t.functions[name]; known && strings.Count(body.text, "\n") < 4 {
		return "curl " + arguments
	}
	return line
}

// newSecret describes a secret by the name of its setting.
func (t *translator) newSecret(name string, description []string) string {
	name = secretName(name)
	for n := 2; ; n++ {
		if _, taken := t.secrets[name]; !taken {
			break
		}
		name = strings.TrimRight(name, "0123456789_") + "_" + strconv.Itoa(n)
	}
	t.secrets[name] = description
	t.secretOrder = append(t.secretOrder, name)
	return name
}

var notInName = regexp.MustCompile(`[^a-z0-9_]+`)

// secretName is a variable's name as that of a secret.
func secretName(name string) string {
	name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "_"), "_0123456789")
	if name == "" {
		return "secret"
	}
	return name
}

// printed is a part of a script as the shell reads it.
func printed(node syntax.Node) string {
	var b strings.Builder
	if syntax.NewPrinter(syntax.SingleLine(true)).Print(&b, node) != nil {
		return ""
	}
	return b.String()
}

// used are the variables that a part of a script asks for.
func used(node syntax.Node) map[string]bool {
	names := map[string]bool{}
	syntax.Walk(node, func(node syntax.Node) bool {
		if p, ok := node.(*syntax.ParamExp); ok && p.Param != nil {
			names[p.Param.Value] = true
		}
		return true
	})
	return names
}

// snapshot keeps what is known of variables and secrets, for an attempt that may not succeed.
func (t *translator) snapshot() (restore func()) {
	variables, secrets, order := maps.Clone(t.variables), maps.Clone(t.secrets), len(t.secretOrder)
	return func() { t.variables, t.secrets, t.secretOrder = variables, secrets, t.secretOrder[:order] }
}
