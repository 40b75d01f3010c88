package importer

import (
	"regexp"
	"strings"

	"oneclick-agent/agent/problem"
)

// mistakes are what the shell of images gets wrong again and again, and what the agent does instead.
var mistakes = []struct {
	pattern       *regexp.Regexp
	says, instead string
}{
	{
		regexp.MustCompile(`\b(mysql|mysqladmin|mariadb)\b.*\s(-p["']?\$|--password=["']?\$)`),
		"a password in arguments, which every local user can read",
		"database: local: makes accounts over the server's socket, without any password",
	},
	{
		regexp.MustCompile(`--(admin_|db_?)?(password|pass|token|conn-password)[= ]["']?\$`),
		"a secret in arguments, which every local user can read",
		"a run step gets it by env: or stdin:",
	},
	{
		regexp.MustCompile(`\bpsql\b.*PASSWORD '\$`),
		"a password in arguments, which every local user can read",
		"database: local: makes the account over the server's socket",
	},
	{
		regexp.MustCompile(`^#!.*\s-[a-z]*x|^set -[a-z]*x`),
		"every command is printed, with the secrets in it",
		"the agent keeps what commands print without secrets",
	},
	{
		regexp.MustCompile(`exec > >\(tee`),
		"the log of the setup is readable by everybody",
		"the agent's log has no secret in it, and belongs to root",
	},
	{
		regexp.MustCompile(`^\s*sleep\s+[0-9]`),
		"a pause, which is too short on a slow Droplet and too long on a fast one",
		"wait: has a condition and a bound",
	},
	{
		regexp.MustCompile(`hostname -I`),
		"the first of all addresses, which may be a private one",
		"{{ .droplet.ipv4 }} is the public address that DigitalOcean says",
	},
	{
		regexp.MustCompile(`Match User root|ForceCommand`),
		"SSH is locked until the script ends, and for good where it fails",
		"the agent locks nobody out, and shows the progress",
	},
	{
		regexp.MustCompile(`cp .*/etc/skel/\.bashrc`),
		"what the customer wrote into .bashrc is lost",
		"the agent takes its own lines out again, and nothing else",
	},
	{
		regexp.MustCompile(`(source|\.) /etc/environment`),
		"/etc/environment is no shell: a sign in a value is run or breaks the script",
		"from_env: reads it as PAM does",
	},
	{
		regexp.MustCompile(`date .*(md5|sha[0-9]*)sum`),
		"a secret made from the time can be guessed",
		"secrets: are made from the kernel's random numbers",
	},
	{
		regexp.MustCompile(`(curl|wget) [^|]*\|\s*(sudo )?(ba)?sh`),
		"a program from the network runs at first boot, whatever it is by then",
		"install it when the image is built, by a fixed version",
	},
	{
		regexp.MustCompile(`chmod (-R )?0?(777|666)`),
		"everybody may change this",
		"each file has an owner and a mode that nobody else can write by",
	},
	{
		regexp.MustCompile(`read\s+-[a-qt-z]*p?[a-qt-z]*\s.*(?i:password|token|secret|api.?key)`),
		"a secret is shown while it is typed",
		"type: password or secret hides it",
	},
	{
		regexp.MustCompile(`openssl rand -base64 (4[89]|[5-9][0-9]|[1-9][0-9]{2,})`),
		"the secret has a line break in it",
		"format: base64 makes one line",
	},
	{
		regexp.MustCompile(`mysql_secure_installation`),
		"the answers are given blindly, and a wrong one is not noticed",
		"database: local: removes the anonymous users and the test database",
	},
	{
		regexp.MustCompile(`(image|docker pull|docker run).*:latest\b`),
		"the version that a Droplet gets is not the one that was tried",
		"fix the version, and pull it when the image is built",
	},
	{
		regexp.MustCompile(`^\s*(while|until) .*(true|:)\s*;?\s*do|^\s*(until|while !) `),
		"a loop without an end, when what it waits for never comes",
		"wait: has a bound, and says what did not come",
	},
	{
		regexp.MustCompile(`apt(-get)? .*(install|upgrade)|pip3? install|npm install`),
		"packages are installed at first boot, when the network may be slow or gone",
		"install them when the image is built",
	},
}

// maxOfOne is how often one mistake is told of one script.
const maxOfOne = 3

// findMistakes looks for them line by line.
func (t *translator) findMistakes(s *script) {
	told := map[string]int{}
	number := 0
	for line := range strings.Lines(s.text) {
		number++
		text := strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(text), "#") && number > 1 {
			continue
		}
		for _, mistake := range mistakes {
			at := mistake.pattern.FindStringIndex(text)
			if at == nil || told[mistake.says] >= maxOfOne {
				continue
			}
			told[mistake.says]++
			t.findings = append(t.findings, problem.Problem{
				Position: problem.Position{
					File:   s.path,
					Line:   number,
					Column: len([]rune(text[:at[0]])) + 1,
				}, Message: mistake.says, Hint: mistake.instead,
			})
		}
	}
}
