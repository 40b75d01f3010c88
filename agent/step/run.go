package step

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/state"
)

// maxCaptured is how much output secrets are looked for in, in bytes.
const maxCaptured = 1 << 20

// Run is the kind that runs a command.
func (kinds) Run() Kind { return as(Traits{Within: RunWithin, Tries: 3}, newRun) }

func newRun(spec *manifest.Run, f *facts.Filling) (Step, error) {
	r, err := newProcess(spec.Command, &spec.Process, f)
	if err != nil {
		return nil, err
	}
	for name, constant := range spec.Passwords {
		r.Command.Env[name] = constant
	}
	if spec.Stdin != nil {
		text, err := f.Text(*spec.Stdin)
		if err != nil {
			return nil, err
		}
		r.Command.Stdin = []byte(text)
	}
	store := f.Facts().Store
	r.Printed = f.Facts().Hide
	r.Captured = func(values map[string]string) error {
		err := store.Capture(values)
		f.Facts().Redact.AddStore(store)
		return err
	}
	for _, capture := range spec.Capture {
		c := Capture{Secret: capture.Secret, JSON: capture.JSON, Have: store.Has(capture.Secret)}
		if capture.Pattern != "" {
			if c.Pattern, err = regexp.Compile(capture.Pattern); err != nil {
				return nil, err
			}
		}
		r.Capture = append(r.Capture, c)
	}
	return r, nil
}

// newProcess is what run and tty steps share.
func newProcess(command manifest.Command, process *manifest.Process, f *facts.Filling) (*Run, error) {
	r := &Run{As: process.As}
	var err error
	if r.Command.Argv, err = f.Texts(command); err != nil {
		return nil, err
	}
	r.ID = "run " + strings.Join(r.Command.Argv, " ")
	if r.Unless, err = f.Texts(process.Unless); err != nil {
		return nil, err
	}
	if r.Creates, err = f.Text(process.Creates); err != nil {
		return nil, err
	}
	if r.Command.Dir, err = f.Text(process.Dir); err != nil {
		return nil, err
	}
	r.Command.Env = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(process.Env)) {
		if r.Command.Env[name], err = f.Text(process.Env[name]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Run runs a command.
type Run struct {
	// ID names the file that keeps its output.
	ID      string
	Command host.Command
	As      string
	Creates string
	Unless  []string
	Capture []Capture
	// Captured stores the captured secrets, by name, durably and in one write.
	Captured func(values map[string]string) error
	// Printed is told a secret that the command printed, before anything of its output is kept or shown: a command that fails
	// may have printed one that is not stored.
	Printed func(name, value string)
}

// Capture finds one secret in what the command prints: the first group of Pattern, or the value at JSON.
type Capture struct {
	Secret  string
	Pattern *regexp.Regexp
	JSON    string
	Have    bool // it is in the store already
}

// Check asks Creates and Unless. What a command prints is stored only when it succeeded, so a command whose
// secrets are all there is done.
func (r *Run) Check(ctx context.Context, h *host.Host) (State, error) {
	if len(r.Capture) == 0 {
		return r.guard(ctx, h)
	}
	for _, capture := range r.Capture {
		if !capture.Have {
			return Unmet, nil
		}
	}
	return Met, nil
}

// guard asks only whether the command has to run, of both creates and unless where both are given; what it printed may still
// have to be found.
func (r *Run) guard(ctx context.Context, h *host.Host) (State, error) {
	switch {
	case r.Creates != "" && h.Files.Exists(r.Creates):
		return Met, nil
	case len(r.Unless) == 0 && r.Creates != "":
		return Unmet, nil
	case len(r.Unless) == 0:
		return Unknowable, nil
	}
	command, err := r.prepare(h, r.Unless)
	if err != nil {
		return Unmet, err
	}
	command.Stdin = nil
	_, err = h.Run(ctx, command)
	var failed *host.CommandError
	switch {
	case err == nil:
		return Met, nil
	case errors.As(err, &failed) && ctx.Err() == nil, errors.Is(err, host.ErrNoChroot), errors.Is(err, fs.ErrNotExist):
		return Unmet, nil
	}
	return Unmet, err
}

// WhyUnmet says what the command was to bring about, and did not.
func (r *Run) WhyUnmet() error {
	if r.Creates != "" {
		return fmt.Errorf("%s ended well, but did not make %s; see creates: in the manifest", r.Command.Argv[0], r.Creates)
	}
	return fmt.Errorf("%s ended well, but %s still does not; see unless: in the manifest", r.Command.Argv[0], strings.Join(r.Unless, " "))
}

func (r *Run) prepare(h *host.Host, argv []string) (host.Command, error) {
	command := r.Command
	command.Argv, command.Together = argv, true
	if r.As != "" {
		account, err := h.Account(r.As)
		if err != nil {
			return command, &Lasting{err}
		}
		command.As = account
	}
	return command, nil
}

// Apply runs the command, keeps what it printed without secrets, and stores what it captures. A program may print a secret
// only once. So, where one is captured, its output goes straight into a file that is kept until the secret is stored.
func (r *Run) Apply(ctx context.Context, h *host.Host) error {
	if len(r.Capture) > 0 {
		if guarded, err := r.guard(ctx, h); err == nil && guarded == Met {
			return r.recover(h)
		}
	}
	command, err := r.prepare(h, r.Command.Argv)
	if err != nil {
		return err
	}
	if len(r.Capture) > 0 {
		if command.Into, err = r.raw(h); err != nil {
			return err
		}
		defer command.Into.Close()
	}
	printed, err := h.Run(ctx, command)
	complaints := printedBy(err)
	if command.Into != nil {
		printed, err = r.capture(command.Into, err)
		printed = append(printed, complaints...)
	}
	return r.told(h, printed, err)
}

// told keeps what the command printed, and says how it ended.
func (r *Run) told(h *host.Host, printed []byte, failure error) error {
	switch {
	case errors.Is(failure, host.ErrNoChroot), errors.Is(failure, fs.ErrNotExist) && !h.Live():
		return &Skip{failure.Error()}
	case errors.Is(failure, fs.ErrNotExist):
		return &Lasting{failure}
	}
	file, err := keepOutput(h, r.ID, printed)
	if err != nil || failure == nil {
		return err
	}
	if printedBy(failure) == nil {
		printed = nil // it ended well, and what is wrong is not what it said
	}
	return &Printed{failure, printed, file}
}

// raw opens the file that takes what the command prints while its secrets are not stored. Facts.Ensure removes it.
func (r *Run) raw(h *host.Host) (*os.File, error) {
	if err := h.Files.MakeDirectory(state.Captured, private()); err != nil {
		return nil, err
	}
	return h.Files.Create(r.rawPath())
}

// rawPath names the file by the first secret: all of them are stored in one write.
func (r *Run) rawPath() string { return path.Join(state.Captured, r.Capture[0].Secret) }

func private() host.Attributes {
	return host.Attributes{Mode: new(fs.FileMode(0o700)), Owner: &host.Owner{}}
}

// capture reads what the command printed and, where it ended well, stores the secrets in it.
func (r *Run) capture(raw *os.File, failure error) (printed []byte, err error) {
	printed, err = io.ReadAll(io.NewSectionReader(raw, 0, maxCaptured))
	for _, capture := range r.Capture {
		if value, err := capture.find(printed); err == nil {
			r.Printed(capture.Secret, value)
		}
	}
	if failure != nil {
		return printed, failure
	}
	if err == nil {
		err = raw.Sync()
	}
	if err != nil {
		return printed, fmt.Errorf("cannot keep what %s printed: %w", r.Command.Argv[0], err)
	}
	return printed, r.store(printed)
}

// recover finds the secrets in the output that an interrupted run left.
func (r *Run) recover(h *host.Host) error {
	raw, err := h.Files.OpenRead(r.rawPath())
	if err == nil {
		defer raw.Close()
		var printed []byte
		if printed, err = io.ReadAll(io.LimitReader(raw, maxCaptured)); err == nil {
			err = r.store(printed)
		}
	}
	if err != nil && !errors.Is(err, host.ErrPower) {
		var names []string
		for _, capture := range r.Capture {
			names = append(names, "oneclick-agent secrets restore "+capture.Secret)
		}
		return lasting("cannot capture a secret from %s: it ran before, and what it printed then is lost; find the value "+
			"in the app itself, and enter it with: %s", r.Command.Argv[0], strings.Join(names, " and "))
	}
	return err
}

func (r *Run) store(output []byte) error {
	values := map[string]string{}
	for _, capture := range r.Capture {
		value, err := capture.find(output)
		if err != nil {
			return fmt.Errorf("cannot capture the secret %s from %s: %w", capture.Secret, r.Command.Argv[0], err)
		}
		values[capture.Secret] = value
	}
	if err := r.Captured(values); err != nil {
		return err
	}
	for i := range r.Capture {
		r.Capture[i].Have = true
	}
	return nil
}

func (c Capture) find(output []byte) (string, error) {
	if c.Pattern != nil {
		match := c.Pattern.FindSubmatch(output)
		if match == nil {
			return "", errors.New("its output does not match the pattern")
		}
		return string(match[1]), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(output))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return "", errors.New("its output is not JSON")
	}
	for _, key := range strings.Split(strings.TrimPrefix(c.JSON, "."), ".") {
		switch v := document.(type) {
		case map[string]any:
			document = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return "", fmt.Errorf("its output has nothing at %s", c.JSON)
			}
			document = v[i]
		default:
			return "", fmt.Errorf("its output has nothing at %s", c.JSON)
		}
	}
	switch v := document.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("its output has no single value at %s", c.JSON)
}
