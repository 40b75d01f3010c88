// Package journal is the durable record of what happened on a Droplet: one line of JSON an event, added at the
// end and never changed. Everything shown about a first boot is computed from it.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

const (
	// format is the version of a line; a journal with a newer one is not touched.
	format     = 1
	maxJournal = 64 << 20
)

// Kind is what an event says.
type Kind string

// The kinds of events. A run begins with Started and ends with Completed, Postponed or GaveUp. In between each step
// has a Begun, and one of Accomplished, Skipped, GaveWay and Failure. PassedOver and Retried stand between runs.
const (
	Started      Kind = "started"   // a run begins; Droplet says on which
	Completed    Kind = "completed" // the setup is complete
	Postponed    Kind = "pending"   // the run waits for something outside; Next says when it is tried again
	GaveUp       Kind = "failed"    // the run failed
	Cloned       Kind = "clone"     // the finished state of another Droplet was taken over
	Renewed      Kind = "renewed"   // a complete setup took up a change; Message says which, Names the secrets with new values
	Rotated      Kind = "rotated"   // every secret got a new value, so that a copy is one no longer
	Reopened     Kind = "reopened"  // a setup is to be done anew; Names are the secrets that it was made from and that are gone
	TakenAway    Kind = "away"      // a change takes away what a step made, because it is made elsewhere now
	LeftAlone    Kind = "left"      // a change left a step as it is; Message says why
	Troubled     Kind = "troubled"  // a change of a complete setup did not reach everything; Message says why
	Made         Kind = "made"      // secrets were made or captured; Names says which
	Begun        Kind = "begin"     // a step begins
	Noted        Kind = "note"      // a step that runs says what it is waiting for
	Accomplished Kind = "done"      // a step is done
	Skipped      Kind = "skipped"   // a step does not apply; Message says why
	GaveWay      Kind = "degraded"  // an optional step failed
	PassedOver   Kind = "skip"      // a person had a step left out
	Retried      Kind = "retry"     // a person had a step done again
	Failure      Kind = "step"      // a step failed, and may be tried again by a later run
)

// Event is one line.
type Event struct {
	Format  int       `json:"v"`
	Time    time.Time `json:"time"`
	Event   Kind      `json:"event"`
	Droplet string    `json:"droplet,omitempty"`
	Address string    `json:"address,omitempty"`
	Step    string    `json:"step,omitempty"`
	Digest  string    `json:"digest,omitempty"`
	// Name is what later conditions call the step, Key identifies everything that it was made from, and Content the
	// file that it wrote, or, of a step that begins, the one that it is about to write.
	Name    string  `json:"name,omitempty"`
	Key     string  `json:"key,omitempty"`
	Content string  `json:"content,omitempty"`
	Created bool    `json:"created,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Cause
	// Names are the secrets that were made; of a setup that is complete, the steps of its plan.
	Names []string  `json:"names,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

// Cause says in words why something failed, waits or was left out. No secret is in it.
type Cause struct {
	// Message is the reason, Advice what a person can do about it, and Output the file with all that was printed.
	Message string `json:"message,omitempty"`
	Advice  string `json:"advice,omitempty"`
	Output  string `json:"output,omitempty"`
	Waits   Waits  `json:"waits_for,omitempty"`
}

// Waits is what a pending setup waits for.
type Waits string

// What there is to wait for.
const (
	ForPerson   Waits = "person"   // somebody has to answer, or to sit at a terminal
	ForDatabase Waits = "database" // it is tried again by itself
	ForOutside  Waits = "outside"  // something else outside the Droplet, likewise
	ForBoot     Waits = "boot"     // a run was interrupted; the next boot resumes it
)

// Journal adds events. Its methods may be called by several goroutines.
type Journal struct {
	mu    sync.Mutex
	path  string
	host  *host.Host
	file  *os.File
	state State
	// good is how much of the file is whole lines, in bytes; torn tells that there is more behind them.
	good int64
	torn bool
}

// Open opens the journal at path for adding to it, and repairs what a power cut left: a torn last line is taken off.
func Open(h *host.Host, path string) (*Journal, error) {
	if err := state.MakeDirectory(h.Files); err != nil {
		return nil, err
	}
	state, good, err := read(h.Files, path)
	if err != nil {
		return nil, err
	}
	file, err := h.Files.OpenAppend(path, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.Size() > int64(good) {
		if err := file.Truncate(int64(good)); err != nil {
			file.Close()
			return nil, fmt.Errorf("cannot repair %s: %w", path, err)
		}
	}
	return &Journal{path: path, host: h, file: file, state: state, good: int64(good)}, nil
}

// Close lets go of the file.
func (j *Journal) Close() error { return j.file.Close() }

// State is what the events so far amount to.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state.clone()
}

// look lends do what the events so far amount to, without the copy that State makes.
func (j *Journal) look(do func(*State)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	do(&j.state)
}

// Step is what became of a step, as State.Step.
func (j *Journal) Step(id string) (step Step, ok bool) {
	j.look(func(s *State) { step, ok = s.Step(id) })
	return step, ok
}

// IsDone is State.IsDone.
func (j *Journal) IsDone(id, digest string) (done bool) {
	j.look(func(s *State) { done = s.IsDone(id, digest) })
	return done
}

// IsOver is State.IsOver.
func (j *Journal) IsOver(id, digest string) (over bool) {
	j.look(func(s *State) { over = s.IsOver(id, digest) })
	return over
}

// IsPassedOver is State.IsPassedOver.
func (j *Journal) IsPassedOver(id, digest string) (passed bool) {
	j.look(func(s *State) { passed = s.IsPassedOver(id, digest) })
	return passed
}

// StepStates is State.StepStates.
func (j *Journal) StepStates() (states map[string]StepState) {
	j.look(func(s *State) { states = s.StepStates() })
	return states
}

// Append adds an event, its message without secrets. It is on disk when Append returns if durable is set; else it is by
// the time that a later durable event is, and losing it only means that a step which may be run twice is run twice.
func (j *Journal) Append(e Event, durable bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Format, e.Time = format, j.host.Now().UTC().Truncate(time.Millisecond)
	e.Message, e.Advice, e.Output = j.host.Redacted(e.Message), j.host.Redacted(e.Advice), j.host.Redacted(e.Output)
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", j.path, err)
	}
	if err := j.write(append(line, '\n'), durable); err != nil {
		return fmt.Errorf("cannot write %s: %w", j.path, err)
	}
	j.state.add(e)
	return nil
}

// write adds a line. Where a full disk took only a part of it, that is taken off before the next one: a line behind half of
// another could not be read any more.
func (j *Journal) write(line []byte, durable bool) error {
	if j.torn {
		if err := j.file.Truncate(j.good); err != nil {
			return err
		}
	}
	j.torn = true
	if before := j.host.Files.Before; before != nil {
		if err := before(host.Operation{Name: "append", Object: j.path}); err != nil {
			j.file.Write(line[:len(line)/2]) // what a power cut or a full disk leaves
			return err
		}
	}
	if _, err := j.file.Write(line); err != nil {
		return err
	}
	if durable {
		if err := j.file.Sync(); err != nil {
			return err
		}
	}
	j.good, j.torn = j.good+int64(len(line)), false
	return nil
}

// Read computes the state from the journal without opening it for writing. No journal is an empty state.
func Read(files *host.Root, path string) (State, error) {
	state, _, err := read(files, path)
	return state, err
}

// read returns the state and how many bytes of the file are whole lines.
func read(files *host.Root, path string) (State, int, error) {
	data, err := files.ReadFile(path, maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, 0, nil
	}
	if err != nil {
		return State{}, 0, err
	}
	return parse(path, data)
}

func parse(path string, data []byte) (State, int, error) {
	var state State
	good, number := 0, 0
	for good < len(data) {
		end := bytes.IndexByte(data[good:], '\n')
		if end < 0 {
			break // torn by a power cut
		}
		number++
		line := data[good : good+end]
		var e Event
		if err := json.Unmarshal(line, &e); err != nil || e.Format == 0 {
			if good+end+1 == len(data) {
				break // the last block of a file can come back as zeros
			}
			return state, good, fmt.Errorf(
				"cannot read %s:%d: the line is damaged; restore the file from a backup, or remove it to run the setup again",
				path,
				number,
			)
		}
		if e.Format > format {
			return state, good, fmt.Errorf("cannot read %s:%d: it was written by a newer oneclick-agent; install that version again", path, number)
		}
		state.add(e)
		good += end + 1
	}
	return state, good, nil
}
