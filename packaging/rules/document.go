package main

import (
	"fmt"
	"slices"
	"strings"

	"oneclick-agent/agent/scan"
	"oneclick-agent/agent/scan/archive"
)

// document is docs/secret-scan.md: what people must know of the scan, with the lists that the rules and the code have.
func document(all []Rule) string {
	var out strings.Builder
	limits := archive.DefaultLimits()
	fmt.Fprintf(
		&out,
		documentHead,
		limits.Depth,
		limits.Bytes>>30,
		limits.Growth,
		limits.Memory>>20,
		limits.Time.Minutes(),
		strings.Join(archive.NewFormats().Names(), ", "),
	)
	out.WriteString(
		"## Kinds\n\nEach is told by the check `secrets.` and its group.\n\n| kind | group | certainty | only in |\n| --- | --- | --- | --- |\n",
	)
	for _, rule := range scan.Builtin() {
		fmt.Fprintf(&out, "| %s | `%s` | %s | %s |\n", rule.What, rule.Group, rule.Certainty, where(rule.Contextual, nil))
	}
	var others []string
	for _, rule := range all {
		if len(rule.Examples) == 0 {
			others = append(others, rule.What)
			continue
		}
		fmt.Fprintf(&out, "| %s | `%s` | %s | %s |\n", rule.What, rule.Group, rule.Certainty, where(rule.Contextual, rule.Files))
	}
	slices.Sort(others)
	fmt.Fprintf(&out, "\nOf gitleaks' rules also: %s.\n", strings.Join(others, ", "))
	return out.String()
}

func where(contextual bool, files []string) string {
	switch {
	case len(files) > 0:
		return "`" + strings.Join(files, "`, `") + "`"
	case contextual:
		return "what people write"
	}
	return ""
}

const documentHead = `# The secret scan

Made from the rules by ` + "`go run ./packaging/rules`" + `. What is told of it: [pre-snapshot](pre-snapshot.md), the checks secrets.*.

Every file that goes into the snapshot is read to its end, programs and databases too. A **live** secret, one that its form
alone gives away, fails. A **likely** one warns: a value that looks like a secret under a name that asks for one. What is
**possible** depends on what somebody meant by it, as the hash of a password, and warns too. No secret is ever printed.

## What is passed over

- A file that is, byte for byte, as its package made it. A package's settings that somebody changed are read like others.
- Placeholders: ` + "`${VAR}`, `<your key>`, `{{ … }}`, `xxxx`, `changeme_example`" + `. Passwords that everybody tries first
  (admin, postgres, changeme, tomcat) have a check of their own, ` + "`secrets.default_password`" + `.
- Settings among programs and libraries (/usr but for /usr/local and /usr/src, node_modules, site-packages, vendor/bundle):
  there only keys, tokens and addresses count. In source code a password is quoted, and in documents and in the history of a
  repository it looks made by a generator.
- What is no finding elsewhere and is not looked for: names, mail addresses, card numbers, and whether a key is still valid.

## Settings

The name's last word decides (` + "`DB_PASSWORD`, `redisPass`, `_PWD`, `spring.datasource.password`, `requirepass`" + `,
` + "`SECRET_KEY_BASE`, `jwtSecret`" + `),
with = : => > or, for flags and directives, a blank behind it; in .env, YAML, JSON, TOML, INI, XML, properties, PHP, SQL,
Dockerfiles, units and shell scripts. A password may be random or thought out. Of what is only called key or token, only
random values count. In a comment, too.

## What is looked into

At most %d files in one another, %d GB together, %d bytes for each one, %d MB of memory and %.0f minutes for each file on the
disk; two at a time. What lies beyond, is damaged, encrypted or of a kind that cannot be read is told as unread and is never a pass.

Formats: %s.
Of these 7z, rar, lz4 and compress are only told as unread.
The whole history of a git repository is read, loose and packed. Of SQLite, every row, with its columns' names. Text in
UTF-16, and text, keys and archives in base64, once. Images saved by docker and layers of containers are files like others.
Not looked into: disk images (qcow2, ext4, squashfs), LUKS, archives behind a program that unpacks itself, SQLite in UTF-16
(its bytes are still read), and what is encrypted.

`
