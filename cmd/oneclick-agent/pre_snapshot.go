package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/snapshot"
	"oneclick-agent/agent/state"
)

// preSnapshotFlags are what a vendor may say to pre-snapshot.
type preSnapshotFlags struct {
	snapshot.Options
	list, markdown, strict, skipSecrets, final bool
	thisMachine                                string
	reports                                    []string
}

func (a *agent) addPreSnapshot() {
	var o preSnapshotFlags
	command := a.addToTree(commandline.Command{
		Use: "pre-snapshot", Does: "clean the image, and check it; the last thing run before a snapshot",
		About: "Cleaning takes away what must not be in an image: keys, passwords, histories, logs, and what says who the build machine was.",
		Examples: []string{
			"oneclick-agent pre-snapshot --check                     # only look",
			"oneclick-agent pre-snapshot --check --root /mnt/image   # a disk that is mounted there",
			"oneclick-agent pre-snapshot --report review.html        # a page for the Marketplace's reviewers",
		},
		Ends: map[int]string{commandline.ExitDone: "no check failed; there may be warnings", commandline.ExitFailed: "at least one check failed"},
		Run:  func(ctx context.Context, _ []string) int { return a.preSnapshot(ctx, o) },
	})
	flags := command.Flags()
	flags.BoolVar(&o.CheckOnly, "check", false, "only check; change nothing")
	flags.BoolVar(&o.DryRun, "dry-run", false, "say what cleaning would do; change nothing")
	flags.BoolVar(&o.NoErase, "no-erase", false, "leave free space as it is")
	flags.BoolVar(&o.list, "list", false, "print the catalogue of cleanings and checks")
	flags.BoolVar(&o.markdown, "markdown", false, "with --list: as the page of the documentation")
	flags.BoolVar(&o.strict, "strict", false, "exit with 1 on warnings and on what is unknown, too")
	flags.BoolVar(&o.skipSecrets, "skip-secret-scan", false, "leave the secret scan out; its checks are then unknown")
	flags.StringVar(&o.thisMachine, "this-machine", "", "clean a machine that is no Droplet; its `NAME` must be given")
	flags.BoolVar(&o.final, "final-sweep", false, "clean what a shutdown writes; for the unit that runs last")
	flags.StringArrayVar(&o.reports, "report", nil,
		"write the report to `FILE`: a page where it ends with .html, SARIF where it ends with .sarif")
	hide(command, "final-sweep")
}

func (a *agent) preSnapshot(ctx context.Context, o preSnapshotFlags) int {
	for _, file := range o.reports {
		if extension := filepath.Ext(file); extension != ".html" && extension != ".sarif" {
			return a.Refuse("cannot write the report %s: its name must end with .html or .sarif", problem.OneLine(file))
		}
	}
	if o.CheckOnly && o.DryRun {
		return a.Refuse("--check and --dry-run are two different things; say one of them")
	}
	if o.final {
		if code, refused := a.RefuseJSON("pre-snapshot --final-sweep"); refused {
			return code
		}
	}
	if o.list {
		return a.tellCatalogue(o.markdown)
	}
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	if h.Live() && os.Geteuid() != 0 {
		return a.Fail(commandline.Input(errors.New("cannot look at the whole machine as another user than root; run this with sudo")))
	}
	if h.Live() && !o.CheckOnly && !o.DryRun && !o.final {
		if err := isMeant(h, o.thisMachine); err != nil {
			return a.Fail(commandline.Input(err))
		}
	}
	a.logProgress(h)
	image, err := a.lookAtImage(h, o.CheckOnly || o.final)
	if err != nil {
		return a.Fail(err)
	}
	if o.final {
		if err := snapshot.FinalSweep(ctx, image); err != nil {
			return a.Fail(err)
		}
		return commandline.ExitDone
	}
	image.SkipSecrets = o.skipSecrets
	report, err := snapshot.Run(ctx, image, o.Options)
	if err != nil {
		return a.Fail(err)
	}
	if err := writeReports(image, &report, o.reports); err != nil {
		return a.Fail(err)
	}
	return a.tellReport(ctx, image, &report, o.Options, o.strict)
}

func (a *agent) tellCatalogue(markdown bool) int {
	switch {
	case a.JSON:
		return a.WriteJSON(snapshot.Describe())
	case markdown:
		snapshot.WritePage(a.Stdout)
	default:
		snapshot.WriteList(a.Stdout)
	}
	return commandline.ExitDone
}

// isMeant refuses to clean a machine that is no Droplet, unless its name is given: typed on a laptop, pre-snapshot would
// take away its keys, its logs and its accounts' passwords.
func isMeant(h *host.Host, name string) error {
	vendor, _ := h.Files.ReadHead("/sys/class/dmi/id/sys_vendor", 64)
	if strings.TrimSpace(string(vendor)) == "DigitalOcean" {
		return nil
	}
	own, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("cannot tell the name of this machine: %w", err)
	}
	if name == own {
		return nil
	}
	if name != "" {
		return fmt.Errorf("cannot clean this machine: it is called %q and not %q", own, name)
	}
	return fmt.Errorf(
		"cannot clean this machine: it is no Droplet, and cleaning takes its SSH keys, passwords, histories and logs away; "+
			"only look with --check, or say --this-machine %s",
		own,
	)
}

// writeReports writes the report into files of this machine.
func writeReports(image *snapshot.Image, report *snapshot.Report, files []string) error {
	about := image.About(commandline.BuildVersion)
	for _, file := range files {
		var text bytes.Buffer
		write := report.WriteHTML
		if filepath.Ext(file) == ".sarif" {
			write = report.WriteSARIF
		}
		if err := write(&text, about); err != nil {
			return fmt.Errorf("cannot make the report %s: %w", file, err)
		}
		absolute, err := filepath.Abs(file)
		if err != nil {
			return fmt.Errorf("cannot write the report %s: %w", file, err)
		}
		machine, err := host.OpenRoot("/")
		if err != nil {
			return err
		}
		_, err = machine.WriteFile(absolute, text.Bytes(), host.Mode(0o644))
		machine.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *agent) tellReport(ctx context.Context, image *snapshot.Image, report *snapshot.Report, o snapshot.Options, strict bool) int {
	code := commandline.ExitDone
	if report.Failed(strict) {
		code = commandline.ExitFailed
	}
	if a.JSON {
		if err := report.WriteJSON(a.Stdout); err != nil {
			return a.Fail(err)
		}
	} else if o.DryRun {
		report.WritePlan(a.Stdout)
	} else {
		report.WriteText(a.Stdout)
	}
	if o.CheckOnly || o.DryRun {
		return code
	}
	for _, line := range snapshot.Arm(ctx, image, code == commandline.ExitDone) {
		fmt.Fprintln(a.Stderr, line)
	}
	return code
}

// lookAtImage reads the machine, its manifest, and the secrets that must be nowhere else on it. Mistakes in the
// manifest are findings of a check, and keep everything else from being begun.
func (a *agent) lookAtImage(h *host.Host, checkOnly bool) (*snapshot.Image, error) {
	image, err := snapshot.Look(h)
	if err != nil {
		return nil, err
	}
	if h.Files.Exists(a.manifestPath()) || a.manifest != state.Manifest {
		image.Manifest, err = lint.Read(h, a.manifestPath())
		if image.Manifest != nil {
			image.Problems = snapshot.CheckManifest(image.Manifest)
		}
		var problems problem.List
		if errors.As(err, &problems) {
			image.Problems = append(image.Problems, problems...)
		}
		if image.Problems.Err() != nil && !checkOnly {
			return nil, image.Problems.Err() // what it wants kept is not known for sure
		}
	}
	image.Known = knownSecrets(h)
	return image, nil
}

// knownSecrets are the values that this machine's own first boot made, by name.
func knownSecrets(h *host.Host) map[string]string {
	store, err := secret.Open(h.Files)
	if err != nil {
		return nil
	}
	known := map[string]string{}
	for _, name := range store.Names() {
		fields, _ := store.Get(name)
		for field, value := range fields {
			known[name+" "+field] = value.Reveal()
		}
	}
	return known
}
