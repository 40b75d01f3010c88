package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/status"
	"oneclick-agent/agent/trial"
	"oneclick-agent/packaging/lab"
)

const (
	// lineWithin is how long a line of --run may take, the boot included.
	lineWithin = 20 * time.Minute
	// databasePassword is what the administrator of the lab's managed database has; it lives as long as the Droplet.
	databasePassword = "AVNS_lab"
)

// booting is what boot can be told.
type booting struct {
	image, template, agent                   string
	packages, setup, files                   string
	credentials, database, answers, userData string
	line                                     string
	record                                   string // where to keep how long each step took
}

func (o *oneclick) addBoot() {
	var b booting
	command := o.Add(o.Root(), commandline.Command{
		Use: "boot [DIRECTORY]", Does: "boot an image as a Droplet on this machine, and open its shell", Most: 1,
		About: "It needs root, and from Debian: mmdebstrap, qemu-system-x86, qemu-utils, e2fsprogs, iproute2. Packages are those of the " +
			"variable of Packer's template, and packer/setup and packer/files are the rest, where nothing else is said. The " +
			"Droplet has a metadata service, a " +
			"network of its own and real systemd; leave it with exit.",
		Examples: []string{
			"sudo oneclick boot --agent oneclick-agent_0.1.0_amd64.deb my-app",
			"sudo oneclick boot --database postgresql my-app  # with a managed database",
			"sudo oneclick boot --answers test/answers.yaml --run 'oneclick-agent status --wait' my-app",
		},
		Ends: commandline.FailedEnd,
		Run:  func(ctx context.Context, arguments []string) int { return o.boot(ctx, directory(arguments), b) },
	})
	b.flags(command.Flags())
	flags := command.Flags()
	flags.StringVar(&b.line, "run", "", "run this `LINE` on the Droplet instead of a shell")
	flags.StringVar(&b.record, "record", "", "wait for first boot, and write how long its steps took to `FILE`: "+
		"usual.json beside app.yaml, which the image then has, and a customer's progress tells")
}

func (b *booting) flags(flags *pflag.FlagSet) {
	flags.StringVar(&b.image, "image", "bookworm", "the system below: bookworm or trixie")
	flags.StringVar(&b.template, "template", "", "Packer's template, a `FILE`; the one in packer where nothing is said")
	flags.StringVar(
		&b.agent,
		"agent",
		"",
		"`FILE` of the agent's Debian package; build/oneclick-agent.deb of the directory where nothing is said",
	)
	flags.StringVar(&b.packages, "packages", "", "`NAMES` of the packages that the image has, separated by spaces")
	flags.StringVar(&b.setup, "setup", "", "`FILE` of a script that runs in the image once its packages are there")
	flags.StringVar(&b.files, "files", "", "`DIRECTORY` that is copied to / of the image")
	flags.StringVar(&b.credentials, "credentials", "", "`FILE` of the credentials of a managed database")
	flags.StringVar(&b.database, "database", "", "start a managed `ENGINE` beside the Droplet: "+strings.Join(lab.Databases(), ", "))
	flags.StringVar(&b.answers, "answers", "", "`FILE` of answers to the questions of the first login")
	flags.StringVar(&b.userData, "user-data", "", "`FILE` of the Droplet's user-data")
}

func (o *oneclick) boot(ctx context.Context, where string, b booting) int {
	image, contents, err := o.prepare(where, &b)
	if err != nil {
		return o.Fail(err)
	}
	userData, err := readOptional(b.userData)
	if err != nil {
		return o.Fail(commandline.Input(err))
	}
	directory, err := os.MkdirTemp("", "oneclick-boot-")
	if err != nil {
		return o.Fail(err)
	}
	defer os.RemoveAll(directory)
	if err := o.bootIn(ctx, directory, image, contents, b, userData); err != nil {
		return o.Fail(err)
	}
	return commandline.ExitDone
}

// prepare finds everything that is wrong with what was typed before anything is made.
func (o *oneclick) prepare(where string, b *booting) (image lab.Image, contents lab.Contents, err error) {
	if os.Geteuid() != 0 {
		return image, contents, commandline.Refusal("a Droplet needs a network of its own, and so root; run this with sudo")
	}
	image, ok := lab.Images()[b.image]
	if !ok {
		return image, contents, commandline.Refusal("there is no image %q; use bookworm or trixie", b.image)
	}
	checked, err := trial.New(where)
	if err != nil {
		return image, contents, err
	}
	defer checked.Close()
	if err := b.complete(where); err != nil {
		return image, contents, commandline.Input(err)
	}
	image.Packages = strings.Fields(b.packages)
	contents, err = b.contents(where)
	if err != nil {
		err = commandline.Input(err)
	}
	return image, contents, err
}

// templates are where Packer's template stands in a vendor's directory.
var templates = []string{"packer/marketplace-image.json", "marketplace-image.json"}

// complete takes what was not said from Packer's template.
func (b *booting) complete(where string) error {
	for _, name := range templates {
		if file := filepath.Join(where, name); b.template == "" && isFile(file) {
			b.template = file
		}
	}
	if b.template != "" {
		if err := b.readTemplate(); err != nil {
			return fmt.Errorf("cannot use Packer's template %s: %w", b.template, err)
		}
	}
	for option, usual := range map[*string]string{&b.setup: "packer/setup", &b.files: "packer/files", &b.agent: "build/oneclick-agent.deb"} {
		if _, err := os.Stat(filepath.Join(where, usual)); *option == "" && err == nil {
			*option = filepath.Join(where, usual)
		}
	}
	if b.agent == "" {
		return errors.New("the agent's package is missing; put it into build/oneclick-agent.deb, or name it with --agent FILE")
	}
	return nil
}

// readTemplate reads the variables of Packer's template. Their paths begin at the working directory, as Packer has it.
func (b *booting) readTemplate() error {
	data, err := os.ReadFile(b.template)
	if err != nil {
		return err
	}
	var template struct{ Variables map[string]string }
	if err := json.Unmarshal(data, &template); err != nil {
		return err
	}
	for name, option := range map[string]*string{"packages": &b.packages, "setup": &b.setup, "files": &b.files} {
		if value := template.Variables[name]; *option == "" && !strings.Contains(value, "{{") {
			*option = value
		}
	}
	return nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// contents reads everything that goes into the image.
func (b *booting) contents(where string) (lab.Contents, error) {
	manifest, err := lab.Manifest(where)
	if err != nil {
		return lab.Contents{}, err
	}
	copied := map[string]lab.File{}
	if b.files != "" {
		if copied, err = lab.Folder(b.files, "/"); err != nil {
			return lab.Contents{}, err
		}
	}
	given := map[string]lab.File{}
	if b.database != "" {
		if !slices.Contains(lab.Databases(), b.database) {
			return lab.Contents{}, fmt.Errorf("the lab has no database %q; use %s", b.database, strings.Join(lab.Databases(), ", "))
		}
		given = lab.Credentials(b.database, databasePassword)
	}
	for place, file := range map[string]string{
		"/root/.digitalocean_dbaas_credentials": b.credentials, "/etc/oneclick/answers.yaml": b.answers,
	} {
		text, err := readOptional(file)
		if err != nil {
			return lab.Contents{}, err
		}
		if file != "" {
			given[place] = lab.File{Content: text, Mode: 0o600}
		}
	}
	setup, err := readOptional(b.setup)
	return lab.Contents{Agent: b.agent, Files: lab.Together(copied, manifest, given), Setup: setup}, err
}

// readOptional reads a file that need not be named.
func readOptional(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	data, err := os.ReadFile(file)
	return string(data), err
}

func (o *oneclick) bootIn(ctx context.Context, directory string, image lab.Image, contents lab.Contents, b booting, userData string) error {
	fmt.Fprintf(o.Stderr, "making the image (its system is kept in %s) ...\n", lab.CacheDirectory())
	build, err := image.Build(ctx, directory, contents)
	if err != nil {
		return err
	}
	l, err := lab.Open(ctx, directory)
	if err != nil {
		return err
	}
	defer l.Close()
	if b.database != "" {
		server, err := l.StartDatabase(ctx, b.database, filepath.Join(directory, "database"), databasePassword)
		if err != nil {
			return err
		}
		defer server.Stop()
	}
	disk, err := l.Overlay(ctx, build, filepath.Base(directory))
	if err != nil {
		return err
	}
	machine, err := l.Boot(ctx, build, disk, lab.Droplet{ID: 2756294, Name: "sample-droplet", UserData: userData})
	if err != nil {
		return err
	}
	defer machine.CutPower()
	if b.record != "" {
		return o.recordTimes(ctx, machine, b.record)
	}
	if b.line != "" {
		return o.runLine(ctx, machine, b.line)
	}
	fmt.Fprintln(o.Stderr, "the Droplet is booting; its shell opens in about a minute (leave it with exit) ...")
	return machine.Shell(ctx)
}

func (o *oneclick) runLine(ctx context.Context, machine *lab.Machine, line string) error {
	ctx, cancel := context.WithTimeout(ctx, lineWithin)
	defer cancel()
	out, err := machine.Run(ctx, line)
	fmt.Fprintln(o.Stdout, strings.TrimRight(out, "\n"))
	if err != nil {
		return fmt.Errorf("cannot run %q on the Droplet: %w; the end of its console:\n%s", line, err, lastLines(machine.Console(), 20))
	}
	return nil
}

// recordTimes waits until first boot is over, and writes down how long each of its steps took. The status ends with another
// code than 0 where somebody is to be asked, which is no failure here.
func (o *oneclick) recordTimes(ctx context.Context, machine *lab.Machine, file string) error {
	ctx, cancel := context.WithTimeout(ctx, lineWithin)
	defer cancel()
	out, err := machine.Run(ctx, "oneclick-agent status --wait >/dev/null 2>&1; oneclick-agent status --json 2>/dev/null || true")
	if err != nil {
		return fmt.Errorf("cannot read how first boot went: %w; the end of its console:\n%s", err, lastLines(machine.Console(), 20))
	}
	var stands status.Status
	if err := json.Unmarshal([]byte(out), &stands); err != nil {
		return fmt.Errorf("cannot read the Droplet's status: %w", err)
	}
	if stands.State == status.Failed || stands.State == status.Broken {
		return fmt.Errorf("cannot record how long first boot takes: it is %s; %s", stands.State, strings.Join(stands.Says, " "))
	}
	recorded, err := json.MarshalIndent(stands.Recorded(), "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Stdout, "%d steps took a second or more; written to %s\n", len(stands.Recorded()), file)
	return os.WriteFile(file, append(recorded, '\n'), 0o644)
}

// lastLines are the last lines of a text.
func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
