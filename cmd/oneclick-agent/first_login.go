package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/firstlogin"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/status"
)

// loginFlags are what first-login can be told.
type loginFlags struct {
	answers                    string
	later, never, reset, plain bool
	fromBashrc, apply, watch   bool
	dryRun                     bool
	idle                       time.Duration
}

func (a *agent) firstLogin(ctx context.Context, arguments []string) int {
	var f loginFlags
	a.flags.StringVar(&f.answers, "answers", "", "take the answers from this file, and never ask")
	a.flags.BoolVar(&f.later, "later", false, "ask at the next login")
	a.flags.BoolVar(&f.never, "never", false, "never ask again")
	a.flags.BoolVar(&f.reset, "reset", false, "forget the answers and ask again")
	a.flags.BoolVar(&f.dryRun, "dry-run", false, "print what would be done with the answers, and change nothing")
	a.flags.DurationVar(&f.idle, "idle", firstlogin.IdleAfter, "save and leave when no key is pressed for so long; 0 never leaves")
	a.flags.BoolVar(&f.plain, "accessible", false, "ask line by line, for screen readers")
	a.flags.BoolVar(&f.fromBashrc, "from-bashrc", false, "ask only where somebody has just logged in; for root's .bashrc")
	a.flags.BoolVar(&f.apply, "apply", false, "carry out the steps with the answers that are there; for the unit")
	a.flags.BoolVar(&f.watch, "watch", false, "show a first boot at work; for the shells of early logins")
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	asks := f.answers == "" && !f.later && !f.never && !f.reset && !f.apply && !f.dryRun
	verdict := firstlogin.Start
	if asks {
		if verdict = firstlogin.MayStart(!f.fromBashrc && !f.watch); verdict == firstlogin.Silent || verdict == firstlogin.Hint && f.watch {
			return exitDone
		}
	}
	h, err := a.open()
	if err != nil {
		return a.loginEnd(f, err)
	}
	defer h.Close()
	if asks && f.fromBashrc && !firstlogin.IsOpen(h) {
		return exitDone
	}
	setup, err := a.gather(ctx, h)
	if err != nil {
		return a.loginEnd(f, err)
	}
	switch {
	case f.apply:
		return a.applyLogin(ctx, h, setup)
	case f.watch:
		return a.watch(ctx, setup, f)
	case setup.Manifest.FirstLogin == nil:
		fmt.Fprintln(a.stderr, "oneclick-agent: this image asks no questions at first login")
		return exitDone
	case f.dryRun:
		if err := plan.WriteLogin(a.stdout, setup.Filling(ctx), firstlogin.Answered(ctx, setup)); err != nil {
			return a.fail(err)
		}
		return exitDone
	case f.answers != "":
		return a.answersFromFile(ctx, h, setup, a.inTree(f.answers))
	case f.later, f.never:
		return a.decide(setup, f)
	case f.reset:
		if err := firstboot.ForgetLogin(ctx, setup); err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, "first login begins anew at the next login, or with: oneclick-agent first-login")
		return exitDone
	case verdict == firstlogin.Hint:
		left := "A few questions are left to set this Droplet up"
		if len(setup.Manifest.FirstLogin.Questions) == 0 {
			left = "A few steps are left to set this Droplet up"
		}
		fmt.Fprintln(a.stderr, left+": oneclick-agent first-login")
		return exitDone
	}
	return a.wizard(ctx, setup, f)
}

// loginEnd reports an error, but where a login must not be disturbed by one.
func (a *agent) loginEnd(f loginFlags, err error) int {
	if f.fromBashrc || f.watch {
		return exitDone
	}
	return a.fail(err)
}

// atTerminal ends with every signal that a terminal, a dropped connection or a shutdown sends.
func atTerminal(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
}

func (a *agent) watch(ctx context.Context, setup *facts.Facts, f loginFlags) int {
	if !firstlogin.AtWork(setup.Host, setup) {
		return exitDone
	}
	ctx, stop := atTerminal(ctx)
	defer stop()
	session, err := firstlogin.NewSession(setup, f.plain)
	if err != nil {
		return exitDone
	}
	session.NoColour = a.noColor
	defer session.Terminal.Restore()
	if stands, left, err := session.Watch(ctx); err == nil && !left {
		fmt.Fprintln(a.stdout, firstlogin.Words(stands))
	}
	return exitDone
}

func (a *agent) wizard(ctx context.Context, setup *facts.Facts, f loginFlags) int {
	ctx, stop := atTerminal(ctx)
	defer stop()
	session, err := firstlogin.NewSession(setup, f.plain)
	if err != nil {
		return a.loginEnd(f, err)
	}
	session.NoColour = a.noColor
	defer session.Terminal.Restore()
	stands, err := status.Read(setup.Host, setup)
	if err != nil {
		return a.loginEnd(f, err)
	}
	if stands.State == status.Running || stands.State == status.Fresh {
		var left bool
		if stands, left, err = session.Watch(ctx); err != nil || left {
			return exitDone
		}
	}
	if stands.Waits == "" && stands.State != status.Failed || !stands.BootComplete {
		fmt.Fprintln(a.stdout, firstlogin.Words(stands))
		return a.loginCode(f, statusCode(stands))
	}
	if err := firstlogin.FromEnvironment(ctx, setup); err != nil {
		return a.loginEnd(f, err)
	}
	session.Idle = f.idle
	over, err := session.Run(ctx, f.fromBashrc)
	switch {
	case err != nil:
		fmt.Fprintf(a.stderr, "oneclick-agent: %s\n", problem.Printable(err.Error()))
		return a.loginCode(f, exitFailed)
	case over:
		return exitDone
	}
	return a.loginCode(f, exitPending)
}

// loginCode is 0 for the shell that reads .bashrc, whatever happened.
func (a *agent) loginCode(f loginFlags, code int) int {
	if f.fromBashrc {
		return exitDone
	}
	return code
}

func (a *agent) decide(setup *facts.Facts, f loginFlags) int {
	choice, words := facts.Later, "the questions come again at the next login"
	if f.never {
		choice, words = facts.Never, "the questions do not come again; to have them after all: oneclick-agent first-login --reset"
	}
	if err := firstboot.Decide(setup, choice); err != nil {
		return a.fail(err)
	}
	fmt.Fprintln(a.stdout, words)
	return exitDone
}

// applyLogin is what the unit runs.
func (a *agent) applyLogin(ctx context.Context, h *host.Host, setup *facts.Facts) int {
	a.logProgress(h)
	phase, err := firstboot.ApplyAnswers(ctx, setup)
	line := "first login: " + string(phase)
	if err != nil {
		line += ": " + problem.Printable(err.Error())
	}
	fmt.Fprintln(a.stdout, line)
	return exitCode(phase)
}

// answersFromFile does unattended what the wizard does: the same questions, validators and steps.
func (a *agent) answersFromFile(ctx context.Context, h *host.Host, setup *facts.Facts, file string) int {
	stands, err := status.Read(h, setup)
	if err != nil {
		return a.fail(err)
	}
	if err := firstlogin.TakeAnswers(ctx, setup, file); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(a.stderr, "oneclick-agent: %s\n", problem.Printable(err.Error()))
			return exitInput
		}
		return a.fail(err)
	}
	if !stands.BootComplete {
		fmt.Fprintf(a.stdout, "first login: the answers are kept, and applied once first boot is done; it is %s\n", stands.State)
		return statusCode(stands)
	}
	return a.applyLogin(ctx, h, setup)
}
