package edit

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

// format is one kind of file: the only place where a format is entered.
type format struct {
	name string
	// files are the names that certainly have this format: of the last part of a path, or, with a slash, of all of it.
	files  []string
	mark   string // how a line begins that is a comment; "" where there are none
	check  func(Key) error
	editor editor // nil: only its lines can be edited
}

type editor interface {
	set(data []byte, key Key, value any) ([]byte, error)
	unset(data []byte, key Key) ([]byte, error)
}

// formats are all of them, which nobody may change. The first whose files match a path counts.
var formats = sync.OnceValue(func() []format {
	return []format{
		{"dotenv", []string{".env", ".env.*", "*.env", "/etc/default/*", "/etc/sysconfig/*"}, "#", oneLevel, dotenvEditor{shellQuoting, true}},
		{"environment", []string{"/etc/environment"}, "#", oneLevel, dotenvEditor{loginQuoting, false}},
		{"php.ini", []string{
			"php.ini", ".user.ini", "/etc/php/*/*/conf.d/*.ini", "/etc/php/*/mods-available/*.ini", "/etc/php.d/*.ini",
			"php-fpm.conf", "/etc/php/*/fpm/pool.d/*.conf", "/etc/php-fpm.d/*.conf",
		}, ";", nil, phpSettings()},
		{"python", []string{"airflow.cfg", "alembic.ini"}, "#", nil, python()},
		{"ini", []string{"*.ini"}, "#", nil, plainINI()},
		{"text", []string{"openssl*.cnf"}, "#", nil, nil},
		{"mysql", []string{"*.cnf"}, "#", nil, mysql()},
		{"systemd", []string{
			"*.service", "*.socket", "*.timer", "*.path", "*.mount", "*.automount", "*.swap", "*.target", "*.slice", "*.scope",
			"*.network", "*.netdev", "*.link", "/etc/systemd/*.conf", "/etc/systemd/*.conf.d/*.conf", "/*/systemd/*/*.d/*.conf",
			"/usr/*/systemd/*/*.d/*.conf",
		}, "#", nil, systemd()},
		{"yaml", []string{"*.yaml", "*.yml"}, "#", nil, yamlEditor{}},
		{"json", []string{"*.json"}, "", nil, jsonEditor{}},
		{"toml", []string{"*.toml"}, "#", nil, tomlEditor{}},
		{"php", []string{"*.php"}, "//", checkPHPKey, phpEditor{}},
	}
})

func formatNamed(name string) (format, bool) {
	all := formats()
	if i := slices.IndexFunc(all, func(f format) bool { return f.name == name }); i >= 0 {
		return all[i], true
	}
	return format{}, false
}

// Formats are the names that a format can be given by. "text" is a file whose lines are edited, and no keys.
func Formats() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	return names
}

// FormatOf is the format that a file of this path certainly has, and "text" where its name does not tell.
func FormatOf(file string) string {
	for _, f := range formats() {
		for _, pattern := range f.files {
			name := path.Base(file)
			if strings.Contains(pattern, "/") {
				name = file
			}
			if match, err := path.Match(pattern, name); match && err == nil {
				return f.name
			}
		}
	}
	return "text"
}

// Likely is the format that a file of this path most likely has, for a hint; "" where nothing is likely.
func Likely(file string) string {
	if name := FormatOf(file); name != "text" {
		return name
	}
	switch path.Ext(file) {
	case ".conf", ".cfg":
		return "ini"
	}
	return ""
}

// CheckKey reads a key, and tells whether a file of the format can have such a one. It is what can be known without
// the file.
func CheckKey(name, text string) (Key, error) {
	key, err := ParseKey(text)
	if err != nil {
		return nil, err
	}
	if f, ok := formatNamed(name); ok && f.check != nil {
		return key, f.check(key)
	}
	return key, nil
}

// oneLevel refuses quotes and names that no shell has. A name with dots is left to the file, which may have it.
func oneLevel(key Key) error {
	if len(key) > 1 && key.plain() == "" {
		return errors.New("the file holds NAME=value, without levels")
	}
	if name := strings.Join(key.Names(), "."); !dotenvName().MatchString(name) {
		return fmt.Errorf("%q is no name of an environment variable: letters, digits and _, and no digit first", name)
	}
	return nil
}
