package trial

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/firstlogin"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// Droplet is a tree on which the setup of an image is tried.
type Droplet struct {
	Image *Image
	// Root is the directory of the tree on this machine.
	Root string
	// Before is called ahead of each change, nil for nothing. What it returns ends the run there.
	Before func(host.Operation) error
	// Progress receives one line about what is going on, nil for nobody.
	Progress func(line string)
}

// NewDroplet makes a Droplet of the image, on which nothing was done yet.
func (i *Image) NewDroplet() (*Droplet, error) {
	root, err := os.MkdirTemp(i.scratch, "droplet-")
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(i.base, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		to := filepath.Join(root, strings.TrimPrefix(name, i.base))
		if entry.IsDir() {
			err = os.MkdirAll(to, 0o755)
		} else if data, failed := os.ReadFile(name); failed != nil {
			return failed
		} else {
			err = os.WriteFile(to, data, 0o600)
		}
		if err != nil {
			return err
		}
		return os.Chmod(to, info.Mode())
	})
	return &Droplet{Image: i, Root: root}, err
}

// Use prepares a run of the agent on the Droplet, and uses it.
func (d *Droplet) Use(ctx context.Context, use func(*facts.Facts) error) error {
	h, err := host.Open(d.Root)
	if err != nil {
		return err
	}
	defer h.Close()
	h.Files.Before = d.Before
	h.Units = &systemd{Units: h.Units, host: h, active: map[string]bool{}}
	h.StandIn = (&standIn{files: h.Files, rules: d.Image.rules}).Run
	if d.Progress != nil {
		h.Progress = func(line, _ string) { d.Progress(line) }
	}
	if h.Terminal, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return err
	}
	defer h.Terminal.Close()
	m, err := lint.Read(h, state.Manifest)
	if err != nil {
		return err
	}
	setup, err := facts.Gather(ctx, h, m, state.Manifest, "none")
	if err != nil {
		return err
	}
	return use(setup)
}

// FirstBoot does the first boot, or resumes it.
func (d *Droplet) FirstBoot(ctx context.Context) error {
	return d.Use(ctx, func(f *facts.Facts) error { return done(firstboot.Run(ctx, f, false)) })
}

// FirstLogin answers the questions as a file of the Droplet does, and applies the answers.
func (d *Droplet) FirstLogin(ctx context.Context) error {
	return d.Use(ctx, func(f *facts.Facts) error {
		if err := firstlogin.TakeAnswers(ctx, f, Answers); err != nil {
			return d.Image.asTyped(err)
		}
		return done(firstboot.ApplyAnswers(ctx, f))
	})
}

// SetUp does both.
func (d *Droplet) SetUp(ctx context.Context) error {
	err := d.FirstBoot(ctx)
	if err == nil && d.Image.Manifest.FirstLogin != nil {
		err = d.FirstLogin(ctx)
	}
	return err
}

func done(phase journal.Phase, err error) error {
	if err == nil && phase != journal.Done {
		err = fmt.Errorf("the setup ended as %s", phase)
	}
	return err
}

// Names returns what puts a name in the place of everything that was generated on the Droplet, so that two runs read the same.
func (d *Droplet) Names(ctx context.Context) (named func(string) string, err error) {
	quiet := Droplet{Image: d.Image, Root: d.Root}
	err = quiet.Use(ctx, func(f *facts.Facts) error {
		named = withNames(f.Store, f.Redact)
		return nil
	})
	return named, err
}

func withNames(store *secret.Store, redact *secret.Redactor) func(string) string {
	var pairs []string
	for _, name := range store.Names() {
		fields, _ := store.Get(name)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			pairs = append(pairs, fields[field].Reveal(), "["+strings.TrimSuffix("secret "+name+" "+field, " ")+"]")
		}
	}
	exact := strings.NewReplacer(pairs...)
	return func(text string) string { return redact.Redact(exact.Replace(text)) }
}

// Calls are the commands that ran and the units that were told something, in order.
func (d *Droplet) Calls() (string, error) {
	data, err := os.ReadFile(filepath.Join(d.Root, callsFile))
	return string(data), err
}

// Message is the message of the day.
func (d *Droplet) Message() (string, error) {
	data, err := os.ReadFile(filepath.Join(d.Root, state.Message))
	return string(data), err
}

// NamedCalls are the same with names in the place of secrets, one a line.
func (d *Droplet) NamedCalls(ctx context.Context) ([]string, error) {
	calls, err := d.Calls()
	if err != nil || calls == "" {
		return nil, err
	}
	named, err := d.Names(ctx)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(named(calls), "\n"), "\n"), nil
}
