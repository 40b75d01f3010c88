package step

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// Wait is the kind that waits until something is true.
func (kinds) Wait() Kind { return as(Traits{Within: WaitWithin, Tries: 1}, newWait) }

func newWait(spec *manifest.Wait, f *facts.Filling) (Step, error) {
	until := spec.Until
	w := &WaitFor{Status: until.Status, Insecure: until.Insecure}
	for _, field := range []struct {
		to   *string
		from manifest.Template
	}{{&w.HTTP, until.HTTP}, {&w.TCP, until.TCP}, {&w.Unix, until.Unix}, {&w.Unit, until.Unit}, {&w.DNS, until.DNS}, {&w.Is, until.Is},
		{&w.Container, until.Container}} {
		text, err := f.Text(field.from)
		if err != nil {
			return nil, err
		}
		*field.to = text
	}
	var err error
	w.Command, err = f.Texts(until.Command)
	return w, err
}

// WaitFor waits until its condition is met: exactly one of the fields is used. The deadline is the context's.
type WaitFor struct {
	HTTP, TCP, Unix, Unit, DNS, Is, Container string
	Command                                   []string
	// Status are the answers of HTTP that count, none for all below 400; Insecure takes any certificate.
	Status   []int
	Insecure bool
	// Docker is the socket of Docker's API; "" is where Docker has it.
	Docker string
}

const dockerSocket = "/var/run/docker.sock"

// Check asks once.
func (w *WaitFor) Check(ctx context.Context, h *host.Host) (State, error) {
	if !h.Live() {
		return Unknowable, nil
	}
	if w.ask(ctx, h) == nil {
		return Met, nil
	}
	return Unmet, nil
}

// Apply asks until the answer is yes or the time is over.
func (w *WaitFor) Apply(ctx context.Context, h *host.Host) error {
	if !h.Live() {
		return &Skip{"nothing runs in another root directory"}
	}
	if err := poll(ctx, func(ctx context.Context) error { return w.ask(ctx, h) }); err != nil {
		return fmt.Errorf("cannot wait for %s any longer: %w", w.name(), err)
	}
	return nil
}

func (w *WaitFor) name() string {
	for _, name := range []string{w.HTTP, w.TCP, w.Unix, w.Unit, w.DNS, w.Container} {
		if name != "" {
			return name
		}
	}
	return w.Command[0]
}

func (w *WaitFor) ask(ctx context.Context, h *host.Host) error {
	switch {
	case w.HTTP != "":
		ask := h.Get
		if w.Insecure {
			ask = h.GetUnverified
		}
		status, _, err := ask(ctx, w.HTTP)
		if err == nil && (len(w.Status) == 0 && status >= 400 || len(w.Status) > 0 && !slices.Contains(w.Status, status)) {
			err = fmt.Errorf("it answers with status %d", status)
		}
		return err
	case w.TCP != "":
		return h.Dial(ctx, "tcp", w.TCP)
	case w.Unix != "":
		return h.Dial(ctx, "unix", w.Unix)
	case w.Unit != "":
		state, err := h.Units.State(ctx, w.Unit)
		if err == nil && state.Active != "active" {
			err = fmt.Errorf("it is %s", state.Active)
		}
		return err
	case w.DNS != "":
		return w.askDNS(ctx, h)
	case w.Container != "":
		return w.askContainer(ctx, h)
	}
	_, err := h.Run(ctx, host.Command{Argv: w.Command})
	return err
}

func (w *WaitFor) askDNS(ctx context.Context, h *host.Host) error {
	found, err := h.Lookup(ctx, w.DNS)
	if err != nil {
		return err
	}
	if w.Is == "" {
		return nil
	}
	want, err := netip.ParseAddr(w.Is)
	if err != nil {
		return fmt.Errorf("%q is not an address", w.Is)
	}
	if !slices.Contains(found, want.Unmap()) {
		return fmt.Errorf("it is %v, not %s", found, w.Is)
	}
	return nil
}

// askContainer asks Docker's API for the state and, where the image has a health check, the health.
func (w *WaitFor) askContainer(ctx context.Context, h *host.Host) error {
	status, body, err := h.GetUnix(ctx, cmp.Or(w.Docker, dockerSocket), "/containers/"+url.PathEscape(w.Container)+"/json")
	if err != nil {
		return err
	}
	var answer struct {
		State struct {
			Running bool
			Status  string
			Health  *struct{ Status string }
		}
	}
	switch {
	case status == 404:
		return errors.New("there is no such container")
	case json.Unmarshal(body, &answer) != nil:
		return errors.New("the answer of Docker cannot be read")
	case !answer.State.Running:
		return fmt.Errorf("it is %s", answer.State.Status)
	case answer.State.Health != nil && answer.State.Health.Status != "healthy":
		return fmt.Errorf("it is %s", answer.State.Health.Status)
	}
	return nil
}
