package firstlogin

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
)

// person answers prompts by what they are about, and remembers what was shown.
type person struct {
	t       *testing.T
	answers map[string]string // by the beginning of the title
	shown   []string
}

func (p *person) Ask(_ context.Context, prompt Prompt) (string, error) {
	text := prompt.Title
	for _, part := range append([]string{prompt.Problem, prompt.Note}, labels(prompt.Options)...) {
		if part != "" {
			text += " | " + part
		}
	}
	p.shown = append(p.shown, text)
	for beginning, answer := range p.answers {
		if strings.HasPrefix(prompt.Title, beginning) {
			return answer, nil
		}
	}
	p.t.Errorf("nobody knows an answer to %q", prompt.Title)
	return "", ErrLeave
}

func labels(options []Option) (all []string) {
	for _, option := range options {
		all = append(all, option.Label)
	}
	return all
}

func (p *person) Say(text string)    { p.shown = append(p.shown, text) }
func (p *person) Busy(string) func() { return func() {} }

// setup is a tree with a manifest, as it is when first boot is done.
func setup(t *testing.T, manifest string) *facts.Facts {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"var/lib/oneclick", "root", "etc", "run/cloud-init"} {
		os.MkdirAll(filepath.Join(dir, name), 0o755)
	}
	record := filepath.Join(dir, "run/cloud-init/instance-data.json")
	if err := os.WriteFile(record, []byte(`{"v1": {"instance_id": "1"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	m, problems := lint.Parse([]byte(manifest), "app.yaml")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	f, err := facts.Gather(t.Context(), h, m, "/etc/oneclick/app.yaml", droplet.NoMetadata)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const stepsAlone = "version: 1\napp: {name: Sample}\nfirst_login: {steps: [{tty: [/opt/app/setup]}]}\n"

func TestAFirstLoginWithoutQuestionsIsOneOfferAndNoEmptySummary(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		offer  bool
		failed []string
		answer string
		apply  bool
		want   []string
	}{
		{true, nil, "now", true, []string{"Sample asks nothing, but has steps left before it is ready. | Do them now | " +
			"Later: ask again at the next login | Never ask again"}},
		{true, nil, "later", false, []string{"Sample asks nothing, but has steps left before it is ready. | Do them now | " +
			"Later: ask again at the next login | Never ask again"}},
		{false, nil, "", true, nil},
		{false, []string{"Setup FAILED: it broke"}, "apply", true, []string{"The steps of first login can be done again. | " +
			"Setup FAILED: it broke | Try again | " +
			"Leave it for now"}},
		{false, []string{"Setup FAILED: it broke"}, "later", false, []string{"The steps of first login can be done again. | " +
			"Setup FAILED: it broke | Try again | " +
			"Leave it for now"}},
	} {
		p := &person{t: t, answers: map[string]string{"": test.answer}}
		w := &Wizard{Setup: setup(t, stepsAlone), Front: p, Failed: test.failed}
		apply, err := w.Ask(t.Context(), test.offer)
		if apply != test.apply || err != nil || !slices.Equal(p.shown, test.want) {
			t.Errorf("offer %v, failed %q: %v, %v, shown\n%s\nwant\n%s", test.offer, test.failed, apply, err,
				fmt.Sprintf("%q", p.shown), fmt.Sprintf("%q", test.want))
		}
		if ready := w.Setup.Answers.Choice == facts.Ready; ready != test.apply {
			t.Errorf("the choice is %q", w.Setup.Answers.Choice)
		}
	}
}
