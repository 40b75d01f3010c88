// Package starter writes the directory that a vendor begins an image with: a manifest with the reasons in it, what builds it, what tests
// it, and the texts of its listing.
package starter

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"
)

// Kind is a kind of app.
type Kind struct{ Name, Does string }

// Kinds are those that a directory can be made for.
func Kinds() []Kind {
	return []Kind{
		{"compose", "containers that Docker Compose runs"},
		{"go", "one program and its unit"},
		{"php", "PHP files behind Caddy"},
		{"static", "pages that Caddy serves"},
	}
}

// KindNames are the names of the kinds, in the order of Kinds.
func KindNames() (names []string) {
	for _, kind := range Kinds() {
		names = append(names, kind.Name)
	}
	return names
}

// Databases are those that an app can have besides none.
func Databases() []string { return []string{"postgresql", "mysql"} }

// Choice is what is asked before a directory is made.
type Choice struct {
	// Name is the app's, as people read it.
	Name string
	// Kind is the name of one of Kinds.
	Kind string
	// Database is one of Databases, "" for none.
	Database string
	// Domain asks the customer for a domain at first login.
	Domain bool
}

// maxName is how long a name may be, in characters: it stands in the first line of the message of the day.
const maxName = 40

// Validate says what cannot be made.
func (c Choice) Validate() error {
	kinds := KindNames()
	switch {
	case strings.TrimSpace(c.Name) != c.Name || c.Name == "":
		return errors.New("the app needs a name, without spaces around it")
	case utf8.RuneCountInString(c.Name) > maxName:
		return fmt.Errorf("the app's name is longer than %d characters", maxName)
	case !utf8.ValidString(c.Name) || strings.ContainsFunc(c.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the app's name has characters that cannot be shown")
	case strings.Contains(c.Name, "{{"):
		return errors.New("the app's name must not look like a template")
	case !slices.Contains(kinds, c.Kind):
		return fmt.Errorf("there is no kind %q; use %s", c.Kind, strings.Join(kinds, ", "))
	case c.Database != "" && !slices.Contains(Databases(), c.Database):
		return fmt.Errorf("there is no database %q; use %s", c.Database, strings.Join(Databases(), ", "))
	case c.Kind == "static" && c.Database != "":
		return errors.New("static pages have no database")
	}
	return nil
}

// ID is the name for files, units and accounts: letters, digits and dashes.
func (c Choice) ID() string {
	id := strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(r); {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r == ' ' || r == '-' || r == '_' || r == '.':
			return '-'
		}
		return -1
	}, c.Name)
	id = strings.Trim(id, "-")
	for strings.Contains(id, "--") {
		id = strings.ReplaceAll(id, "--", "-")
	}
	if id == "" || id[0] < 'a' {
		id = strings.Trim("app-"+id, "-")
	}
	return strings.TrimRight(id[:min(len(id), 24)], "-") // an account's name has at most 32
}

// Account is the ID as the name of a database and of its user.
func (c Choice) Account() string { return strings.ReplaceAll(c.ID(), "-", "_") }

// OwnServer reports whether the database is the image's own or the customer's managed one; containers bring theirs.
func (c Choice) OwnServer() bool { return c.Database != "" && c.Kind != "compose" }

// packages are what all kinds are made of, by the package tool.
var packages = map[string][]string{
	"apt": {"ufw", "unattended-upgrades", "curl", "ca-certificates"},
	"dnf": {"firewalld", "dnf-automatic", "dnf-plugins-core", "curl", "ca-certificates"},
}

// serverPackages are those of an image's own database server.
var serverPackages = map[string]map[string][]string{
	"postgresql": {"apt": {"postgresql"}, "dnf": {"postgresql-server"}},
	"mysql":      {"apt": {"mariadb-server"}, "dnf": {"mariadb-server"}},
}

// Packages are Debian's and Ubuntu's names of the packages that the image is made of.
func (c Choice) Packages() string { return c.packages("apt", "php-fpm", "php-pgsql", "php-mysql") }

// DNFPackages are the names that AlmaLinux, Rocky Linux and CentOS Stream have for them.
func (c Choice) DNFPackages() string { return c.packages("dnf", "php-fpm", "php-pgsql", "php-mysqlnd") }

func (c Choice) packages(tool, php, phpPostgreSQL, phpMySQL string) string {
	all := slices.Clone(packages[tool])
	if c.OwnServer() {
		all = append(all, serverPackages[c.Database][tool]...)
	}
	if c.Kind == "php" {
		all = append(all, php)
		switch c.Database {
		case "postgresql":
			all = append(all, phpPostgreSQL)
		case "mysql":
			all = append(all, phpMySQL)
		}
	}
	return strings.Join(all, " ")
}

// File is a file to write.
type File struct {
	Content []byte
	Mode    fs.FileMode
}

//go:embed all:templates
var templates embed.FS

// kindsOf says who has a file that not every choice has.
var kindsOf = map[string]func(Choice) bool{
	"app.env.tmpl":      func(c Choice) bool { return c.Kind == "go" },
	"compose.yaml":      func(c Choice) bool { return c.Kind == "compose" },
	"app.service":       func(c Choice) bool { return c.Kind == "go" || c.Kind == "compose" },
	"index.html":        func(c Choice) bool { return c.Kind == "static" },
	"index.php":         func(c Choice) bool { return c.Kind == "php" },
	"test/answers.yaml": func(c Choice) bool { return c.Domain },
	"test/image/etc/php/8.2/fpm/pool.d/www.conf": func(c Choice) bool { return c.Kind == "php" && c.Database != "" },
}

// named is what a file is called in the directory: some by the app.
func (c Choice) named(file string) string {
	switch file {
	case "app.service":
		return c.ID() + ".service"
	case "app.env.tmpl":
		return c.ID() + ".env.tmpl"
	}
	return file
}

// executable are the scripts among them.
var executable = []string{"packer/setup"}

// Files are the files of the directory, by path.
func (c Choice) Files() (map[string]File, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	files := map[string]File{}
	err := fs.WalkDir(templates, "templates", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file := strings.TrimPrefix(name, "templates/")
		if has, some := kindsOf[file]; some && !has(c) {
			return nil
		}
		text, err := c.fill(name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if slices.Contains(executable, file) {
			mode = 0o755
		}
		files[c.named(file)] = File{text, mode}
		return nil
	})
	return files, err
}

// fill fills a template in. Its marks are « and », because manifests, shells and Packer have all others.
func (c Choice) fill(name string) ([]byte, error) {
	source, err := templates.ReadFile(name)
	if err != nil {
		return nil, err
	}
	parsed, err := template.New(path.Base(name)).Delims("«", "»").Funcs(quoting).Parse(string(source))
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	if err := parsed.Execute(&text, c); err != nil {
		return nil, err
	}
	return []byte(text.String()), nil
}
