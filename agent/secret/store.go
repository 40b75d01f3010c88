package secret

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/state"
)

const (
	lockWithin = 10 * time.Second
	// remedy is what to do about a store that cannot be read.
	remedy = "bring the plain values back with: oneclick-agent secrets restore"
	// answerPrefix begins the names under which the answers are kept that nobody may see.
	answerPrefix = "answers."
	// appliedPrefix begins the names of those that the setup was made from, while the questions are asked anew.
	appliedPrefix = "applied answers."
)

// Store holds the secrets of one Droplet, on disk and private to root, sealed by a checksum and kept twice.
type Store struct {
	files   *host.Root
	secrets map[string]Fields
	// previous are the values from before a change that did not reach everything yet.
	previous map[string]Fields
	// sources identify what the templates came to of the secrets that have some, when these were made.
	sources map[string]string
}

// document is the store on disk.
type document struct {
	Version  int                          `json:"version"`
	Secrets  map[string]map[string]string `json:"secrets"`
	Previous map[string]map[string]string `json:"previous,omitempty"`
	Sources  map[string]string            `json:"sources,omitempty"`
}

const documentVersion = 1

// Open reads the store; one that does not exist yet is empty. It changes nothing.
func Open(files *host.Root) (*Store, error) {
	store := &Store{files: files}
	return store, store.Reload()
}

// Reload takes up what other processes changed.
func (s *Store) Reload() error {
	var d document
	_, _, err := state.ReadSealed(s.files, state.Secrets, &d, remedy)
	if err == nil && d.Version > documentVersion {
		err = fmt.Errorf("cannot read %s: it was written by a newer oneclick-agent; install that version again", state.Secrets)
	}
	if err != nil {
		return err
	}
	if s.sources = d.Sources; s.sources == nil {
		s.sources = map[string]string{}
	}
	if s.secrets, err = hide(d.Secrets); err == nil {
		s.previous, err = hide(d.Previous)
	}
	return err
}

func hide(values map[string]map[string]string) (map[string]Fields, error) {
	hidden := map[string]Fields{}
	for name, fields := range values {
		if name == "" || len(fields) == 0 {
			return nil, fmt.Errorf("cannot read %s: %w, and has a secret without a name or a value; %s", state.Secrets, state.ErrDamaged, remedy)
		}
		hidden[name] = Fields{}
		for field, value := range fields {
			hidden[name][field] = New(value)
		}
	}
	return hidden, nil
}

func reveal(secrets map[string]Fields) map[string]map[string]string {
	revealed := map[string]map[string]string{}
	for name, fields := range secrets {
		revealed[name] = map[string]string{}
		for field, value := range fields {
			revealed[name][field] = value.Reveal()
		}
	}
	return revealed
}

func (s *Store) save() error {
	return state.WriteSealed(s.files, state.Secrets, document{documentVersion, reveal(s.secrets), reveal(s.previous), s.sources})
}

// change makes one change to what is on disk, while no other process can.
func (s *Store) change(make func() error) error {
	if err := state.MakeDirectory(s.files); err != nil {
		return err
	}
	lock, err := s.files.LockWithin(state.SecretsLock, lockWithin)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := s.Reload(); err != nil {
		return err
	}
	return make()
}

// Names lists the secrets that are there, sorted.
func (s *Store) Names() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.secrets)), func(name string) bool { return strings.HasPrefix(name, appliedPrefix) })
}

// Get returns a secret.
func (s *Store) Get(name string) (Fields, bool) {
	fields, ok := s.secrets[name]
	return fields, ok
}

// Has reports whether a secret is there.
func (s *Store) Has(name string) bool {
	_, ok := s.secrets[name]
	return ok
}

// Data is the secrets as templates see them. Asked is called with the name of a secret whose text is asked for.
func (s *Store) Data(asked func(name string)) map[string]any {
	data := map[string]any{}
	for name, fields := range s.secrets {
		if strings.HasPrefix(name, answerPrefix) || strings.HasPrefix(name, appliedPrefix) {
			continue
		}
		show := func(field string) any {
			if slices.Contains(manifest.PublicFields, field) {
				return fields[field].Reveal()
			}
			return render.NewValue(fields[field].Reveal(), func() { asked(name) })
		}
		if _, ok := fields[""]; ok {
			data[name] = show("")
			continue
		}
		parts := map[string]any{}
		for field := range fields {
			parts[field] = show(field)
		}
		data[name] = parts
	}
	return data
}

// Missing lists the secrets of the manifest that can be made now and are not there, in the order in which they
// must be made. Answered tells whether the answers of first login are complete.
func (s *Store) Missing(m *manifest.Manifest, answered bool) []string {
	var order []string
	var visit func(name string) (possible bool)
	visit = func(name string) bool {
		if s.Has(name) || slices.Contains(order, name) {
			return true
		}
		if m.Secrets[name] == nil || m.Secrets[name].Captured || !answered && m.NeedsAnswers(name) {
			return false
		}
		for _, need := range m.SecretDependencies(name) {
			if !visit(need) {
				return false
			}
		}
		order = append(order, name)
		return true
	}
	for _, name := range slices.Sorted(maps.Keys(m.Secrets)) {
		visit(name)
	}
	return order
}

// Fill fills a template of the manifest in. It sees the secrets that the store has at that moment.
type Fill func(manifest.Template) (string, error)

// Ensure makes what is missing, all in one write, so that a secret is either durable or was never used.
func (s *Store) Ensure(m *manifest.Manifest, answered bool, now time.Time, fill Fill) (made []string, err error) {
	err = s.change(func() error {
		made, err = s.ensure(m, answered, now, fill)
		return err
	})
	return made, err
}

// ensure makes what is missing. Of the lost ones, empty values stay as the previous ones.
func (s *Store) ensure(m *manifest.Manifest, answered bool, now time.Time, fill Fill, lost ...string) (made []string, err error) {
	missing := s.Missing(m, answered)
	for _, name := range missing {
		fields, err := s.make(m, name, now, fill)
		if err != nil {
			return nil, fmt.Errorf("cannot make the secret %s: %w", name, err)
		}
		s.secrets[name] = fields
		if slices.Contains(lost, name) {
			s.previous[name] = Fields{}
			for field := range fields {
				s.previous[name][field] = New("")
			}
		}
	}
	if len(s.secrets) > 0 { // also where nothing is missing: a power cut may have left only one of the two copies
		if err := s.save(); err != nil {
			return nil, err
		}
	}
	return missing, s.writePasswords(m)
}

// make makes one secret from its description, with the templates in that filled in.
func (s *Store) make(m *manifest.Manifest, name string, now time.Time, fill Fill) (Fields, error) {
	spec := m.Secrets[name]
	text, err := fillIn(spec, fill)
	if err != nil {
		return nil, err
	}
	if s.sources[name] = text.source(); len(spec.Templates()) == 0 {
		delete(s.sources, name)
	}
	switch spec.Kind() {
	case "ca":
		text.name = cmp.Or(text.name, m.App.Name+" CA")
		return authority(spec, text, now)
	case "certificate":
		return certificate(spec, text, s.secrets[spec.SignedBy], now)
	}
	if spec.Derive == "" {
		return generate(spec)
	}
	return derive(spec, text, s.secrets[spec.From][""].Reveal(), now)
}

// filled is the text of a secret's description.
type filled struct {
	name, user string
	hosts      []string
	subject    map[string]string
	claims     map[string]any
}

func fillIn(spec *manifest.Secret, fill Fill) (text filled, err error) {
	if text.name, err = fill(spec.Name); err != nil {
		return text, err
	}
	if text.user, err = fill(spec.User); err != nil {
		return text, err
	}
	for _, host := range spec.Hosts {
		one, err := fill(host)
		if err != nil {
			return text, err
		}
		text.hosts = append(text.hosts, strings.TrimSpace(one))
	}
	text.subject = map[string]string{}
	for part, template := range spec.Subject {
		if text.subject[part], err = fill(template); err != nil {
			return text, err
		}
	}
	text.claims = map[string]any{}
	for key, value := range spec.Claims {
		if text.claims[key], err = value.Fill(fill); err != nil {
			return text, err
		}
	}
	return text, nil
}

// source identifies it.
func (f filled) source() string {
	text, _ := json.Marshal([]any{f.name, f.user, f.hosts, f.subject, f.claims}) // which came from text, so that they can be text again
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// IsOutdated reports whether a secret was made from something else than what its description says now. Known is false where it
// was made by a version that did not note that.
func (s *Store) IsOutdated(m *manifest.Manifest, name string, fill Fill) (outdated, known bool) {
	text, err := fillIn(m.Secrets[name], fill)
	source, known := s.sources[name]
	return known && err == nil && source != text.source(), known
}

// Replace makes new values for these secrets. The old ones stay as the previous ones, in the same write, until Settle
// forgets them. One that is lost is made anew.
func (s *Store) Replace(m *manifest.Manifest, names []string, answered bool, now time.Time, fill Fill) error {
	return s.change(func() error {
		var lost []string
		for _, name := range names {
			fields, ok := s.secrets[name]
			switch {
			case !ok:
				lost = append(lost, name)
			case answered || !m.NeedsAnswers(name): // what is made from answers that are not there stays
				if _, kept := s.previous[name]; !kept { // else a change was cut off, and may not have reached everything
					s.previous[name] = fields
				}
				delete(s.secrets, name)
			}
		}
		_, err := s.ensure(m, answered, now, fill, lost...)
		return err
	})
}

// Changing lists the secrets whose new value did not reach everything yet.
func (s *Store) Changing() []string { return slices.Sorted(maps.Keys(s.previous)) }

// Before is a store of the values from before the change that is under way; it is only to be read.
func (s *Store) Before() *Store {
	before := &Store{secrets: maps.Clone(s.secrets)}
	maps.Copy(before.secrets, s.previous)
	return before
}

// Settle forgets the previous values, because the new ones stand everywhere, and brings the list for people up to date.
func (s *Store) Settle(m *manifest.Manifest) error {
	return s.change(func() error {
		if err := s.writePasswords(m); err != nil || len(s.previous) == 0 {
			return err
		}
		s.previous = map[string]Fields{}
		return s.save()
	})
}

// Capture adds secrets that a command printed, in one write.
func (s *Store) Capture(values map[string]string) error {
	for name, value := range values {
		if value == "" {
			return fmt.Errorf("cannot keep the secret %s: it is empty", name)
		}
	}
	return s.change(func() error {
		for name, value := range values {
			s.secrets[name] = Fields{"": New(value)}
		}
		return s.save()
	})
}
