package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"oneclick-agent": main,
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
		Setup: func(env *testscript.Env) error {
			return os.MkdirAll(filepath.Join(env.WorkDir, "root/root"), 0o755)
		},
	})
}
