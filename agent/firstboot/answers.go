package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// answersPath keeps the answers of first login, each as soon as it was given.
const answersPath = "/var/lib/oneclick/answers.json"

// Choice is what the customer said to the offer of setting up now.
type Choice string

// The choices. Nothing was chosen where it is "".
const (
	Later Choice = "later" // ask at the next login
	Never Choice = "never" // never ask again
	Ready Choice = "ready" // all answers are given, and are to be applied
)

// Answers are what the customer said so far. Passwords and other secrets are not in it, but in the store of secrets.
type Answers struct {
	Choice Choice            `json:"choice,omitempty"`
	Values map[string]string `json:"values"`
	// Generated are the questions whose passwords were generated, and not typed.
	Generated []string `json:"generated,omitempty"`
}

func readAnswers(files *host.Root) (Answers, error) {
	const most = 4 << 20
	a := Answers{Values: map[string]string{}}
	data, err := files.ReadFile(answersPath, most)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil && json.Unmarshal(data, &a) != nil {
		err = fmt.Errorf("cannot read %s: it is damaged; begin again with: oneclick-agent first-login --reset", answersPath)
	}
	if a.Values == nil {
		a.Values = map[string]string{}
	}
	return a, err
}

// Refresh takes up the secrets and answers that other processes made since the setup was prepared.
func (s *Setup) Refresh() (err error) {
	if err := s.Store.Reload(); err != nil {
		return err
	}
	s.Redact.AddStore(s.Store)
	s.Answers, err = readAnswers(s.Host.Files)
	return err
}

// SaveAnswers makes the answers durable.
func (s *Setup) SaveAnswers() error {
	data, err := json.Marshal(s.Answers)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", answersPath, err)
	}
	_, err = s.Host.Files.WriteFile(answersPath, append(data, '\n'), host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	return err
}

// secretAnswer is the name under which the store of secrets keeps an answer.
func secretAnswer(q manifest.Question) string { return "answers." + q.Name }

// Hidden reports whether a question's answer is a secret.
func Hidden(q manifest.Question) bool { return q.Type == "password" || q.Type == "secret" }

// Answer is the answer to a question so far.
func (s *Setup) Answer(q manifest.Question) (string, bool) {
	if Hidden(q) {
		fields, ok := s.Store.Get(secretAnswer(q))
		if !ok {
			return "", false
		}
		return fields[""].Reveal(), true
	}
	value, ok := s.Answers.Values[q.Name]
	return value, ok
}

// SetAnswer keeps a valid answer, durably.
func (s *Setup) SetAnswer(q manifest.Question, value string) error {
	if Hidden(q) {
		if err := s.Store.Capture(map[string]string{secretAnswer(q): value}); err != nil {
			return err
		}
		s.Redact.AddStore(s.Store)
		return nil
	}
	fresh, err := readAnswers(s.Host.Files) // another terminal may have answered since
	if err != nil {
		return err
	}
	s.Answers = fresh
	s.Answers.Values[q.Name] = value
	return s.SaveAnswers()
}

// Generated reports whether the answer to a question was generated.
func (s *Setup) Generated(q manifest.Question) bool {
	return slices.Contains(s.Answers.Generated, q.Name)
}

// SetGenerated keeps whether the answer to a question was generated.
func (s *Setup) SetGenerated(q manifest.Question, generated bool) error {
	s.Answers.Generated = slices.DeleteFunc(s.Answers.Generated, func(name string) bool { return name == q.Name })
	if generated {
		s.Answers.Generated = append(s.Answers.Generated, q.Name)
	}
	return s.SaveAnswers()
}

// ForgetAnswers takes the answers and what was recorded about first login away, for it to be offered anew.
func (s *Setup) ForgetAnswers() error {
	if s.Manifest.FirstLogin != nil {
		for _, q := range s.Manifest.FirstLogin.Questions {
			if err := s.Store.Forget(secretAnswer(q)); err != nil {
				return err
			}
		}
	}
	s.Answers = Answers{Values: map[string]string{}}
	return s.SaveAnswers()
}

// answerData is the answers as templates see them: what was not asked or not answered is empty, false or 0.
func (s *Setup) answerData() map[string]any {
	data := map[string]any{}
	if s.Manifest.FirstLogin == nil {
		return data
	}
	for _, q := range s.Manifest.FirstLogin.Questions {
		value, _ := s.Answer(q)
		switch q.Type {
		case "confirm":
			data[q.Name] = value == "true"
		case "number":
			number, _ := strconv.Atoi(value)
			data[q.Name] = number
		default:
			data[q.Name] = value
		}
	}
	return data
}

// Asked reports whether a question applies, with the answers so far.
func (s *Setup) Asked(q manifest.Question) (bool, error) {
	return s.applies(Item{When: q.When}, s.Data())
}

// Evaluate fills in a template of the manifest.
func (s *Setup) Evaluate(text manifest.Template, more map[string]any) (string, error) {
	data := s.Data()
	for key, value := range more {
		data[key] = value
	}
	return s.evaluate(text, data)
}

// Output runs a command of the manifest and returns what it printed.
func (s *Setup) Output(ctx context.Context, command manifest.Command) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, outputWithin)
	defer cancel()
	var argv []string
	for _, argument := range command {
		text, err := s.evaluate(argument, s.Data())
		if err != nil {
			return "", err
		}
		argv = append(argv, text)
	}
	out, err := s.Host.Run(ctx, host.Command{Argv: argv})
	return string(out), s.redacted(err)
}

// outputWithin is how long a command that lists choices may take.
const outputWithin = 30 * time.Second
