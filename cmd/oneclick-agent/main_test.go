package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"oneclick-agent": main,
		"attacker":       attack,
		"oneclick-gate": func() {
			os.Exit(run(context.Background(), append([]string{"oneclick-gate"}, os.Args[1:]...), os.Stdout, os.Stderr))
		},
	})
}

// TestScripts runs the real program on directory trees: every command and error a user can meet.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			docs, err := filepath.Abs("../../docs")
			env.Setenv("DOCS", docs)
			return errors.Join(err, os.MkdirAll(filepath.Join(env.WorkDir, "root/root"), 0o755))
		},
	})
}

// TestTheShippedPagesOfTheCommandsAreTheirOwn: docs/commands.md is what the commands say of themselves.
func TestTheShippedPagesOfTheCommandsAreTheirOwn(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if run(t.Context(), []string{"oneclick-agent", "reference"}, &said, &said); !bytes.Equal(said.Bytes(), shipped) {
		t.Error("docs/commands.md is not what the commands say of themselves; run: make docs")
	}
}

// exits runs a program that must end with this exit code: exits CODE PROGRAM ARGUMENT...
func exits(ts *testscript.TestScript, _ bool, arguments []string) {
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(arguments[1], arguments[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v: %v", arguments, err)
	}
	if want := arguments[0]; strconv.Itoa(code) != want {
		ts.Fatalf("%v ended with %d, and not with %s", arguments[1:], code, want)
	}
}
