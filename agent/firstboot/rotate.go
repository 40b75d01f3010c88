package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/step"
)

// rotationPath is there while a rotation is under way. It keeps the old values, to tell what still stands as it was
// made with them, and lets a rotation that was cut off go on.
const rotationPath = "/var/lib/oneclick/rotation.json"

// rotation is what a rotation changes.
type rotation struct {
	Names []string                     `json:"names"` // everything that gets a new value
	Old   map[string]map[string]string `json:"old"`
}

// CheckRotation finds all that is wrong with the names of secrets to rotate.
func (s *Setup) CheckRotation(names []string) error {
	var problems problem.List
	for _, name := range names {
		spec, ok := s.Manifest.Secrets[name]
		message, hint := "", ""
		switch {
		case !ok:
			message, hint = "there is no such secret", problem.DidYouMean(name, slices.Sorted(maps.Keys(s.Manifest.Secrets)))
		case spec.Captured:
			message, hint = "was given out by a command of the image", "only the app itself can change it"
		case spec.Derive != "":
			message, hint = "is computed from "+spec.From, "rotate "+spec.From
		default:
			message, hint = s.cannotRotate(name)
		}
		if message != "" {
			problems = append(problems, problem.Problem{Position: problem.Position{File: name}, Message: message, Hint: hint})
		}
	}
	return problems.Err()
}

// cannotRotate says why a secret's value cannot be replaced here and now.
func (s *Setup) cannotRotate(name string) (message, hint string) {
	if _, made := s.Store.Get(name); !made {
		return "is not made yet", "finish the setup first; see: oneclick-agent status"
	}
	spec := s.Manifest.Database
	switch {
	case spec == nil:
	case s.Managed == nil && spec.Local != nil && spec.Local.Password == name && (spec.Engine[0] == "valkey" || spec.Engine[0] == "mongodb"):
		return "is the password of this Droplet's own " + spec.Engine[0] + " server, which only its user can change", "change it there"
	case s.hasRole() && spec.Role.Password == name && s.Host.Files.Missing(database.CredentialsPath):
		return "is the password of an account on the managed cluster, whose administrator is not known here any more",
			"write the cluster's credentials into " + database.CredentialsPath
	}
	return "", ""
}

// Rotate gives secrets new values, and everything computed from them, and does again every step that uses one of them.
// A rotation that was cut off goes on with the next call, or at the next boot.
func Rotate(ctx context.Context, s *Setup, names []string) (Outcome, error) {
	lock, err := s.Host.Files.Lock(lockPath)
	if errors.Is(err, host.ErrLocked) {
		return Waiting, errors.New("another setup is at work; follow it with: oneclick-agent status --wait")
	}
	if err != nil {
		return Broken, err
	}
	defer lock.Close()
	j, err := journal.Open(s.Host, journal.Path)
	if err != nil {
		return Broken, err
	}
	defer j.Close()
	if state := j.State(); !state.Finished() {
		return Waiting, errors.New("cannot rotate secrets before first boot is done; see: oneclick-agent status")
	}
	if err := s.Refresh(); err != nil {
		return Broken, err
	}
	if !s.Host.Files.Missing(rotationPath) { // of a rotation that was cut off
		cut, err := s.readRotation()
		if err != nil {
			return Broken, err
		}
		if outcome, err := rotate(ctx, s, j); err != nil {
			return outcome, err
		}
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(cut.Names, name) })
		if len(names) == 0 {
			return finished(j.State()), nil
		}
	}
	if err := s.beginRotation(names); err != nil {
		return Broken, err
	}
	return rotate(ctx, s, j)
}

// rotate carries a rotation out that is written down.
func rotate(ctx context.Context, s *Setup, j *journal.Journal) (Outcome, error) {
	r, err := s.readRotation()
	if err == nil {
		err = s.takeRotation(ctx, r)
	}
	var wait *step.Wait
	if errors.As(err, &wait) {
		return Waiting, err
	}
	if err != nil {
		return Broken, s.redacted(err)
	}
	message := "new values for " + strings.Join(r.Names, ", ")
	s.Host.Report(message)
	event := journal.Event{Event: journal.Renewed, Message: message}
	if !slices.ContainsFunc(s.Rotatable(), func(name string) bool { return !slices.Contains(r.Names, name) }) {
		event.Event = journal.Rotated
	}
	if err := j.Append(event, true); err != nil {
		return Broken, err
	}
	if err := s.Host.Files.Remove(rotationPath); err != nil {
		return Broken, err
	}
	s.showMessage()
	return finished(j.State()), nil
}

// dependents are the names, and everything that is computed from one of them.
func (s *Setup) dependents(names []string) []string {
	all := slices.Clone(names)
	for grown := true; grown; {
		grown = false
		for _, name := range slices.Sorted(maps.Keys(s.Manifest.Secrets)) {
			if _, made := s.Store.Get(name); !made || slices.Contains(all, name) {
				continue
			}
			if slices.ContainsFunc(s.Manifest.SecretDependencies(name), func(need string) bool { return slices.Contains(all, need) }) {
				all, grown = append(all, name), true
			}
		}
	}
	return all
}

// beginRotation writes down what is to change, with the old values, before anything changes.
func (s *Setup) beginRotation(names []string) error {
	r := rotation{Names: s.dependents(names), Old: map[string]map[string]string{}}
	for _, name := range r.Names {
		fields, _ := s.Store.Get(name)
		r.Old[name] = map[string]string{}
		for field, value := range fields {
			r.Old[name][field] = value.Reveal()
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", rotationPath, err)
	}
	_, err = s.Host.Files.WriteFile(rotationPath, append(data, '\n'), host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	return err
}

func (s *Setup) readRotation() (rotation, error) {
	const most = 4 << 20
	var r rotation
	data, err := s.Host.Files.ReadFile(rotationPath, most)
	if err == nil && json.Unmarshal(data, &r) != nil {
		err = fmt.Errorf("cannot read %s: it is damaged; remove it and rotate again", rotationPath)
	}
	return r, err
}

// takeRotation makes the new values, tells the database, and does again what uses them.
func (s *Setup) takeRotation(ctx context.Context, r rotation) error {
	before := *s
	before.Store = s.Store.With(r.Old)
	s.Redact.AddStore(before.Store)
	names := r.Names
	if !s.Store.Holds(r.Old) {
		names = nil // they were made before the rotation was cut off; what lists them may be older still
	}
	if err := s.Store.Replace(s.Manifest, s.Data(), names, s.answered(), s.Host.Now()); err != nil {
		return err
	}
	s.Redact.AddStore(s.Store)
	account, err := s.rotateAccount(ctx, r.Names)
	if err != nil {
		return err
	}
	uses := func(item Item) bool {
		return slices.ContainsFunc(item.Uses, func(used string) bool {
			name, isSecret := strings.CutPrefix(used, "secrets.")
			return isSecret && slices.Contains(r.Names, name) || account && used == "database"
		})
	}
	renewed, err := s.renew(ctx, &before, uses)
	if err != nil {
		return err
	}
	var units []string
	if account {
		units = append(units, s.Manifest.Database.Services...)
	}
	if len(renewed) > 0 || s.uses(uses) { // also where an earlier run, cut off, did all but this
		units = append(units, s.restartedUnits()...)
	}
	slices.Sort(units)
	return (&step.Refresh{Units: slices.Compact(units)}).Apply(ctx, s.Host)
}

// answered reports whether first login is over, so that secrets made from its answers exist.
func (s *Setup) answered() bool {
	state, err := LoginState(s.Host.Files)
	return err == nil && state.Finished()
}

// rotateAccount gives the application's database account its new password, where that is one of those that change.
func (s *Setup) rotateAccount(ctx context.Context, names []string) (changed bool, err error) {
	spec := s.Manifest.Database
	if spec == nil {
		return false, nil
	}
	account := spec.Local
	if s.Managed != nil {
		account = spec.Role
	}
	c, ok := s.Database()
	if !ok || account == nil || !slices.Contains(names, account.Password) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, step.WaitWithin)
	defer cancel()
	if err := s.setPassword(ctx, spec, c); err != nil && !isSkip(err) {
		return false, err
	}
	if err := (&step.DatabaseEnvironment{Connection: c, Keystore: s.Keystore, Services: spec.Services}).Apply(ctx, s.Host); err != nil {
		return false, err
	}
	s.known.Applied = applied(c)
	return true, s.rememberDatabase()
}

func (s *Setup) setPassword(ctx context.Context, spec *manifest.Database, c database.Connection) error {
	account := database.Account{User: c.User, Database: c.Name, Password: c.Password}
	if s.Managed == nil {
		return (&step.DatabaseLocal{Engine: spec.Engine[0], Account: database.AccountOf(spec.Local, s.Store)}).Apply(ctx, s.Host)
	}
	return (&step.DatabasePassword{Administrator: *s.Managed, Account: account}).Apply(ctx, s.Host)
}

// Rotatable are the secrets that a rotation of all takes.
func (s *Setup) Rotatable() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Manifest.Secrets)) {
		if _, made := s.Store.Get(name); made && !s.Manifest.Secrets[name].Captured && s.Manifest.Secrets[name].Derive == "" {
			names = append(names, name)
		}
	}
	return names
}
