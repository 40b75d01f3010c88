package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/firstboot"
	"oneclick-agent/agent/firstlogin"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
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

func (a *agent) addFirstLogin() {
	var f loginFlags
	command := a.addToTree(commandline.Command{
		Use: "first-login", Does: "ask what only the customer knows, and apply the answers", Ends: setupEnds,
		About: "It ends at once, and says nothing, wherever there is nobody to ask.",
		Examples: []string{
			"oneclick-agent first-login",
			"oneclick-agent first-login --answers answers.yaml  # unattended; all problems in one report",
			"oneclick-agent first-login --later",
		},
		Run: func(ctx context.Context, _ []string) int { return a.firstLogin(ctx, f) },
	})
	flags := command.Flags()
	flags.StringVar(&f.answers, "answers", "", "take the answers from this `FILE`, and never ask")
	flags.BoolVar(&f.later, "later", false, "ask at the next login")
	flags.BoolVar(&f.never, "never", false, "never ask again")
	flags.BoolVar(&f.reset, "reset", false, "forget the answers and ask again")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would be done with the answers, and change nothing")
	flags.DurationVar(&f.idle, "idle", firstlogin.IdleAfter, "save and leave when no key is pressed for so long; 0 never leaves")
	flags.BoolVar(&f.plain, "accessible", false, "ask line by line, for screen readers")
	flags.BoolVar(&f.fromBashrc, "from-bashrc", false, "ask only where somebody has just logged in; for root's .bashrc")
	flags.BoolVar(&f.apply, "apply", false, "carry out the steps with the answers that are there; for the unit")
	flags.BoolVar(&f.watch, "watch", false, "show a first boot at work; for the shells of early logins")
	hide(command, "from-bashrc", "apply", "watch")
}

func (a *agent) firstLogin(ctx context.Context, f loginFlags) int {
	asks := f.answers == "" && !f.later && !f.never && !f.reset && !f.apply && !f.dryRun
	verdict := firstlogin.Start
	if asks {
		if code, refused := a.RefuseJSON("first-login, where a person is asked,"); refused {
			return code
		}
		if verdict = firstlogin.MayStart(!f.fromBashrc && !f.watch); verdict == firstlogin.Silent || verdict == firstlogin.Hint && f.watch {
			return commandline.ExitDone
		}
		firstlogin.Prepare()
	}
	h, err := a.open()
	if err != nil {
		return a.loginEnd(f, err)
	}
	defer h.Close()
	if asks && f.fromBashrc && !firstlogin.IsOpen(h) {
		return commandline.ExitDone
	}
	setup, err := a.gather(ctx, h)
	if err != nil {
		return a.tellBroken(h, f, verdict, err)
	}
	switch {
	case f.apply:
		return a.applyLogin(ctx, h, setup)
	case f.watch:
		return a.watch(ctx, setup, f)
	case setup.Manifest.FirstLogin == nil:
		return a.asksNothing(setup)
	case f.dryRun:
		return a.tellPlan(plan.ShowLogin(setup.Filling(ctx), firstlogin.Answered(ctx, setup)))
	case f.answers != "":
		return a.answersFromFile(ctx, h, setup, a.inTree(f.answers))
	case f.later, f.never:
		return a.decide(setup, f)
	case f.reset:
		if err := firstboot.ForgetLogin(ctx, setup); err != nil {
			return a.Fail(err)
		}
		return a.decided(setup, "first login begins anew at the next login, or with: oneclick-agent first-login")
	case verdict == firstlogin.Hint:
		if stands, err := status.Read(h, setup); err == nil {
			fmt.Fprintln(a.Stderr, strings.Join(stands.Says, "\n"))
		}
		return commandline.ExitDone
	}
	return a.wizard(ctx, setup, f)
}

// loginEnd reports an error, but where a login must not be disturbed by one.
func (a *agent) loginEnd(f loginFlags, err error) int {
	if f.fromBashrc || f.watch {
		return commandline.ExitDone
	}
	return a.Fail(err)
}

// tellBroken tells somebody who logs in that the manifest, or what else a setup is made from, cannot be read.
func (a *agent) tellBroken(h *host.Host, f loginFlags, verdict firstlogin.Verdict, cause error) int {
	if !f.fromBashrc && !f.watch {
		return a.Fail(cause)
	}
	// Both hooks are there while first boot is not complete; one of them is enough.
	if stands, err := status.ReadWithout(h, cause); err == nil && verdict == firstlogin.Start && f.watch != stands.BootComplete {
		fmt.Fprintln(a.Stdout, strings.Join(stands.Says, "\n"))
	}
	return commandline.ExitDone
}

// asksNothing says of an image without questions how its setup stands.
func (a *agent) asksNothing(setup *facts.Facts) int {
	if a.JSON {
		return a.decided(setup, "")
	}
	fmt.Fprintln(a.Stderr, "oneclick-agent: this image asks no questions at first login")
	return commandline.ExitDone
}

// decided says what was decided, or with --json how things stand then.
func (a *agent) decided(setup *facts.Facts, words string) int {
	if !a.JSON {
		fmt.Fprintln(a.Stdout, words)
		return commandline.ExitDone
	}
	stands, err := status.Read(setup.Host, setup)
	if err != nil {
		return a.Fail(err)
	}
	a.tellStatus(stands)
	return commandline.ExitDone
}

// atTerminal ends with every signal that a terminal, a dropped connection or a shutdown sends. A connection that drops is met
// twice: nothing can be read any more, and a signal comes, in either order. One that comes last must not kill this process
// while it puts things in order, so that signal stays caught.
func atTerminal(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
}

func (a *agent) watch(ctx context.Context, setup *facts.Facts, f loginFlags) int {
	stands, err := status.Read(setup.Host, setup)
	atWork := err == nil && firstlogin.AtWork(setup.Host, stands)
	if err != nil || !atWork && !stuck(stands) {
		return commandline.ExitDone
	}
	ctx, stop := atTerminal(ctx)
	defer stop()
	session, err := firstlogin.NewSession(setup, f.plain)
	if err != nil {
		return commandline.ExitDone
	}
	session.NoColour = a.noColor
	defer session.Terminal.Restore()
	left := false
	if atWork {
		stands, left, err = session.Watch(ctx)
	}
	switch {
	case err != nil || left:
	case firstlogin.MayMend(stands):
		session.Mend(ctx, stands) // a login goes on whatever came of it
	default:
		session.Tell(stands)
	}
	return commandline.ExitDone
}

// stuck reports whether a first boot neither goes on by itself at once nor waits for the answers of a person.
func stuck(stands status.Status) bool {
	waits := stands.State == status.Pending && stands.Waits != journal.ForPerson
	return !stands.BootComplete && (waits || stands.State == status.Failed)
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
			return commandline.ExitDone
		}
	}
	if firstlogin.MayMend(stands) {
		if stands, err = session.Mend(ctx, stands); err != nil {
			return a.loginEnd(f, err)
		}
	} else if !asks(stands) {
		session.Tell(stands)
	}
	if !asks(stands) {
		return a.loginCode(f, statusCode(stands))
	}
	if err := firstlogin.FromEnvironment(ctx, setup); err != nil {
		return a.loginEnd(f, err)
	}
	session.Idle = f.idle
	over, err := session.Run(ctx, f.fromBashrc)
	switch {
	case err != nil:
		fmt.Fprintf(a.Stderr, "oneclick-agent: %s\n", problem.Printable(err.Error()))
		return a.loginCode(f, commandline.ExitFailed)
	case over:
		return commandline.ExitDone
	}
	return a.loginCode(f, commandline.ExitPending)
}

// asks reports whether first login has something to ask, or failed.
func asks(stands status.Status) bool {
	return stands.BootComplete && (stands.Waits != "" || stands.State == status.Failed)
}

// loginCode is 0 for the shell that reads .bashrc, whatever happened.
func (a *agent) loginCode(f loginFlags, code int) int {
	if f.fromBashrc {
		return commandline.ExitDone
	}
	return code
}

func (a *agent) decide(setup *facts.Facts, f loginFlags) int {
	choice, words := facts.Later, "the questions come again at the next login"
	if f.never {
		choice, words = facts.Never, "the questions do not come again; to have them after all: oneclick-agent first-login --reset"
	}
	if err := firstboot.Decide(setup, choice); err != nil {
		return a.Fail(err)
	}
	return a.decided(setup, words)
}

// applyLogin is what the unit runs.
func (a *agent) applyLogin(ctx context.Context, h *host.Host, setup *facts.Facts) int {
	a.logProgress(h)
	phase, err := firstboot.ApplyAnswers(ctx, setup)
	return a.tellPhase(h, setup, "first login", phase, err)
}

// answersFromFile does unattended what the wizard does: the same questions, validators and steps.
func (a *agent) answersFromFile(ctx context.Context, h *host.Host, setup *facts.Facts, file string) int {
	stands, err := status.Read(h, setup)
	if err != nil {
		return a.Fail(err)
	}
	if err := firstlogin.TakeAnswers(ctx, setup, file); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = commandline.Input(err)
		}
		return a.Fail(err)
	}
	if !stands.BootComplete && a.JSON {
		return a.tellStatus(stands)
	}
	if !stands.BootComplete {
		fmt.Fprintf(a.Stdout, "first login: the answers are kept, and applied once first boot is done; it is %s\n", stands.State)
		return statusCode(stands)
	}
	return a.applyLogin(ctx, h, setup)
}
