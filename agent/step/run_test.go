package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/pattern"
	"oneclick-agent/agent/state"
)

// vault stands in for the store of secrets.
type vault struct {
	values map[string]string
	fails  error
	hidden [][2]string
}

func (v *vault) hide(name, value string) { v.hidden = append(v.hidden, [2]string{name, value}) }

// redact takes out what was hidden, as the redactor does with longer values.
func (v *vault) redact(text string) string {
	for _, one := range v.hidden {
		text = strings.ReplaceAll(text, one[1], "[secret "+one[0]+"]")
	}
	return text
}

func (v *vault) keep(values map[string]string) error {
	if v.fails == nil {
		v.values = values
	}
	return v.fails
}

// withShell is a tree in which a shell runs: the one that busybox has, with its libraries.
func withShell(t testing.TB) (*host.Host, string) {
	t.Helper()
	needRoot(t)
	h, dir := tree(t, nil)
	must(t, os.MkdirAll(filepath.Join(dir, "home/app"), 0o755))
	must(t, os.Chown(filepath.Join(dir, "home/app"), 1234, 1235))
	must(t, os.Chmod(filepath.Join(dir, "tmp"), 0o777))
	busybox, err := os.ReadFile("/bin/busybox")
	must(t, err)
	libraries := regexp.MustCompile(`/lib[a-z0-9/_.-]*\.so[a-z0-9.]*|lib[a-z0-9_]+\.so\.[0-9]+`)
	for _, name := range libraries.FindAllString(string(busybox), -1) {
		if filepath.IsAbs(name) {
			library, err := os.ReadFile(name)
			must(t, err)
			put(t, dir, map[string]string{name: string(library)})
			must(t, os.Chmod(filepath.Join(dir, name), 0o755))
			continue
		}
		found, _ := filepath.Glob("/lib/*-linux-gnu/" + name)
		for _, file := range found {
			library, err := os.ReadFile(file)
			must(t, err)
			put(t, dir, map[string]string{file: string(library)})
		}
	}
	// A process that another test starts meanwhile would hold a program open that is being written, so that nobody can run it.
	syscall.ForkLock.RLock()
	put(t, dir, map[string]string{"bin/busybox": string(busybox)})
	syscall.ForkLock.RUnlock()
	must(t, os.Chmod(filepath.Join(dir, "bin/busybox"), 0o755))
	must(t, os.Symlink("busybox", filepath.Join(dir, "bin/sh")))
	return h, dir
}

func shell(script string) *Run {
	return &Run{ID: "run sh", Command: host.Command{Argv: []string{"/bin/busybox", "sh", "-c", script}, Env: map[string]string{}}}
}

func content(t testing.TB, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	return string(text)
}

func TestACommandGetsItsInputItsEnvironmentItsDirectoryAndItsUser(t *testing.T) {
	t.Parallel()
	h, dir := withShell(t)
	r := shell(`{ busybox id -u; busybox id -g; pwd; echo "$HOME $USER $LOGNAME $LANG $GIVEN"; busybox cat; } > /tmp/seen`)
	r.As, r.Command.Dir = "app", "/tmp"
	r.Command.Env["GIVEN"], r.Command.Stdin = "a value", []byte("through standard input\n")
	finds(t, h, r, Unknowable)
	must(t, r.Apply(t.Context(), h))
	const want = "1234\n1235\n/tmp\n/home/app app app C.UTF-8 a value\nthrough standard input\n"
	if got := content(t, dir, "tmp/seen"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	r.As = "nobody-here"
	err := r.Apply(t.Context(), h)
	if _, lasting := errors.AsType[*Lasting](err); !lasting {
		t.Errorf("%T: %v", err, err)
	}
}

func TestCreatesTellsWhetherACommandHasToRun(t *testing.T) {
	t.Parallel()
	h, dir := withShell(t)
	r := shell("echo once >> /tmp/made")
	r.Creates = "/tmp/made"
	finds(t, h, r, Unmet)
	must(t, r.Apply(t.Context(), h))
	finds(t, h, r, Met)
	if got := content(t, dir, "tmp/made"); got != "once\n" {
		t.Errorf("%q", got)
	}
	says(t, r.WhyUnmet(), "/bin/busybox ended well, but did not make /tmp/made; see creates: in the manifest")
}

func TestUnlessTellsWhetherACommandHasToRun(t *testing.T) {
	t.Parallel()
	h, _ := withShell(t)
	r := shell("echo > /tmp/made")
	r.Command.Stdin, r.Command.Env["WHERE"] = []byte("a secret"), "/tmp/made"
	r.Unless = []string{"/bin/busybox", "sh", "-c", `[ -z "$(busybox cat)" ] && [ -e "$WHERE" ]`} // without the input, in its environment
	finds(t, h, r, Unmet)
	must(t, r.Apply(t.Context(), h))
	finds(t, h, r, Met)
	says(t, r.WhyUnmet(), `/bin/busybox ended well, but /bin/busybox sh -c [ -z "$(busybox cat)" ] && [ -e "$WHERE" ] still does not; `+
		"see unless: in the manifest")
	r.Unless = []string{"/bin/not-there-yet"}
	finds(t, h, r, Unmet)
	r.As = "nobody-here"
	if got, err := r.Check(t.Context(), h); got != Unmet || err == nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestACommandThatFailsIsAnErrorAndItsComplaintIsKept(t *testing.T) {
	t.Parallel()
	h, dir := withShell(t)
	err := shell("echo out; echo complaint >&2; exit 7").Apply(t.Context(), h)
	says(t, err, "/bin/busybox exited with status 7")
	if got := content(t, dir, "var/lib/oneclick/output/run_sh"); got != "out\ncomplaint\n" {
		t.Errorf("%q", got)
	}
	info, err := os.Stat(filepath.Join(dir, "var/lib/oneclick/output/run_sh"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	err = (&Run{ID: "x", Command: host.Command{Argv: []string{"/bin/gone"}}}).Apply(t.Context(), h)
	if _, skipped := errors.AsType[*Skip](err); !skipped ||
		err.Error() != "cannot run /bin/gone: there is no such command on this image" {
		t.Errorf("%T %v", err, err)
	}
	err = (&TTY{Run{Command: host.Command{Argv: []string{"/bin/setup"}}}}).Apply(t.Context(), h)
	says(t, err, "/bin/setup needs a terminal; log in as root, or run: oneclick-agent first-login")
	if _, waits := errors.AsType[*Wait](err); !waits {
		t.Errorf("%T", err)
	}
}

func capturing(script string, v *vault) *Run {
	r := shell(script)
	r.Captured, r.Printed = v.keep, v.hide
	r.Capture = []Capture{{Secret: "token", Pattern: regexp.MustCompile(`token: (\S+)`)},
		{Secret: "id", Pattern: regexp.MustCompile(`id: (\d+)`)}}
	return r
}

func TestACommandsSecretsAreCapturedOnce(t *testing.T) {
	t.Parallel()
	h, dir := withShell(t)
	v := &vault{}
	r := capturing("echo run >> /tmp/runs; echo token: abc; echo id: 7", v)
	applied(t, h, &once{Run: r})
	if fmt.Sprint(v.values) != "map[id:7 token:abc]" || content(t, dir, "tmp/runs") != "run\n" {
		t.Errorf("%v", v.values)
	}
}

// A command may print a secret and fail then: nothing is stored, and what is kept for people does not show it.
func TestWhatAFailingCommandPrintedOfASecretIsNotKept(t *testing.T) {
	t.Parallel()
	h, dir := withShell(t)
	v := &vault{}
	h.Redact = v.redact
	err := capturing("echo token: abcdef; echo token was abcdef >&2; exit 3", v).Apply(t.Context(), h)
	says(t, err, "/bin/busybox exited with status 3")
	if got := content(t, dir, "var/lib/oneclick/output/run_sh"); got != "token: [secret token]\ntoken was [secret token]\n" {
		t.Errorf("the output is kept as %q", got)
	}
	says(t, capturing("echo token: ghijkl", v).Apply(t.Context(), h),
		"cannot capture the secret id from /bin/busybox: its output does not match the pattern")
	if got := content(t, dir, "var/lib/oneclick/output/run_sh"); got != "token: [secret token]\n" || v.values != nil {
		t.Errorf("the output is kept as %q, and the store has %v", got, v.values)
	}
}

// once is a command that is applied as the engine does: not where its check finds everything there.
type once struct{ *Run }

func (o *once) Apply(ctx context.Context, h *host.Host) error {
	if state, err := o.Check(ctx, h); err != nil || state == Met {
		return err
	}
	return o.Run.Apply(ctx, h)
}

// The power goes between the end of the command and our store: creates and unless say that it ran, and what it printed
// is on disk.
func TestWhatACommandPrintedOnlyOnceIsFoundAfterACrash(t *testing.T) {
	t.Parallel()
	for _, guard := range []string{"creates", "unless"} {
		h, dir := withShell(t)
		v := &vault{fails: host.ErrPower}
		make := func() *Run {
			r := capturing("echo run >> /tmp/runs; echo token: abc; echo id: 7; busybox yes | busybox head -c 3000000", v)
			if guard == "creates" {
				r.Creates = "/tmp/runs"
			} else {
				r.Unless = []string{"/bin/busybox", "test", "-e", "/tmp/runs"}
			}
			return r
		}
		if err := make().Apply(t.Context(), h); !errors.Is(err, host.ErrPower) {
			t.Fatal(err)
		}
		v.fails = nil
		again := make()
		finds(t, h, again, Unmet)
		must(t, again.Apply(t.Context(), h))
		finds(t, h, again, Met)
		if fmt.Sprint(v.values) != "map[id:7 token:abc]" || content(t, dir, "tmp/runs") != "run\n" {
			t.Errorf("%s: %v, runs %q", guard, v.values, content(t, dir, "tmp/runs"))
		}
		must(t, os.RemoveAll(filepath.Join(dir, state.Captured)))
		err := make().Apply(t.Context(), h)
		says(
			t,
			err,
			"cannot capture a secret from /bin/busybox: it ran before, and what it printed then is lost; find the value in the app itself, "+
				"and enter it with: oneclick-agent secrets restore token and oneclick-agent secrets restore id",
		)
		if _, lasting := errors.AsType[*Lasting](err); !lasting {
			t.Errorf("%T", err)
		}
	}
}

// Without creates and unless nothing says whether the command ran to its end, and so it runs again.
func TestACommandWithoutAGuardRunsAgainAfterACrash(t *testing.T) {
	t.Parallel()
	h, dir := withShell(t)
	v := &vault{fails: host.ErrPower}
	r := capturing("echo run >> /tmp/runs; echo token: abc; echo id: 7", v)
	if err := r.Apply(t.Context(), h); !errors.Is(err, host.ErrPower) {
		t.Fatal(err)
	}
	v.fails = nil
	must(t, r.Apply(t.Context(), h))
	if content(t, dir, "tmp/runs") != "run\nrun\n" {
		t.Error(content(t, dir, "tmp/runs"))
	}
}

func TestWhatIsNotInTheOutputIsToldWithoutTheOutput(t *testing.T) {
	t.Parallel()
	matching := pattern.New(`token: (\S+)`)()
	for _, test := range []struct {
		capture      Capture
		output, want string
	}{
		{Capture{Pattern: matching}, "token: abc\ntoken: def", "abc"},
		{Capture{Pattern: matching}, "hush", "error: its output does not match the pattern"},
		{Capture{JSON: ".a"}, `{"a": "x"}`, "x"},
		{Capture{JSON: ".a.b.0.c"}, `{"a": {"b": [{"c": 12345678901234567890}]}}`, "12345678901234567890"},
		{Capture{JSON: ".a"}, `hush`, "error: its output is not JSON"},
		{Capture{JSON: ".a"}, ``, "error: its output is not JSON"},
		{Capture{JSON: ".a"}, `{"b": "hush"}`, "error: its output has no single value at .a"},
		{Capture{JSON: ".a"}, `{"a": {"b": "hush"}}`, "error: its output has no single value at .a"},
		{Capture{JSON: ".a"}, `{"a": true}`, "error: its output has no single value at .a"},
		{Capture{JSON: ".a.b"}, `{"a": "hush"}`, "error: its output has nothing at .a.b"},
		{Capture{JSON: ".1"}, `["a", "b"]`, "b"},
		{Capture{JSON: ".2"}, `["a", "b"]`, "error: its output has nothing at .2"},
		{Capture{JSON: ".-1"}, `["a", "b"]`, "error: its output has nothing at .-1"},
		{Capture{JSON: ".1x"}, `["a", "b"]`, "error: its output has nothing at .1x"},
	} {
		got, err := test.capture.find([]byte(test.output))
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != test.want {
			t.Errorf("%s of %s: got %q, want %q", test.capture.JSON, test.output, got, test.want)
		}
	}
	v := &vault{}
	r := capturing("", v)
	says(t, r.store([]byte("token: abc")), "cannot capture the secret id from /bin/busybox: its output does not match the pattern")
	if v.values != nil || r.Capture[0].Have {
		t.Error("half of the secrets are kept")
	}
}

func TestAnOutputHasANameThatIsOneOfAFile(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"run /usr/bin/wp install": "run__usr_bin_wp_install", "run ../../etc": "run_.._.._etc", "run é": "run__",
		strings.Repeat("a", 60):  strings.Repeat("a", 60), // of a longer one, a checksum says which
		strings.Repeat("a", 300): strings.Repeat("a", 60) + "-9835fa6b", strings.Repeat("a", 301): strings.Repeat("a", 60) + "-eb22b48c",
	} {
		if got := outputName(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

func TestACommandOfATreeNeedsRootOrIsSkipped(t *testing.T) {
	t.Parallel()
	h, dir := tree(t, map[string]string{"bin/x": "not a program"})
	must(t, os.Chmod(filepath.Join(dir, "bin/x"), 0o755))
	err := (&Run{ID: "x", Command: host.Command{Argv: []string{"/bin/x"}}}).Apply(t.Context(), h)
	if err == nil || errors.Is(err, fs.ErrNotExist) || bytes.Contains([]byte(err.Error()), []byte(dir)) {
		t.Error(err)
	}
}
