// Package step has one file for each kind of thing that a setup does. A step is safe to apply again after a crash
// at any instruction.
package step

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
)

// State is what a check finds.
type State int

const (
	// Unmet: the step has something to do.
	Unmet State = iota
	// Met: what the step makes is there.
	Met
	// Unknowable: whether it was done cannot be seen; it is applied, and its own errors decide.
	Unknowable
)

// Step is one thing to do. Check changes nothing. Neither holds a secret in what it returns, but for what a program
// printed, in a *host.CommandError and a *Printed.
type Step interface {
	Check(ctx context.Context, h *host.Host) (State, error)
	Apply(ctx context.Context, h *host.Host) error
}

// Teller is a step that has something to tell once it is applied. It holds no secret.
type Teller interface{ Told() string }

// Explainer is a step that can say why it is not in effect although it was done.
type Explainer interface{ WhyUnmet() error }

// Creator is a step that knows whether what it made was not there before.
type Creator interface{ Created() bool }

// Rewriter is a step that decides what a file holds, from what the file held.
type Rewriter interface {
	Target() string
	Rewrite(have []byte) ([]byte, error)
}

// maxIdentified is the largest file whose content is identified, in bytes.
const maxIdentified = 16 << 20

// ContentOf identifies what a file holds, "" where that cannot be told.
func ContentOf(h *host.Host, file string) string {
	data, err := h.Files.ReadFile(file, maxIdentified)
	if err != nil {
		return ""
	}
	return identify(data)
}

// ContentAfter identifies what a step would make of its file as it is now, "" where it could not.
func ContentAfter(h *host.Host, writer Rewriter) string {
	have, err := h.Files.ReadFile(writer.Target(), maxIdentified)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	want, err := writer.Rewrite(have)
	if err != nil {
		return ""
	}
	return identify(want)
}

func identify(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:12])
}

// Wait is the error of a step that waits for something outside the Droplet: a database, a file that the platform
// writes. It is tried again later and holds nothing else up.
type Wait struct {
	Reason string // what is missing
	Advice string // what a person can do about it
	For    journal.Waits
}

func (w *Wait) Error() string {
	if w.Advice == "" {
		return w.Reason
	}
	return w.Reason + "; " + w.Advice
}

// Skip is the error of a step that does not apply to this machine, with the reason.
type Skip struct{ Reason string }

func (s *Skip) Error() string { return s.Reason }

// Degraded is the error of a step that fails and holds nothing up: everything else goes on without it.
type Degraded struct{ Err error }

func (d *Degraded) Error() string { return d.Err.Error() }
func (d *Degraded) Unwrap() error { return d.Err }

// Lasting is the error of a step that trying again will not mend.
type Lasting struct{ Err error }

func (l *Lasting) Error() string { return l.Err.Error() }
func (l *Lasting) Unwrap() error { return l.Err }

func lasting(format string, arguments ...any) error {
	return &Lasting{fmt.Errorf(format, arguments...)}
}

// Deadlines: how long a step of a kind may take where the manifest does not say.
const (
	QuickWithin   = 2 * time.Minute  // files, edits, links
	ServiceWithin = 5 * time.Minute  // units, firewall
	WaitWithin    = 5 * time.Minute  // wait steps
	RunWithin     = 15 * time.Minute // commands
	TTYWithin     = 12 * time.Hour   // a person at a terminal takes the time that they need
)

// poll asks until ask is content, the context ends, or an error is lasting. It backs off from 100 ms to 2 s.
func poll(ctx context.Context, ask func(context.Context) error) error {
	const firstPause, longestPause, oneTry = 100 * time.Millisecond, 2 * time.Second, 10 * time.Second
	var last error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		try, cancel := context.WithTimeout(ctx, oneTry)
		err := ask(try)
		cancel()
		var lasting *Lasting
		if err == nil || errors.As(err, &lasting) {
			return err
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if host.Sleep(ctx, pause) != nil {
			return fmt.Errorf("it did not come in time: %w", last)
		}
	}
}
