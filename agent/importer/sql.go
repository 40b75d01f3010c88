package importer

import (
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// database is what the scripts make on the image's own server.
type database struct {
	engine               string
	name, user, password string
	admins               [][2]string // user and secret
}

var (
	createDatabase = regexp.MustCompile("(?i)^create database (?:if not exists )?[`\"]?([a-z0-9_]+)")
	createUser     = regexp.MustCompile(
		"(?i)^(?:create user (?:if not exists )?|create role |alter user (?:if exists " +
			")?)['`\"]?([a-z0-9_.-]+)['`\"]?(?:@['`\"]?[a-z0-9_.%-]+['`\"]?)?\\s+" +
			"(?:with )?(?:identified (?:with [a-z0-9_'\"]+ )?by|(?:with )?(?:encrypted )?password)\\s+['\"](.+?)['\"]",
	)
	done = regexp.MustCompile(
		"(?i)^(grant |flush privileges|alter database |drop database (if exists )?`?test|delete from mysql\\.|drop user " +
			".*''|alter role .* set |use )",
	)
)

// sql reads the statements that a client is given, and says them as the database of the manifest.
func (t *translator) sql(c command) ([]*step, bool) {
	engine := "mysql"
	if c.name() == "psql" || c.name() == "createdb" {
		engine = "postgresql"
	}
	d := t.database
	if d == nil {
		d = &database{engine: engine}
	}
	attempt := *d
	if attempt.engine != engine {
		return nil, false
	}
	var ok bool
	switch arguments := c.arguments(); c.name() {
	case "createdb":
		ok = len(arguments) > 0
		if ok {
			attempt.name = arguments[len(arguments)-1]
		}
	case "mysqladmin":
		ok = attempt.administer(arguments)
	default:
		ok = t.statements(&attempt, c)
	}
	if !ok {
		return nil, false
	}
	t.database = &attempt
	return t.keepSQL(c.statement), true
}

// keepSQL keeps a statement about the database, for the case that the manifest cannot make an account.
func (t *translator) keepSQL(s *syntax.Stmt) []*step {
	f := t.fragment(s)
	if t.sqlStep != nil {
		t.sqlStep.from = append(t.sqlStep.from, f)
		return nil
	}
	t.sqlStep = &step{from: []fragment{f}}
	return []*step{t.sqlStep}
}

// administer reads what mysqladmin does.
func (d *database) administer(arguments []string) bool {
	for i, argument := range arguments[:max(0, len(arguments)-1)] {
		switch argument {
		case "create":
			d.name = arguments[i+1]
			return true
		case "password":
			if secret, ok := asSecret(arguments[i+1]); ok {
				d.admins = append(d.admins, [2]string{"root", secret})
				return true
			}
		}
	}
	return false
}

// statements reads the SQL of -e and -c, or of a here-document.
func (t *translator) statements(d *database, c command) bool {
	text := ""
	for i, word := range c.words {
		if (word.text == "-e" || word.text == "-c" || word.text == "--execute") && i+1 < len(c.words) {
			text += c.words[i+1].text + ";"
		}
	}
	if isDocument(c.statement.Redirs) {
		document, ok := t.document(c.statement.Redirs[0])
		if !ok {
			return false
		}
		text += document.text
	}
	found := false
	for statement := range strings.SplitSeq(text, ";") {
		statement = strings.Join(strings.Fields(statement), " ")
		switch {
		case statement == "":
		case !d.take(statement):
			return false
		default:
			found = true
		}
	}
	return found
}

// take takes one statement over.
func (d *database) take(statement string) bool {
	if match := createDatabase.FindStringSubmatch(statement); match != nil {
		d.name = match[1]
		return true
	}
	if match := createUser.FindStringSubmatch(statement); match != nil {
		secret, ok := asSecret(match[2])
		switch {
		case !ok:
			return false
		case match[1] == "root" || match[1] == "postgres":
			d.admins = append(d.admins, [2]string{match[1], secret})
		case match[1] == "debian-sys-maint": // local: gives that account a password of this Droplet's own
		case d.user != "" && d.user != match[1]:
			return false
		default:
			d.user, d.password = match[1], secret
		}
		return true
	}
	return done.MatchString(statement)
}

// pairs is the database as the manifest has it; none without an account.
func (d *database) pairs() []pair {
	if d == nil || d.user == "" || d.password == "" {
		return nil
	}
	local := []pair{{"name", d.user}, {"password", d.password}}
	if d.name != "" && d.name != d.user {
		local = []pair{{"name", d.name}, {"user", d.user}, {"password", d.password}}
	}
	var admins []any
	seen := map[string]bool{}
	for _, admin := range d.admins {
		if !seen[admin[0]] {
			admins = append(admins, []pair{{"user", admin[0]}, {"password", admin[1]}})
		}
		seen[admin[0]] = true
	}
	if admins != nil {
		local = append(local, pair{"admins", admins})
	}
	account := []pair{local[0], local[len(local)-1]}
	if len(d.admins) > 0 {
		account[1] = local[len(local)-2]
	}
	return []pair{{"engine", d.engine}, {"managed", "optional"}, {"local", local}, {"role", account}}
}

// isInstallation reports whether a statement answers mysql_secure_installation.
func isInstallation(s *syntax.Stmt) bool {
	call, ok := s.Cmd.(*syntax.CallExpr)
	return ok && strings.Contains(printed(call), "mysql_secure_installation")
}
