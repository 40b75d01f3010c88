package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/creack/pty"
)

// bashrc is what root's shell reads before this program comes.
const bashrc = "alias ll='ls -l'\n"

// logins measures what the wizard costs who logs in: its first frame, and, once it is over, nothing.
func logins(program string) {
	root, err := os.MkdirTemp("", "bench")
	check(err)
	defer os.RemoveAll(root)
	for name, content := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "root/.bashrc": bashrc, "before/.bashrc": bashrc,
		"run/cloud-init/instance-data.json": `{"v1": {"instance_id": "1"}}`,
		"etc/oneclick/app.yaml": "version: 1\napp: {name: Sample}\nfirst_boot: [{file: /etc/x, content: x}]\nfirst_login: {questions: " +
			"[{name: title, ask: Site title}]}\n",
		"etc/answers.yaml": "title: Garden\n",
	} {
		check(os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		check(os.WriteFile(filepath.Join(root, name), []byte(content), 0o644))
	}
	check(exec.Command(program, "first-boot", "--root", root).Run())
	firstFrame(program, root)
	check(exec.Command(program, "first-login", "--answers", "/etc/answers.yaml", "--root", root).Run())
	left, err := os.ReadFile(filepath.Join(root, "root/.bashrc"))
	check(err)
	if !bytes.Equal(left, []byte(bashrc)) {
		check(fmt.Errorf("the finished wizard leaves root's .bashrc as %q", left))
	}
	finishedLogin(root)
}

// firstFrame measures how long the wizard takes to show its first question on a terminal that answers nothing.
func firstFrame(program, root string) {
	var frames, nothing []time.Duration
	for range runs {
		nothing = append(nothing, clock(func() { check(exec.Command("/bin/true").Run()) }))
		wizard := exec.Command(program, "first-login", "--root", root)
		wizard.Env = []string{"TERM=xterm-256color", "LANG=C.UTF-8", "PATH=/usr/bin"}
		began := time.Now()
		terminal, err := pty.StartWithSize(wizard, &pty.Winsize{Cols: 80, Rows: 24})
		check(err)
		var seen []byte
		buffer := make([]byte, 4096)
		for !strings.Contains(string(seen), "Site title") {
			n, err := terminal.Read(buffer)
			check(err)
			seen = append(seen, buffer[:n]...)
		}
		frames = append(frames, time.Since(began))
		wizard.Process.Kill()
		wizard.Wait()
		terminal.Close()
	}
	report("the wizard's first frame, silent terminal", frames, "/bin/true", nothing)
}

// finishedLogin compares an interactive shell that reads what this program leaves behind with one that never knew it.
func finishedLogin(root string) {
	const finished = "/run/oneclick/finished"
	check(os.MkdirAll(filepath.Dir(finished), 0o755))
	if _, err := os.Stat(finished); errors.Is(err, os.ErrNotExist) {
		check(os.WriteFile(finished, nil, 0o644))
		defer os.Remove(finished)
	}
	shell := func(home, profile string) time.Duration {
		login := exec.Command("bash", "--rcfile", filepath.Join(home, ".bashrc"), "-i", "-c", profile)
		login.Env = []string{"TERM=xterm", "PATH=/usr/bin:/bin", "HOME=" + home}
		began := time.Now()
		terminal, err := pty.Start(login)
		check(err)
		check(login.Wait())
		spent := time.Since(began)
		terminal.Close()
		return spent
	}
	var after, before []time.Duration
	for range 4 * runs {
		before = append(before, shell(filepath.Join(root, "before"), ":"))
		after = append(after, shell(filepath.Join(root, "root"), ". motd/oneclick-progress.sh"))
	}
	report("a login once the wizard is finished", after, "without this program", before)
}
