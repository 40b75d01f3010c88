// Package prove boots an image as Droplets in the lab, and reports what was proved about it: by real boots, real power cuts and what is
// really on the disks. It needs what package lab needs.
package prove

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"oneclick-agent/packaging/lab"
)

const (
	firstDroplet, secondDroplet, thirdDroplet = 2756294, 2756295, 2756296
	// lineWithin is how long a command on a Droplet may take, the boot before it included.
	lineWithin = 20 * time.Minute
	// spread is how long after the hook power cuts fall, at least.
	spread = 8 * time.Second
)

// Options are what is proved.
type Options struct {
	// Cuts is how many Droplets lose their power during the first boot, at moments that Seed draws.
	Cuts int
	Seed uint64
	// Answers are those of the first login, "" where nobody is asked.
	Answers string
	// Database is the engine of a managed database beside the Droplets, "" for none; Password is its administrator's.
	Database, Password string
	// Progress receives a line about what is going on.
	Progress func(line string)
}

// Proof is one claim about the image.
type Proof struct {
	Claim string `json:"claim"`
	Holds bool   `json:"holds"`
	// Detail is what was seen, Remedy what to do where the claim does not hold.
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`
}

// run is one proving of an image.
type run struct {
	Options
	lab       *lab.Lab
	build     lab.Build
	directory string
	report    Report
	disks     int
	// secrets are those of the first Droplet by name, and identity what else it has of its own.
	secrets  map[string]string
	identity string
	// took is how long its first boot took.
	took time.Duration
}

// Run proves an image, whose disks it keeps in directory. An error tells that nothing could be proved.
func Run(ctx context.Context, image lab.Image, contents lab.Contents, directory string, o Options) (Report, error) {
	r := &run{Options: o, directory: directory, report: Report{Seed: o.Seed}}
	contents.Files = lab.Together(contents.Files, lab.Watcher)
	contents.Look = r.clean
	r.Progress("making and cleaning the image")
	var err error
	if r.build, err = image.Build(ctx, directory, contents); err != nil {
		return r.report, err
	}
	if r.lab, err = lab.Open(ctx, directory); err != nil {
		return r.report, err
	}
	defer r.lab.Close()
	if o.Database != "" {
		server, err := r.lab.StartDatabase(ctx, o.Database, filepath.Join(directory, "database"), o.Password)
		if err != nil {
			return r.report, err
		}
		defer server.Stop()
	}
	if err := r.first(ctx); err != nil {
		return r.report, err
	}
	if err := r.second(ctx); err != nil {
		return r.report, err
	}
	moments := rand.New(rand.NewPCG(o.Seed, 0))
	for n := range o.Cuts {
		moment := time.Duration(moments.Float64() * float64(max(spread, r.took)))
		if err := r.cut(ctx, n+1, moment); err != nil {
			return r.report, err
		}
	}
	return r.report, nil
}

// claim records what was seen of a claim: "" where it holds.
func (r *run) claim(began time.Time, claim, wrong, detail, remedy string) {
	p := Proof{Claim: claim, Holds: wrong == "", Detail: detail, Seconds: time.Since(began).Seconds()}
	if !p.Holds {
		p.Detail, p.Remedy = wrong, remedy
	}
	r.report.Proofs = append(r.report.Proofs, p)
	r.Progress(p.line())
}

// clean does to the image's tree what the last step of a build does, with the image's own agent.
func (r *run) clean(ctx context.Context, root string) error {
	began := time.Now()
	program := filepath.Join(root, "usr/bin/oneclick-agent")
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("cannot prove an image without oneclick-agent: %w", err)
	}
	out, err := exec.CommandContext(ctx, program, "pre-snapshot", "--no-erase", "--json", "--root", root).Output()
	var report struct {
		Checks []struct{ ID, Subject, Status, Message, Remedy string }
	}
	if failed := json.Unmarshal(out, &report); failed != nil {
		return fmt.Errorf("cannot clean the image: pre-snapshot has no report: %w", err)
	}
	var wrong, remedies []string
	for _, check := range report.Checks {
		if check.Status == "fail" {
			wrong = append(wrong, strings.TrimSpace(check.ID+" "+check.Subject)+": "+check.Message)
			remedies = append(remedies, check.Remedy)
		}
	}
	r.claim(began, "pre-snapshot cleans the image, and it passes", strings.Join(wrong, "\n"), fmt.Sprintf("%d checks", len(report.Checks)),
		strings.Join(remedies, "\n"))
	return nil
}

// boot boots a new Droplet of the image, or one that has a disk already.
func (r *run) boot(ctx context.Context, disk string, id int) (*lab.Machine, string, error) {
	if disk == "" {
		var err error
		r.disks++
		if disk, err = r.lab.Overlay(ctx, r.build, fmt.Sprintf("droplet-%d", r.disks)); err != nil {
			return nil, "", err
		}
	}
	machine, err := r.lab.Boot(ctx, r.build, disk, lab.Droplet{ID: id, Name: "sample-droplet"})
	return machine, disk, err
}

// on runs a line on a Droplet, and returns what it printed, whatever its exit status.
func (r *run) on(ctx context.Context, m *lab.Machine, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lineWithin)
	defer cancel()
	out, err := m.Run(ctx, "{ "+line+"\n} 2>&1 || true")
	if err != nil {
		return out, fmt.Errorf("cannot run %q on the Droplet: %w; the end of its console:\n%s", firstLine(line), err, tail(m.Console(), 15))
	}
	return out, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// tail are the last lines of a text.
func tail(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
