package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstlogin"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/trial"
)

// trying is what try can be told.
type trying struct {
	answers   string
	ask, cuts bool
}

func (o *oneclick) addTry() {
	var t trying
	command := o.add(commandline.Command{
		Use: "try [DIRECTORY]", Does: "set an image up on a throwaway directory, and show what came of it", Most: 1,
		About: "It lints the manifest, prints the plan, does the first boot and the first login of a Droplet that is only a tree of files, " +
			"and shows every command, unit, message and file, with names in the place of secrets. Commands are not run but recorded; what " +
			"they print and make can be said in test/stand-ins.yaml, what the build leaves in the image is taken from files, packer/files and " +
			"test/image, and the answers from test/answers.yaml. It needs no root, and takes a second.",
		Examples: []string{
			"oneclick try",
			"oneclick try --ask my-app         # answer the wizard yourself",
			"oneclick try --power-cuts my-app  # set it up again after a power cut ahead of every change",
		},
		Ends: commandline.FailedEnd,
		Run:  func(ctx context.Context, arguments []string) int { return o.try(ctx, directory(arguments), t) },
	})
	flags := command.Flags()
	flags.StringVar(&t.answers, "answers", "", "answer the questions of the first login as this `FILE` does")
	flags.BoolVar(&t.ask, "ask", false, "show the wizard of the first login on this terminal")
	flags.BoolVar(&t.cuts, "power-cuts", false, "prove too that a power cut ahead of any change does no harm")
}

// tried is what came of a trial.
type tried struct {
	Plan        plan.Shown `json:"plan"`
	Boot        []string   `json:"first_boot"`
	BeforeLogin string     `json:"message_before_first_login,omitempty"`
	Login       []string   `json:"first_login,omitempty"`
	Message     string     `json:"message_of_the_day"`
	Changes     string     `json:"changes"`
	PowerCuts   int64      `json:"power_cuts,omitempty"`
	Seconds     float64    `json:"seconds"`
}

func (o *oneclick) try(ctx context.Context, where string, t trying) int {
	began := time.Now()
	if code, refused := o.refuseAsking(t); refused {
		return code
	}
	image, err := trial.New(where)
	if err != nil {
		return o.Fail(err)
	}
	defer image.Close()
	if t.answers != "" {
		if err := image.TakeAnswers(t.answers); err != nil {
			return o.Fail(commandline.Input(err))
		}
	}
	result, err := o.carryOut(ctx, image, t)
	if err != nil {
		return o.Fail(err)
	}
	if result.Seconds = time.Since(began).Seconds(); o.JSON {
		return o.WriteJSON(result)
	}
	result.write(o)
	return commandline.ExitDone
}

// refuseAsking refuses to show the wizard where nobody would see it.
func (o *oneclick) refuseAsking(t trying) (code int, refused bool) {
	switch {
	case !t.ask:
		return 0, false
	case o.JSON:
		return o.Refuse("--ask and --json are two things; take --answers FILE"), true
	case t.answers != "":
		return o.Refuse("--ask and --answers are two ways to answer; say one of them"), true
	case !firstlogin.AtTerminal():
		return o.Refuse("--ask wants a terminal; take --answers FILE"), true
	}
	return 0, false
}

func (o *oneclick) carryOut(ctx context.Context, image *trial.Image, t trying) (result tried, err error) {
	d, err := image.NewDroplet()
	if err != nil {
		return result, err
	}
	d.Progress = func(line string) { fmt.Fprintln(o.Stderr, problem.OneLine(line)) }
	err = d.Use(ctx, func(f *facts.Facts) error {
		result.Plan = plan.Show(f.Filling(ctx), false)
		return nil
	})
	if err != nil {
		return result, err
	}
	if err := d.FirstBoot(ctx); err != nil {
		return result, o.explain(ctx, d, "first boot", err)
	}
	if result.Boot, err = d.NamedCalls(ctx); err != nil {
		return result, err
	}
	if image.Manifest.FirstLogin != nil {
		if err := o.logIn(ctx, d, t, &result); err != nil {
			return result, err
		}
	}
	if result.Message, err = d.Message(); err != nil {
		return result, err
	}
	if result.Changes, err = d.Changes(ctx); err != nil || !t.cuts {
		return result, err
	}
	fmt.Fprintln(o.Stderr, "cutting the power ahead of every change ...")
	result.PowerCuts, err = image.CutPower(ctx, false)
	return result, err
}

// logIn does the first login, by the wizard where it is asked for.
func (o *oneclick) logIn(ctx context.Context, d *trial.Droplet, t trying, result *tried) (err error) {
	if result.BeforeLogin, err = d.Message(); err != nil {
		return err
	}
	if t.ask {
		err = d.Use(ctx, func(f *facts.Facts) error {
			session, err := firstlogin.NewSession(f, false)
			if err != nil {
				return err
			}
			defer session.Terminal.Restore()
			_, err = session.Run(ctx, false)
			return err
		})
	} else {
		err = d.FirstLogin(ctx)
	}
	if err != nil {
		return o.explain(ctx, d, "first login", err)
	}
	calls, err := d.NamedCalls(ctx)
	if err == nil {
		result.Login = calls[len(result.Boot):]
	}
	return err
}

// explain says what ran last before a setup failed. Problems are of the answers, and have places of their own.
func (o *oneclick) explain(ctx context.Context, d *trial.Droplet, what string, err error) error {
	var problems problem.List
	if errors.As(err, &problems) {
		return problems
	}
	calls, failed := d.NamedCalls(ctx)
	for _, call := range slices.Backward(calls) {
		if failed == nil && !strings.HasPrefix(call, " ") {
			return fmt.Errorf("the %s failed: %w; the last command was: %s", what, err, call)
		}
	}
	return fmt.Errorf("the %s failed: %w", what, err)
}

func (t tried) write(o *oneclick) {
	section := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			fmt.Fprintf(o.Stdout, "# %s\n\n%s\n\n", title, text)
		}
	}
	var planned strings.Builder
	t.Plan.Write(&planned)
	section("The plan", planned.String())
	section("What first boot runs and starts", strings.Join(t.Boot, "\n"))
	section("The message of the day before the first login", t.BeforeLogin)
	section("What first login runs and starts", strings.Join(t.Login, "\n"))
	section("The message of the day", t.Message)
	section("The files", t.Changes)
	if t.PowerCuts > 0 {
		fmt.Fprintf(o.Stdout, "%d power cuts, and each time it became what it is here.\n", t.PowerCuts)
	}
	fmt.Fprintf(o.Stdout, "Set up on a throwaway directory in %.1f s; commands were recorded, not run.\n", t.Seconds)
	if os.Geteuid() != 0 {
		fmt.Fprintln(o.Stdout, "Without root, all files belong to you there; on a Droplet they get the owners of the plan.")
	}
}
