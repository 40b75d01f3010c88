package secret

import (
	"maps"
	"strings"
)

// Answer returns the answer to a question whose answers nobody may see.
func (s *Store) Answer(question string) (Secret, bool) {
	fields, ok := s.secrets[answerPrefix+question]
	return fields[""], ok
}

// SetAnswer keeps such an answer. The one before stays as the previous one, where keep is set.
func (s *Store) SetAnswer(question, value string, keep bool) error {
	return s.change(func() error {
		name := answerPrefix + question
		if old, ok := s.secrets[name]; ok && keep && old[""].Reveal() != value {
			if _, kept := s.previous[name]; !kept {
				s.previous[name] = old
			}
		}
		s.secrets[name] = Fields{"": New(value)}
		return s.save()
	})
}

// AppliedAnswer returns the answer that ForgetAnswer kept.
func (s *Store) AppliedAnswer(question string) (Secret, bool) {
	fields, ok := s.secrets[appliedPrefix+question]
	return fields[""], ok
}

// ForgetAnswer takes an answer away; one that is not there is no error. With applied, it is kept as the one that the setup
// was made from.
func (s *Store) ForgetAnswer(question string, applied bool) error {
	return s.change(func() error {
		name := answerPrefix + question
		if !s.Has(name) {
			return nil
		}
		if applied {
			s.secrets[appliedPrefix+question] = s.secrets[name]
		}
		delete(s.secrets, name)
		return s.save()
	})
}

// ForgetApplied forgets the answers that ForgetAnswer kept, because the setup was made from others.
func (s *Store) ForgetApplied() error {
	return s.change(func() error {
		all := len(s.secrets)
		maps.DeleteFunc(s.secrets, func(name string, _ Fields) bool { return strings.HasPrefix(name, appliedPrefix) })
		if len(s.secrets) == all {
			return nil
		}
		return s.save()
	})
}
