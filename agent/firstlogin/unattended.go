package firstlogin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// caAnswer is the one answer that is no question's: the CA certificate of the managed database, in PEM.
const caAnswer = "database_ca"

const (
	environmentPath = "/etc/environment"
	maxEnvironment  = 256 << 10
)

// Read reads a file of answers, and what /etc/environment answers beside it, and keeps what is right. All problems are
// returned at once, and then nothing is kept. Open names the questions that apply and have no answer; with all set, each
// of them is a problem, and so is a file that is not there.
func Read(ctx context.Context, s *facts.Facts, file string, all bool) (open []string, err error) {
	data, err := s.Host.Files.ReadFile(file, manifest.MaxAnswers+1)
	if err != nil && (all || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	given, problems := manifest.ParseAnswers(data, file)
	if len(given) == 0 && len(problems) > 0 { // it cannot be read, so what it does not answer is not known
		return nil, problems.Err()
	}
	r := &reading{setup: s, file: file, byName: map[string]manifest.GivenAnswer{}, problems: problems}
	for _, answer := range append(environment(s), given...) {
		r.byName[answer.Name] = answer // the file's last, because somebody wrote it for just this
	}
	r.unknown(given)
	before := s.Answers
	s.Answers.Values = map[string]string{}
	for name, value := range before.Values {
		s.Answers.Values[name] = value
	}
	hidden := map[string]string{}
	for _, q := range s.Manifest.FirstLogin.Questions {
		value, ok := r.answer(ctx, q, all)
		switch {
		case ok && q.Hidden():
			hidden[q.Name] = value
		case ok:
			s.Answers.Values[q.Name] = value // the questions behind it may depend on it
		}
	}
	if r.problems.Sort(); len(r.problems) > 0 {
		s.Answers = before
		return nil, r.problems.Err()
	}
	if len(r.open) > 0 {
		for _, name := range r.defaults {
			delete(s.Answers.Values, name)
			delete(hidden, name)
		}
	}
	return r.open, r.keep(hidden)
}

// reading is one file of answers, being read.
type reading struct {
	setup    *facts.Facts
	file     string
	byName   map[string]manifest.GivenAnswer
	problems problem.List
	open     []string // questions without an answer
	// defaults are the questions answered by default; while others are open, a person may still think otherwise.
	defaults []string
}

func (r *reading) report(at problem.Position, path, message, hint string) {
	r.problems = append(r.problems, problem.Problem{Position: at, Path: path, Message: message, Hint: hint})
}

// unknown reports answers to what is not asked.
func (r *reading) unknown(given []manifest.GivenAnswer) {
	names := []string{caAnswer}
	for _, q := range r.setup.Manifest.FirstLogin.Questions {
		names = append(names, q.Name)
	}
	for _, answer := range given {
		known := false
		for _, name := range names {
			known = known || name == answer.Name
		}
		if !known {
			r.report(answer.Position, "", fmt.Sprintf("there is no question %q", answer.Name), problem.DidYouMean(answer.Name, names))
		}
	}
}

// answer is the valid answer to a question, from the file, from what was answered before, or by default.
func (r *reading) answer(ctx context.Context, q manifest.Question, all bool) (string, bool) {
	if applies, err := r.setup.Asked(ctx, q); err != nil || !applies {
		return "", false
	}
	given, ok := r.byName[q.Name]
	if !ok {
		if _, answered := r.setup.Answer(q); answered {
			return "", false
		}
		value, err := r.byDefault(ctx, q)
		switch {
		case err != nil:
			r.report(problem.Position{File: r.file}, "", fmt.Sprintf("%s is not answered, and its default cannot be taken: %v", q.Name, err),
				fmt.Sprintf("add a line for it: %q", q.Ask))
			return "", false
		case value != "" || q.Optional:
			r.defaults = append(r.defaults, q.Name)
			return value, true
		case q.Generate && all:
			value, err := secret.Random()
			return value, err == nil
		}
		r.open = append(r.open, q.Name)
		if all {
			r.report(problem.Position{File: r.file}, "", fmt.Sprintf("%s is not answered", q.Name), fmt.Sprintf("add a line for it: %q", q.Ask))
		}
		return "", false
	}
	if _, answered := r.setup.Answer(q); given.Value == "" && q.Generate && answered {
		return "", false // it was generated before
	}
	if given.Value == "" && q.Generate {
		value, err := secret.Random()
		return value, err == nil
	}
	value, err := validated(ctx, r.setup, q, given.Value)
	if err != nil {
		r.report(given.Position, given.Name, err.Error(), "")
		return "", false
	}
	return value, true
}

// byDefault is the answer that the manifest proposes, "" for none, where the question takes it.
func (r *reading) byDefault(ctx context.Context, q manifest.Question) (string, error) {
	value, err := defaultOf(ctx, r.setup, q)
	if err != nil || value == "" {
		return "", err
	}
	return validated(ctx, r.setup, q, value)
}

// validated is an answer that nobody typed, as it is kept. Where the choices cannot be listed, any text is one.
func validated(ctx context.Context, s *facts.Facts, q manifest.Question, entered string) (string, error) {
	options, err := Options(ctx, s, q)
	if err != nil {
		q.Type = "text"
	}
	return Validate(q, entered, options)
}

// keep makes everything durable that was read.
func (r *reading) keep(hidden map[string]string) error {
	if err := r.setup.SaveAnswers(); err != nil {
		return err
	}
	for _, q := range r.setup.Manifest.FirstLogin.Questions {
		if value, ok := hidden[q.Name]; ok {
			if err := r.setup.SetAnswer(q, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// TakeCA puts the CA certificate of the managed database, where a file of answers has one, to its place.
func TakeCA(h *host.Host, file string) error {
	data, err := h.Files.ReadFile(file, manifest.MaxAnswers+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	given, _ := manifest.ParseAnswers(data, file) // what is wrong with it is told when the answers are read
	for _, answer := range given {
		if answer.Name == caAnswer && strings.Contains(answer.Value, "-----BEGIN CERTIFICATE-----") {
			_, err := h.Files.WriteFile(state.DatabaseCA, []byte(answer.Value), host.Mode(0o644))
			return err
		}
	}
	return nil
}

// FromEnvironment answers the questions that name a variable of /etc/environment, where that is set and valid.
func FromEnvironment(ctx context.Context, s *facts.Facts) error {
	for _, given := range environment(s) {
		i := slices.IndexFunc(s.Manifest.FirstLogin.Questions, func(q manifest.Question) bool { return q.Name == given.Name })
		q := s.Manifest.FirstLogin.Questions[i]
		if valid, err := validated(ctx, s, q, given.Value); err == nil {
			if err := s.SetAnswer(q, valid); err != nil {
				return err
			}
		}
	}
	return nil
}

// environment are the answers that /etc/environment has to questions that have none yet. It is no shell's file: what
// stands behind the name is the value, one pair of quotes aside (pam_env(8)).
func environment(s *facts.Facts) (answers []manifest.GivenAnswer) {
	data, err := s.Host.Files.ReadFile(environmentPath, maxEnvironment)
	if err != nil {
		return nil // there is nothing to take
	}
	values := map[string]manifest.GivenAnswer{}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if value = strings.TrimSpace(value); ok && len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		values[strings.TrimSpace(name)] = manifest.GivenAnswer{
			Value: value, Position: problem.Position{File: environmentPath, Line: number, Column: 1},
		}
	}
	for _, q := range s.Manifest.FirstLogin.Questions {
		given := values[q.FromEnv]
		if _, answered := s.Answer(q); q.FromEnv == "" || given.Value == "" || answered {
			continue
		}
		given.Name = q.Name
		answers = append(answers, given)
	}
	return answers
}
