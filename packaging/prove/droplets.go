package prove

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"oneclick-agent/packaging/lab"
)

const (
	waitForSetup = "oneclick-agent status --wait --timeout 15m >/dev/null 2>&1; oneclick-agent status --json"
	// identityLine prints what a Droplet must have of its own.
	identityLine = "cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub"
)

// state is what status says of a Droplet.
type state struct {
	State string
	Says  []string
	Steps []struct{ ID, State string }
	text  string
}

// wrong says why a setup is not over, "" when it is. One that waits for a person is over as far as it goes by itself.
func (s state) wrong(person bool) string {
	if s.State == "done" || s.State == "clone" || person && s.State == "pending" {
		return ""
	}
	return s.State + ": " + strings.Join(s.Says, " ")
}

func (r *run) status(ctx context.Context, m *lab.Machine, line string) (s state, err error) {
	out, err := r.on(ctx, m, line)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(out[max(0, strings.Index(out, "{")):]), &s); err != nil {
		return s, fmt.Errorf("cannot read the status of the Droplet: %w: %s", err, tail(out, 5))
	}
	s.text = out
	return s, nil
}

// first proves what one Droplet can tell: its first boot and login, where its secrets are, its ports, that its steps can be done
// again, a rotation, and a copy of it.
func (r *run) first(ctx context.Context) error {
	began := time.Now()
	m, disk, err := r.boot(ctx, "", firstDroplet)
	if err != nil {
		return err
	}
	defer func() { m.CutPower() }()
	s, err := r.status(ctx, m, waitForSetup)
	if err != nil {
		return err
	}
	r.claim(began, "a new Droplet sets itself up", s.wrong(true), "State: "+s.State, "see what status says, and try it with: oneclick boot")
	if s.wrong(true) != "" {
		return nil // nothing else means anything then
	}
	if r.took, err = r.duration(ctx, m); err != nil {
		return err
	}
	for _, prove := range []func(context.Context, *lab.Machine) error{r.login, r.places, r.ports, r.again, r.rotation} {
		if err := prove(ctx, m); err != nil {
			return err
		}
	}
	if r.identity, err = r.on(ctx, m, identityLine); err != nil {
		return err
	}
	if _, err := r.on(ctx, m, "sync"); err != nil {
		return err
	}
	m.CutPower()
	if m, err = r.clone(ctx, disk); err != nil {
		return err
	}
	return nil
}

// duration is how long the first boot took, from its hook on.
func (r *run) duration(ctx context.Context, m *lab.Machine) (time.Duration, error) {
	out, err := r.on(ctx, m, "systemctl show oneclick-first-boot.service -P ExecMainStartTimestampMonotonic -P ExecMainExitTimestampMonotonic")
	var from, to int64
	fmt.Sscan(out, &from, &to) // of a unit that did not run both are 0
	return time.Duration(to-from) * time.Microsecond, err
}

func (r *run) login(ctx context.Context, m *lab.Machine) error {
	if r.Answers == "" {
		return nil
	}
	began := time.Now()
	line := "umask 077; cat >/root/answers.yaml <<'END-OF-ANSWERS'\n" + r.Answers + "\nEND-OF-ANSWERS\n" +
		"oneclick-agent first-login --answers /root/answers.yaml; rm /root/answers.yaml; oneclick-agent status --json"
	s, err := r.status(ctx, m, line)
	if err != nil {
		return err
	}
	r.claim(began, "a first login with answers, over SSH, is applied", s.wrong(false), "State: "+s.State,
		"try it with: oneclick try --answers FILE")
	return nil
}

// again does each command of the first boot a second time, as happens after a power cut.
func (r *run) again(ctx context.Context, m *lab.Machine) error {
	began := time.Now()
	s, err := r.status(ctx, m, "oneclick-agent status --json")
	if err != nil {
		return err
	}
	var wrong []string
	count := 0
	for _, step := range s.Steps {
		if !strings.HasPrefix(step.ID, "run ") || step.State != "done" {
			continue
		}
		count++
		out, err := r.on(ctx, m, "oneclick-agent first-boot --retry "+quoted(step.ID)+" >/tmp/again 2>&1 || grep '^first boot:' "+
			"/tmp/again; rm -f /tmp/again")
		if err != nil {
			return err
		}
		if out = strings.TrimSpace(out); out != "" {
			wrong = append(wrong, strings.TrimPrefix(out, "first boot: failed: "))
		}
	}
	r.claim(began, "every command can be run twice", strings.Join(wrong, "\n"), fmt.Sprintf("%d run steps", count),
		"say creates: or unless: of the step, or make the command safe to run twice: after a power cut it is")
	return nil
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// rotation gives every secret a new value, and looks for the old ones.
func (r *run) rotation(ctx context.Context, m *lab.Machine) error {
	began := time.Now()
	out, err := r.on(ctx, m, "oneclick-agent rotate --all && echo rotated")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "\nrotated") && !strings.HasPrefix(out, "rotated") {
		r.claim(began, "every secret can be rotated", tail(out, 3), "", "see what rotate says; a secret that only its program knows cannot be")
		return nil
	}
	old := r.secrets
	if err := r.readSecrets(ctx, m); err != nil {
		return err
	}
	var wrong []string
	changed := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if r.secrets[name] == old[name] {
			continue
		}
		changed[name] = old[name]
	}
	found, err := r.grep(ctx, m, changed, "")
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		wrong = append(wrong, name+" is still in "+found[name])
	}
	r.claim(began, "after a rotation no old value is left", strings.Join(wrong, "\n"), fmt.Sprintf("%d secrets", len(changed)),
		"write the file by a step that uses the secret, so that a rotation does it again")
	return nil
}

// clone boots the disk of the first Droplet as another one.
func (r *run) clone(ctx context.Context, disk string) (*lab.Machine, error) {
	began := time.Now()
	m, _, err := r.boot(ctx, disk, secondDroplet)
	if err != nil {
		return nil, err
	}
	s, err := r.status(ctx, m, waitForSetup)
	if err != nil {
		return m, err
	}
	before := r.secrets
	if err := r.readSecrets(ctx, m); err != nil {
		return m, err
	}
	wrong := s.wrong(true)
	if wrong == "" && !maps.Equal(before, r.secrets) {
		wrong = "it has other secrets than the Droplet that it is a copy of"
	}
	r.claim(began, "a copy of a Droplet keeps its secrets and works", wrong, "State: "+s.State, "see what status says on the copy")
	return m, nil
}

// second proves that two Droplets of the image share nothing.
func (r *run) second(ctx context.Context) error {
	if r.secrets == nil {
		return nil
	}
	began := time.Now()
	m, _, err := r.boot(ctx, "", thirdDroplet)
	if err != nil {
		return err
	}
	defer m.CutPower()
	if _, err := r.status(ctx, m, waitForSetup); err != nil {
		return err
	}
	identity, err := r.on(ctx, m, identityLine)
	if err != nil {
		return err
	}
	others := r.secrets
	if err := r.readSecrets(ctx, m); err != nil {
		return err
	}
	var shared []string
	for line := range strings.Lines(identity) {
		if strings.Contains(r.identity, line) {
			shared = append(shared, "both have "+strings.TrimSpace(line[:min(len(line), 40)]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if r.secrets[name] == others[name] {
			shared = append(shared, "both have the same "+name)
		}
	}
	r.claim(began, "another Droplet of the image has other keys and secrets", strings.Join(shared, "\n"),
		fmt.Sprintf("%d secrets", len(others)),
		"make it at first boot by secrets:, and take it out of the image by pre-snapshot")
	return nil
}

// cut ends a Droplet at a moment of its first boot.
func (r *run) cut(ctx context.Context, number int, moment time.Duration) error {
	if r.secrets == nil {
		return nil
	}
	began := time.Now()
	m, disk, err := r.boot(ctx, "", thirdDroplet+number)
	if err != nil {
		return err
	}
	defer func() { m.CutPower() }()
	if err := m.WaitForHook(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(moment):
	case <-ctx.Done():
		return ctx.Err()
	}
	m.CutPower()
	if m, _, err = r.boot(ctx, disk, thirdDroplet+number); err != nil {
		return err
	}
	s, err := r.status(ctx, m, waitForSetup)
	if err != nil {
		return err
	}
	claim := fmt.Sprintf("power cut %d, %.1f s after the hook: the next boot completes the setup", number, moment.Seconds())
	r.claim(began, claim, s.wrong(true), "State: "+s.State,
		"the step that status names is not safe to run twice: say creates: or unless:, or use a typed step")
	return nil
}
