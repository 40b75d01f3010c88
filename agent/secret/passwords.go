package secret

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/render"
)

// PasswordsPath is where people, and scripts that source it, find the plain values.
const PasswordsPath = "/root/.digitalocean_passwords"

const maxPasswords = 4 << 20

// listed are the plain values, and constants that belong to them, that people find in PasswordsPath, by the name that they have there.
func (s *Store) listed(m *manifest.Manifest) map[string]Secret {
	values := map[string]Secret{}
	for name, spec := range m.Secrets {
		if value, ok := s.secrets[name][""]; ok && spec.Derive == "" {
			values[strings.ToUpper(name)] = value
		}
	}
	for step := range m.Steps() {
		for name, constant := range step.Spec.Effects().Lists {
			values[name] = New(constant)
		}
	}
	if m.FirstLogin == nil {
		return values
	}
	for _, q := range m.FirstLogin.Questions {
		if value, ok := s.Answer(q.Name); ok && q.Type == "password" {
			values[strings.ToUpper(q.Name)] = value
		}
	}
	return values
}

// writePasswords lists the plain, not derived values for people and for sh. Lines of others in it are kept.
func (s *Store) writePasswords(m *manifest.Manifest) error {
	values := s.listed(m)
	if len(values) == 0 {
		return nil
	}
	have, err := s.files.ReadFile(PasswordsPath, maxPasswords)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var out strings.Builder
	for _, entry := range entries(string(have)) {
		if _, ours := values[entry.name]; !ours {
			out.WriteString(strings.TrimSuffix(entry.text, "\n") + "\n")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out.WriteString(name + "=" + render.DoubleQuoted(values[name].Reveal()) + "\n")
	}
	_, err = s.files.WriteFile(PasswordsPath, []byte(out.String()), host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	return err
}

// AddListed makes the redactor know every value that PasswordsPath lists, those that others put there included.
func (r *Redactor) AddListed(files *host.Root) error {
	have, err := files.ReadFile(PasswordsPath, maxPasswords)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries(string(have)) {
		name, value := entry.name, entry.value
		if name == "" {
			name, value, _ = strings.Cut(strings.TrimSpace(entry.text), "=")
		}
		r.Add(name, New(unquoted(value)))
	}
	return nil
}

// entry is one variable of a file for sh, with all its lines, or one line of something else, which has no name.
type entry struct{ name, value, text string }

var assignment = pattern.New(`^([A-Za-z_][A-Za-z0-9_]*)="`)

// entries takes a file apart as sh would, as far as we write it: NAME="value", which may go on over several lines.
func entries(text string) (all []entry) {
	for len(text) > 0 {
		line, _, _ := strings.Cut(text, "\n")
		found := entry{text: text[:min(len(line)+1, len(text))]}
		if match := assignment().FindString(text); match != "" {
			if value, length, ok := unquote(text[len(match):]); ok {
				found = entry{strings.TrimSuffix(match, `="`), value, text[:len(match)+length]}
				if rest := text[len(found.text):]; strings.HasPrefix(rest, "\n") {
					found.text += "\n"
				}
			}
		}
		all = append(all, found)
		text = text[len(found.text):]
	}
	return all
}

// unquote reads a double-quoted text of sh up to its end. Length is how much was read, the closing quote included; ok
// is false where something stands behind that on the same line.
func unquote(text string) (value string, length int, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), i + 1, i+1 == len(text) || text[i+1] == '\n'
		case c == '\\' && i+1 < len(text) && strings.IndexByte("\\\"$`", text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, false
}
