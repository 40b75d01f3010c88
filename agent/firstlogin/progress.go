package firstlogin

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/status"
)

const (
	followEvery = 200 * time.Millisecond
	// plainEvery is how often a terminal that is read aloud hears that something still runs.
	plainEvery = 10 * time.Second
)

// Follower shows the progress of a setup on a terminal until it ends, a key is pressed, or the context ends.
type Follower struct {
	Host     *host.Host
	Setup    *facts.Facts
	Terminal *Terminal
	Screen   Screen
	// Over says whether a status is the end.
	Over func(status.Status) bool

	live  region
	turn  int                          // of the spinner
	shown map[string]journal.StepState // the states that were told, by step
	does  map[string]string            // what a step does, by its ID
}

// Follow returns the last status, and whether a key was pressed.
func (f *Follower) Follow(ctx context.Context) (stands status.Status, left bool, err error) {
	f.begin()
	pressed := make(chan struct{})
	defer f.Terminal.keys()()
	defer f.watchKeys(pressed)()
	defer f.live.clear()
	var read, told time.Time
	turn := time.NewTicker(spinEvery)
	defer turn.Stop()
	for {
		if time.Since(read) >= followEvery {
			read = time.Now()
			if stands, err = status.Read(f.Host, f.Setup); err != nil {
				return stands, false, err
			}
			f.showEnded(stands)
			if f.Over(stands) {
				return stands, false, nil
			}
		}
		if !f.Screen.Plain {
			f.turn++
			f.Screen.Columns = f.Terminal.columns()
			f.live.draw(f.running(stands), f.Screen.Columns)
		} else if time.Since(told) >= plainEvery {
			told = time.Now()
			fmt.Fprintln(f.Terminal.file, strings.Join(f.words(stands), ", "))
		}
		select {
		case <-ctx.Done():
			return stands, true, context.Cause(ctx)
		case <-pressed:
			return stands, true, nil
		case <-turn.C:
		}
	}
}

// leaveHint is said once line by line, and stands below the progress otherwise.
const leaveHint = "Press a key for the shell at any time; it goes on without you."

func (f *Follower) begin() {
	f.live, f.shown, f.does = region{out: f.Terminal.file}, map[string]journal.StepState{}, map[string]string{}
	for _, item := range append(plan.Boot(f.Setup), plan.Login(f.Setup)...) {
		f.does[item.ID] = item.Summary
	}
	if f.Screen.Plain {
		fmt.Fprintln(f.Terminal.file, leaveHint)
	} else {
		fmt.Fprintln(f.Terminal.file)
	}
}

// watchKeys waits for a key by poll(2), so that nothing is read which belongs to the shell but that key. Answers of the
// terminal to a form before, and arrow keys, are none.
func (f *Follower) watchKeys(pressed chan<- struct{}) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			ready := f.Terminal.ready(followEvery)
			select {
			case <-done:
				return // what is typed from now on belongs to the shell
			default:
			}
			if !ready {
				continue
			}
			var key [64]byte
			if n, err := f.Terminal.file.Read(key[:]); err != nil || n < 2 || key[0] != '\x1b' {
				close(pressed)
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// showEnded prints each step once it has ended.
func (f *Follower) showEnded(stands status.Status) {
	for _, step := range stands.Steps {
		if step.State == journal.StepWaiting || step.State == journal.StepRunning || f.shown[step.ID] == step.State {
			continue
		}
		f.shown[step.ID] = step.State
		f.live.clear()
		fmt.Fprint(f.Terminal.file, f.ended(step))
	}
}

// ended is a step that is over: its mark, its words, and how long it took; what it says where it did not succeed.
func (f *Follower) ended(step status.Step) string {
	s, took := f.Screen, ""
	if step.Seconds >= 1 {
		took = duration(step.Seconds)
	}
	words := stepWords(step)
	if step.State != journal.StepDone {
		words = string(step.State) + ": " + words
		if step.Message != "" {
			words += ": " + problem.OneLine(step.Message)
		}
	}
	if s.Plain {
		return strings.TrimSuffix(fmt.Sprintf("%-8s %s, %s", step.State, stepWords(step), took), ", ") + plainMessage(step)
	}
	switch step.State {
	case journal.StepDone:
		return indent(s.aside(s.accent(s.done), words, took, nil))
	case journal.StepSkipped:
		return indent(s.aside(s.faint(s.skipped), words, took, s.faint))
	}
	return indent(s.aside(s.wrong(s.failed), words, took, s.wrong))
}

func plainMessage(step status.Step) string {
	if step.Message == "" || step.State == journal.StepDone {
		return "\n"
	}
	return ": " + problem.OneLine(step.Message) + "\n"
}

// aside is text behind a mark, with something short at the right end of its last line.
func (s Screen) aside(mark, text, right string, style func(string) string) []string {
	lines := s.wrap(text, s.width()-2-len(right)-2)
	var out []string
	for i, line := range lines {
		gap := ""
		if i == len(lines)-1 && right != "" {
			gap = strings.Repeat(" ", max(2, s.width()-2-columnsOf(line)-columnsOf(right))) + s.faint(right)
		}
		if style != nil {
			line = style(line)
		}
		if i > 0 {
			mark = " "
		}
		out = append(out, mark+" "+line+gap)
	}
	return out
}

// running are the lines that change: the step at work with its time, what it does, and how far all is.
func (f *Follower) running(stands status.Status) []string {
	s := f.Screen
	words := f.words(stands)
	lines := s.aside(s.accent(s.spinner[f.turn%len(s.spinner)]), words[0], strings.Join(words[1:], ", "), nil)
	if step, _ := stepAtWork(stands); step != nil {
		if does := f.does[step.ID]; does != "" && does != words[0] {
			lines = append(lines, "  "+s.faint(cut(problem.OneLine(does), s.width()-2)))
		}
	}
	over := 0
	for _, step := range stands.Steps {
		if step.State != journal.StepWaiting && step.State != journal.StepRunning {
			over++
		}
	}
	count := fmt.Sprintf("  %d of %d", over, len(stands.Steps))
	narrow := s
	narrow.Columns = min(s.Columns, widest+1) - len(count)
	lines = append(lines, "", narrow.progress(over, len(stands.Steps))+count)
	lines = append(lines, s.text(leaveHint, s.faint)...)
	if most := f.rows(); len(lines) > most {
		lines = lines[:most]
	}
	return strings.Split(strings.TrimSuffix(indent(lines), "\n"), "\n")
}

// rows is how many lines may change in place: one less than the window has.
func (f *Follower) rows() int {
	_, rows := f.Terminal.size()
	return max(1, rows-1)
}

// words are what is at work, for how long, and for how long at most.
func (f *Follower) words(stands status.Status) []string {
	step, at := stepAtWork(stands)
	switch {
	case step != nil && f.Screen.Plain:
		words := []string{fmt.Sprintf("%d/%d %s", at+1, len(stands.Steps), stepWords(*step)), duration(step.Seconds)}
		return append(words, bound(*step)...)
	case step != nil:
		return append([]string{stepWords(*step), duration(step.Seconds)}, bound(*step)...)
	case stands.State == status.Pending:
		return stands.Says[:1]
	}
	return []string{"Getting ready"}
}

// bound says what is usual, and what is the most. Once the usual time is over, it says nothing any more.
func bound(step status.Step) (words []string) {
	if step.Usual >= 1 && step.Seconds <= step.Usual {
		words = append(words, "usually "+duration(step.Usual))
	}
	if step.Within > 0 {
		words = append(words, "at most "+duration(step.Within))
	}
	return words
}

// stepAtWork is the first step that runs, and its place.
func stepAtWork(stands status.Status) (*status.Step, int) {
	for i := range stands.Steps {
		if stands.Steps[i].State == journal.StepRunning {
			return &stands.Steps[i], i
		}
	}
	return nil, 0
}

// stepWords name a step for people.
func stepWords(step status.Step) string { return problem.OneLine(cmp.Or(step.Title, step.ID)) }

// duration says seconds as people do.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch minutes, rest := int(d.Minutes()), int(d.Seconds())%60; {
	case minutes >= 120:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	case minutes == 0:
		return fmt.Sprintf("%d s", rest)
	case rest == 0:
		return fmt.Sprintf("%d min", minutes)
	default:
		return fmt.Sprintf("%d min %d s", minutes, rest)
	}
}

// AtWork reports, from what lies ready, whether a login should be shown the first boot at work. It is asked at each
// login of root until first boot is finished.
func AtWork(h *host.Host, stands status.Status) bool {
	return stands.State == status.Running || stands.State == status.Fresh && !cloudInitIsDone(h)
}

func cloudInitIsDone(h *host.Host) bool { return h.Files.Exists("/run/cloud-init/result.json") }
