package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a power cut left of the state, the message is printed and the exit status is 0: one failing script would
// freeze the message of the day of the whole system.
func TestTheMessageComesWhateverIsLeftOfTheState(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, content := range map[string]string{
		"etc/oneclick/app.yaml": "version: 1\napp: {name: Sample}\nfirst_boot: [{file: /etc/a, content: " +
			"x}]\n", "run/cloud-init/instance-data.json": `{"v1": {"instance_id": "1"}}`,
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755)
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	os.MkdirAll(filepath.Join(root, "root"), 0o755)
	var out bytes.Buffer
	if code := run(context.Background(), []string{"oneclick-agent", "first-boot", "--root", root}, &out, &out); code != 0 {
		t.Fatal(out.String())
	}
	for _, name := range []string{"var/lib/oneclick/journal.jsonl", "run/oneclick/motd"} {
		whole, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for length := range whole {
			if err := os.WriteFile(filepath.Join(root, name), whole[:length], 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if code := run(context.Background(), []string{"oneclick-agent", "motd", "--root", root}, &out, &out); code != 0 ||
				name != "run/oneclick/motd" && out.String() != "Sample\n" {
				t.Fatalf("with %d bytes of %s it exits with %d and prints %q", length, name, code, out.String())
			}
		}
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if code := run(context.Background(), []string{"oneclick-agent", "motd", "--root", root}, &out, &out); code != 0 || out.Len() == 0 {
			t.Errorf("without %s it exits with %d and prints %q", name, code, out.String())
		}
	}
}

// The real run-parts runs the shipped hook beside one that fails, in a mount namespace with a message of ours.
func TestTheHookIsRunBesideAFailingNeighbour(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a mount namespace hides the machine's own /run/oneclick")
	}
	directory := t.TempDir()
	script := `set -e
mkdir -p /run/oneclick "$1/hooks"
mount -t tmpfs none /run/oneclick
cp ../../motd/99-one-click "$1/hooks/"
printf '#!/bin/sh\nexit 1\n' >"$1/hooks/50-fails"
chmod +x "$1"/hooks/*
[ -z "$2" ] || printf 'Sample\n\nA line with  two blanks and a \\ in it\n' >/run/oneclick/motd
run-parts --lsbsysinit "$1/hooks" 2>/dev/null || :
rm "$1/hooks/50-fails"
run-parts --lsbsysinit "$1/hooks" >/dev/null && echo good
`
	for message, want := range map[string]string{"there": "Sample\n\nA line with  two blanks and a \\ in it\ngood\n", "": "good\n"} {
		out, err := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", directory, message).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("got %q, %v; want %q", out, err, want)
		}
	}
}

// Neither the hook nor the command starts a process or connects to anything.
func TestTheMessageStartsNoProcessAndAsksNobody(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
	program := filepath.Join(t.TempDir(), "oneclick-agent")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, command := range [][]string{{"sh", "../../motd/99-one-click"}, {program, "motd"}} {
		log := filepath.Join(t.TempDir(), "log")
		if out, err := exec.Command("strace", append([]string{"-f", "-o", log, "-e", "trace=execve,connect,fork,vfork,socket"},
			command...)...).CombinedOutput(); err != nil {
			t.Fatalf("strace does not work here: %v: %s", err, out)
		}
		calls, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(calls); strings.Count(text, "execve(") != 1 || strings.Contains(text, "connect(") || strings.Contains(text, "fork(") ||
			strings.Contains(text, "socket(") {
			t.Errorf("%v does\n%s", command, text)
		}
	}
}
