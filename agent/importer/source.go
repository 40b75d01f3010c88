package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

const (
	maxFile  = 1 << 20
	maxFiles = 5000
)

// source is an image of today.
type source struct {
	name, version string
	// files are what is copied to the image's root, by the path there. A larger one, or one that is no text, is nil.
	files    map[string][]byte
	boot     []*script
	messages []*script
	build    []*script
	// logins are the scripts of the first login that were used, by path.
	logins []*script
}

// script is a file of shell.
type script struct {
	// path is where it stands in the vendor's directory.
	path string
	text string
	file *syntax.File
	// bash tells that its first line asks for bash.
	bash bool
}

func (s *source) all() []*script { return slices.Concat(s.boot, s.logins, s.messages) }

func open(directory string) (*source, error) {
	s := &source{name: filepath.Base(filepath.Clean(directory)), files: map[string][]byte{}}
	root, err := os.OpenRoot(directory) // out of which no link leads
	if err == nil {
		defer root.Close()
		err = s.readFiles(root, directory)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot import %s: it has no directory files, as an image's has", directory)
	}
	if err != nil {
		return nil, err
	}
	for name, text := range s.files {
		switch script := parse(path.Join("files", name), text); {
		case script == nil:
		case strings.HasPrefix(name, "/var/lib/cloud/scripts/per-instance/"), strings.HasPrefix(name, "/var/lib/cloud/scripts/per-once/"):
			s.boot = append(s.boot, script)
		case strings.HasPrefix(name, "/etc/update-motd.d/"):
			s.messages = append(s.messages, script)
		}
	}
	builds, _ := fs.Glob(root.FS(), "scripts/*") // the pattern is right
	for _, name := range builds {
		if text, err := readText(root, name); err == nil {
			if script := parse(name, text); script != nil {
				s.build = append(s.build, script)
			}
		}
	}
	for _, scripts := range [][]*script{s.boot, s.messages, s.build} {
		slices.SortFunc(scripts, func(a, b *script) int { return strings.Compare(a.path, b.path) })
	}
	s.readTemplate(root)
	if len(s.boot)+len(s.messages) == 0 {
		return nil, fmt.Errorf("cannot import %s: no script runs at a first boot, and none makes a message of the day", directory)
	}
	return s, nil
}

// readFiles reads what is copied to the image's root.
func (s *source) readFiles(root *os.Root, directory string) error {
	count := 0
	return fs.WalkDir(root.FS(), "files", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if count++; count > maxFiles {
			return fmt.Errorf("cannot read %s: it has more than %d files", filepath.Join(directory, "files"), maxFiles)
		}
		s.files[strings.TrimPrefix(name, "files")], err = readText(root, name)
		return err
	})
}

// readText reads a file, nil where it is too large or no text.
func readText(root *os.Root, name string) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, err
	}
	text, err := root.ReadFile(name)
	if strings.ContainsRune(string(text), 0) {
		return nil, err
	}
	return text, err
}

// parse reads a script; nil is no shell.
func parse(name string, text []byte) *script {
	if text == nil {
		return nil
	}
	s := &script{path: name, text: string(text)}
	first, _, _ := strings.Cut(s.text, "\n")
	if strings.HasPrefix(first, "#!") && !strings.HasSuffix(strings.Fields(first + " x")[0], "sh") && !strings.Contains(first, "env bash") &&
		!strings.Contains(first, "env sh") {
		return nil
	}
	s.bash = strings.Contains(first, "bash")
	var err error
	if s.file, err = syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(s.text), name); err != nil {
		return nil
	}
	return s
}

// readTemplate takes the app's name and version from Packer's template, where they can be read there.
func (s *source) readTemplate(root *os.Root) {
	text, err := readText(root, "template.json")
	if err != nil {
		return
	}
	var template struct {
		Variables map[string]any `json:"variables"`
	}
	if json.Unmarshal(text, &template) != nil {
		return
	}
	take := func(variable string, into *string) {
		if value, ok := template.Variables[variable].(string); ok && value != "" && !strings.Contains(value, "{{") {
			*into = value
		}
	}
	take("application_name", &s.name)
	take("application_version", &s.version)
}

// piece is the text of a part of a script.
func (s *script) piece(from, to syntax.Pos) string {
	return s.text[from.Offset():min(to.Offset(), uint(len(s.text)))]
}

// count is how many lines of a part hold more than white space and comments.
func (s *script) count(from, to syntax.Pos) (lines int) {
	for line := range strings.Lines(s.piece(from, to)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines++
		}
	}
	return lines
}
