package facts

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/state"
)

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
	// Given says why the answers that were given in advance are not applied, "" where there is nothing to say. No secret
	// is in it.
	Given string `json:"given,omitempty"`
	// Applied are the values that the steps of first login were last carried out with, nil before that.
	Applied map[string]string `json:"applied,omitempty"`
}

func (a Answers) areApplied() bool { return maps.Equal(a.Values, a.Applied) }

// ReadAnswers are the answers as they are on disk, without the manifest.
func ReadAnswers(files *host.Root) (Answers, error) {
	var a Answers
	_, _, err := state.ReadSealed(
		files,
		state.Answers,
		&a,
		"remove it with its copy, and begin again with: oneclick-agent first-login --reset",
	)
	if a.Values == nil {
		a.Values = map[string]string{}
	}
	return a, err
}

// SaveAnswers makes the answers durable.
func (f *Facts) SaveAnswers() error {
	if err := state.MakeDirectory(f.Host.Files); err != nil {
		return err
	}
	return state.WriteSealed(f.Host.Files, state.Answers, f.Answers)
}

// RememberAnswers keeps the answers as those that were applied. Others may have been given meanwhile: they stay.
func (f *Facts) RememberAnswers() error {
	applied := maps.Clone(f.Answers.Values)
	return f.Answering(func() error {
		if err := f.Store.ForgetApplied(); err != nil {
			return err
		}
		if f.Answers.Applied != nil && maps.Equal(f.Answers.Applied, applied) {
			return nil
		}
		f.Answers.Applied = applied
		return f.SaveAnswers()
	})
}

// answeringWithin is how long one who changes the answers waits for another.
const answeringWithin = 10 * time.Second

// Answering changes the answers while no other process can, beginning with those that are there.
func (f *Facts) Answering(change func() error) error {
	if err := state.MakeDirectory(f.Host.Files); err != nil {
		return err
	}
	lock, err := f.Host.Files.LockWithin(state.AnswersLock, answeringWithin)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := f.Store.Reload(); err != nil {
		return err
	}
	if f.Answers, err = ReadAnswers(f.Host.Files); err != nil {
		return err
	}
	return change()
}

// AnswersWait reports, from small files and without the manifest, whether answers are there that were not applied yet.
func AnswersWait(files *host.Root) bool {
	a, err := ReadAnswers(files)
	return err != nil || !files.Missing(state.Apply) || !files.Missing(state.Preset) ||
		a.Applied != nil && a.Choice == Ready && !a.areApplied() ||
		a.Choice == "" && a.Applied == nil && files.Exists(state.GivenAnswers)
}

// Answer is the answer to a question so far.
func (f *Facts) Answer(q manifest.Question) (string, bool) {
	if q.Hidden() {
		find := f.Store.Answer
		if f.asApplied {
			find = f.Store.AppliedAnswer
		}
		value, ok := find(q.Name)
		return value.Reveal(), ok
	}
	value, ok := f.Answers.Values[q.Name]
	return value, ok
}

// SetAnswer keeps a valid answer, durably.
func (f *Facts) SetAnswer(q manifest.Question, value string) error {
	if q.Hidden() {
		if err := f.Store.SetAnswer(q.Name, value, f.login.Complete()); err != nil {
			return err
		}
		f.Redact.AddStore(f.Store)
		return nil
	}
	return f.Answering(func() error { // another terminal may have answered since
		f.Answers.Values[q.Name], f.Answers.Given = value, ""
		return f.SaveAnswers()
	})
}

// Generated reports whether the answer to a question was generated.
func (f *Facts) Generated(q manifest.Question) bool {
	return slices.Contains(f.Answers.Generated, q.Name)
}

// SetGenerated keeps whether the answer to a question was generated.
func (f *Facts) SetGenerated(q manifest.Question, generated bool) error {
	f.Answers.Generated = slices.DeleteFunc(f.Answers.Generated, func(name string) bool { return name == q.Name })
	if generated {
		f.Answers.Generated = append(f.Answers.Generated, q.Name)
	}
	return f.SaveAnswers()
}

// ForgetAnswers takes the answers away, for the questions to be asked anew. With applied, they are kept beside as those that
// the steps were carried out with.
func (f *Facts) ForgetAnswers(applied bool) error {
	if f.Manifest.FirstLogin != nil {
		for _, q := range f.Manifest.FirstLogin.Questions {
			if err := f.Store.ForgetAnswer(q.Name, applied); err != nil {
				return err
			}
		}
	}
	kept := f.Answers.Applied
	if applied {
		kept = f.Answers.Values
	}
	f.Answers = Answers{Values: map[string]string{}, Applied: kept}
	return f.SaveAnswers()
}

// AsApplied are these facts with the answers that the steps of first login were last carried out with. They are other ones
// where the questions are asked anew.
func (f *Facts) AsApplied() *Facts {
	if f.login != journal.Fresh || f.Answers.Applied == nil {
		return f
	}
	applied := *f
	applied.Answers.Values, applied.asApplied = f.Answers.Applied, true
	return &applied
}

// ForgetUnasked takes away the answers to questions that do not apply any more, because another answer changed.
func (f *Facts) ForgetUnasked(ctx context.Context) error {
	if f.Manifest.FirstLogin == nil {
		return nil
	}
	for _, q := range f.Manifest.FirstLogin.Questions {
		if asked, err := f.Asked(ctx, q); err != nil || asked {
			continue
		}
		delete(f.Answers.Values, q.Name)
		if q.Hidden() {
			if err := f.Store.ForgetAnswer(q.Name, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// answerData is the answers as templates see them: what was not asked or not answered is empty, false or 0.
func (f *Facts) answerData(asked func(name string)) map[string]any {
	data := map[string]any{}
	if f.Manifest.FirstLogin == nil {
		return data
	}
	for _, q := range f.Manifest.FirstLogin.Questions {
		value, _ := f.Answer(q)
		switch {
		case q.Hidden():
			data[q.Name] = render.NewValue(value, func() { asked("answers." + q.Name) })
		case q.Type == "confirm":
			data[q.Name] = value == "true"
		case q.Type == "number":
			number, _ := strconv.Atoi(value) // "" where it was not asked
			data[q.Name] = number
		default:
			data[q.Name] = value
		}
	}
	return data
}
