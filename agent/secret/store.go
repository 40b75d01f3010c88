package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
)

const (
	storePath = "/var/lib/oneclick/secrets.json"
	// PasswordsPath is where people, and scripts that source it, find the plain values.
	PasswordsPath = "/root/.digitalocean_passwords"
	maxStore      = 4 << 20

	lockPath   = "/var/lib/oneclick/secrets.lock"
	lockWithin = 10 * time.Second
)

// Store holds the secrets of one Droplet, on disk and private to root.
type Store struct {
	files   *host.Root
	secrets map[string]Fields
}

// Open reads the store; one that does not exist yet is empty.
func Open(files *host.Root) (*Store, error) {
	store := &Store{files: files}
	return store, store.reload()
}

// reload reads what is on disk, which another process may have changed: every change begins with it.
func (store *Store) reload() error {
	store.secrets = map[string]Fields{}
	data, err := store.files.ReadFile(storePath, maxStore)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var stored map[string]map[string]string
	if json.Unmarshal(data, &stored) != nil {
		// The decoder's own message could quote a secret.
		return fmt.Errorf("cannot read %s: it is damaged; restore it from a backup, or remove it to make new secrets", storePath)
	}
	for name, fields := range stored {
		store.secrets[name] = Fields{}
		for field, value := range fields {
			store.secrets[name][field] = New(value)
		}
	}
	return nil
}

// Reload takes up what other processes made.
func (store *Store) Reload() error { return store.reload() }

// change makes one change to what is on disk, while no other process can.
func (s *Store) change(make func() error) error {
	lock, err := s.files.LockWithin(lockPath, lockWithin)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := s.reload(); err != nil {
		return err
	}
	return make()
}

// Names lists the secrets that are there, sorted.
func (s *Store) Names() []string { return slices.Sorted(maps.Keys(s.secrets)) }

// Get returns a secret.
func (s *Store) Get(name string) (Fields, bool) {
	fields, ok := s.secrets[name]
	return fields, ok
}

// Data is the secrets as templates see them. It reveals them all.
func (s *Store) Data() map[string]any {
	data := map[string]any{}
	for name, fields := range s.secrets {
		if value, ok := fields[""]; ok {
			data[name] = value.Reveal()
			continue
		}
		parts := map[string]any{}
		for field, value := range fields {
			parts[field] = value.Reveal()
		}
		data[name] = parts
	}
	return data
}

// Missing lists the secrets of the manifest that can be made now and are not there, in the order in which they
// must be made. Answered tells whether the answers of first login are complete.
func (s *Store) Missing(m *manifest.Manifest, answered bool) []string {
	var order []string
	var visit func(name string)
	visit = func(name string) {
		if _, made := s.secrets[name]; made || slices.Contains(order, name) || m.Secrets[name].Captured {
			return
		}
		if !answered && m.NeedsAnswers(name) || !s.capturesThere(m, name) {
			return
		}
		for _, need := range m.SecretDependencies(name) {
			visit(need)
		}
		order = append(order, name)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Secrets)) {
		visit(name)
	}
	return order
}

func (s *Store) capturesThere(m *manifest.Manifest, name string) bool {
	for _, need := range m.SecretDependencies(name) {
		if _, made := s.secrets[need]; !made && m.Secrets[need].Captured || !s.capturesThere(m, need) {
			return false
		}
	}
	return true
}

// Ensure makes what is missing, all in one write, so that a secret is either durable or was never used. Data
// is what templates in the manifest's secrets see; Ensure adds the secrets to it.
func (s *Store) Ensure(m *manifest.Manifest, data map[string]any, answered bool, now time.Time) (made []string, err error) {
	err = s.change(func() error {
		made, err = s.ensure(m, data, answered, now)
		return err
	})
	return made, err
}

func (s *Store) ensure(m *manifest.Manifest, data map[string]any, answered bool, now time.Time) (made []string, err error) {
	missing := s.Missing(m, answered)
	for _, name := range missing {
		data["secrets"] = s.Data()
		fields, err := s.make(m, name, data, now)
		if err != nil {
			return nil, fmt.Errorf("cannot make the secret %s: %w", name, err)
		}
		s.secrets[name] = fields
	}
	data["secrets"] = s.Data()
	if len(missing) > 0 {
		if err := s.save(); err != nil {
			return nil, err
		}
	}
	return missing, s.writePasswords(m)
}

func (s *Store) make(m *manifest.Manifest, name string, data map[string]any, now time.Time) (Fields, error) {
	spec := m.Secrets[name]
	switch spec.Kind() {
	case "ca":
		return authority(spec, m.App.Name+" CA", now)
	case "certificate":
		hosts := make([]string, len(spec.Hosts))
		for i, host := range spec.Hosts {
			text, err := execute(string(host), m.Engine(), data)
			if err != nil {
				return nil, err
			}
			hosts[i] = strings.TrimSpace(text)
		}
		return certificate(spec, hosts, s.secrets[spec.SignedBy], now)
	}
	if spec.Derive == "" {
		return generate(spec)
	}
	claims := map[string]any{}
	for key, value := range spec.Claims {
		filled, err := value.Fill(func(t manifest.Template) (string, error) { return execute(string(t), m.Engine(), data) })
		if err != nil {
			return nil, err
		}
		claims[key] = filled
	}
	return derive(spec, s.secrets[spec.From][""].Reveal(), claims, now)
}

func execute(text, engine string, data map[string]any) (string, error) {
	parsed, err := render.Parse(text, engine)
	if err != nil {
		return "", err
	}
	return parsed.Execute(data)
}

// With is a store of the same secrets, but with these values; it is only to be read.
func (s *Store) With(values map[string]map[string]string) *Store {
	other := &Store{secrets: maps.Clone(s.secrets)}
	for name, fields := range values {
		other.secrets[name] = Fields{}
		for field, value := range fields {
			other.secrets[name][field] = New(value)
		}
	}
	return other
}

// Holds reports whether the store still has exactly these values.
func (s *Store) Holds(values map[string]map[string]string) bool {
	for name, fields := range values {
		have, ok := s.secrets[name]
		if !ok || len(have) != len(fields) {
			return false
		}
		for field, value := range fields {
			if have[field].Reveal() != value {
				return false
			}
		}
	}
	return true
}

// Replace makes new values for these secrets, all in one write.
func (s *Store) Replace(m *manifest.Manifest, data map[string]any, names []string, answered bool, now time.Time) error {
	return s.change(func() error {
		for _, name := range names {
			delete(s.secrets, name)
		}
		_, err := s.ensure(m, data, answered, now)
		return err
	})
}

// Capture adds secrets that a command printed, in one write.
func (s *Store) Capture(values map[string]string) error {
	return s.change(func() error {
		for name, value := range values {
			s.secrets[name] = Fields{"": New(value)}
		}
		return s.save()
	})
}

// Forget takes a secret away; one that is not there is no error.
func (s *Store) Forget(name string) error {
	return s.change(func() error {
		if _, ok := s.secrets[name]; !ok {
			return nil
		}
		delete(s.secrets, name)
		return s.save()
	})
}

func (s *Store) save() error {
	revealed := map[string]map[string]string{}
	for name, fields := range s.secrets {
		revealed[name] = map[string]string{}
		for field, value := range fields {
			revealed[name][field] = value.Reveal()
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(revealed); err != nil {
		return fmt.Errorf("cannot write %s: %w", storePath, err)
	}
	_, err := s.files.WriteFile(storePath, out.Bytes(), host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	return err
}

// writePasswords lists the plain, not derived values for people and for sh. Lines of others in it are kept.
func (s *Store) writePasswords(m *manifest.Manifest) error {
	lines := map[string]string{}
	for name, spec := range m.Secrets {
		if value, ok := s.secrets[name][""]; ok && spec.Derive == "" {
			upper := strings.ToUpper(name)
			lines[upper] = upper + "=" + render.DoubleQuoted(value.Reveal())
		}
	}
	if m.FirstLogin != nil {
		for _, q := range m.FirstLogin.Questions {
			if fields, ok := s.secrets["answers."+q.Name]; ok && q.Type == "password" {
				upper := strings.ToUpper(q.Name)
				lines[upper] = upper + "=" + render.DoubleQuoted(fields[""].Reveal())
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	have, err := s.files.ReadFile(PasswordsPath, maxStore)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(have)) {
		name, _, _ := strings.Cut(line, "=")
		if _, ours := lines[name]; !ours {
			out.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		out.WriteString(lines[name] + "\n")
	}
	_, err = s.files.WriteFile(PasswordsPath, []byte(out.String()), host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	return err
}
