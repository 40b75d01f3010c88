package snapshot

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

const perInstance = "/var/lib/cloud/scripts/per-instance"

func firstBootEntries() []Entry {
	return []Entry{
		{
			ID: "first_boot.ran", Severity: Critical, Mode: ReportOnly, Touches: []string{state.Directory},
			Reason: "first boot has run on this machine: what it wrote holds this machine's secrets",
			Remedy: "build the image anew, without first boot on the build machine; when nothing of it is left, remove " +
				state.RanOnImage,
			Find: func(_ context.Context, i *Image) ([]Subject, error) {
				if i.ranHere == "" {
					return nil, nil
				}
				return []Subject{{Name: i.ranHere}}, nil
			},
		},
		{
			ID:       "first_boot.state",
			Severity: Critical,
			Mode:     Default,
			Action:   Remove,
			Reason:   "what the agent knows of this machine; Droplets of the image would take themselves for copies of it",
			Touches: []string{
				state.Directory + "/*",
				state.GivenAnswers,
				state.DatabaseEnvironment,
				"/etc/profile.d/oneclick-database.sh",
				"/etc/systemd/system/*.d/50-oneclick-database.conf",
			},
		},
		{
			ID:       "first_boot.manifest",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "the manifest has a mistake, so that first boot would do nothing",
			Remedy:   "oneclick-agent lint",
			Touches:  []string{state.Manifest},
			Find: func(_ context.Context, i *Image) (subjects []Subject, _ error) {
				for _, p := range i.Problems {
					subjects = append(
						subjects,
						Subject{Name: p.Position.String(), Message: strings.TrimSpace(p.Path + " " + p.Message), Remedy: p.Hint},
					)
				}
				return subjects, nil
			},
		},
		{
			ID:       "first_boot.hook",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "cloud-init cannot run it",
			Touches:  []string{perInstance + "/*"},
			Find:     findHookTrouble,
		},
		{
			ID:       "first_boot.missing",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "nothing happens at the first boot of a Droplet: there is no script in it",
			Remedy:   "install oneclick-agent and write /etc/oneclick/app.yaml",
			Touches:  []string{perInstance},
			Find: func(_ context.Context, i *Image) ([]Subject, error) {
				if len(i.perInstanceScripts()) > 0 {
					return nil, nil
				}
				return []Subject{{Name: perInstance}}, nil
			},
		},
		{
			ID:       "first_login.guard",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "it runs in scp, sftp, rsync and ansible too, and breaks them",
			Remedy:   "let first_login in the manifest ask the questions, or guard the line: case $- in *i*) [ -t 0 ] && ... ;; esac",
			Touches:  []string{"/root/.bashrc", "/root/.profile", "/root/.bash_profile"}, Find: findUnguardedLines,
		},
		{
			ID:       "motd.scripts",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "one failing script freezes the whole message of the day",
			Touches:  []string{"/etc/update-motd.d/*"},
			Find:     findMessageTrouble,
		},
	}
}

// perInstanceScripts are what cloud-init runs once on each Droplet.
func (i *Image) perInstanceScripts() []string {
	return slices.DeleteFunc(i.expand(perInstance+"/*"), func(file string) bool {
		info, err := i.Files.Stat(file)
		return err != nil || info.IsDir()
	})
}

func findHookTrouble(ctx context.Context, i *Image) (subjects []Subject, _ error) {
	for _, script := range i.perInstanceScripts() {
		if message, remedy := i.scriptTrouble(ctx, script); message != "" {
			subjects = append(subjects, Subject{Name: script, Message: message, Remedy: remedy})
		}
	}
	for _, lost := range append(i.expand("/var/lib/cloud/scripts/*onboot*"), i.expand("/etc/cloud/scripts/per-instance/*")...) {
		subjects = append(
			subjects,
			Subject{Name: lost, Message: "cloud-init does not look for scripts here", Remedy: "move it to " + perInstance},
		)
	}
	return subjects, nil
}

// scriptTrouble says why a script cannot be run, "" where it can.
func (i *Image) scriptTrouble(ctx context.Context, script string) (message, remedy string) {
	info, err := i.Files.Stat(script)
	if err != nil || !info.Mode().IsRegular() {
		return "it is not a file, so that nothing runs it", "put the script itself there"
	}
	if info.Mode()&0o111 == 0 {
		return "it is not executable, so that it is passed over without a word", "chmod 0755 " + script
	}
	head, err := i.Files.ReadHead(script, 256)
	if err != nil {
		return "it cannot be read: " + err.Error(), ""
	}
	first, _, _ := strings.Cut(string(head), "\n")
	interpreter, isScript := strings.CutPrefix(first, "#!")
	switch {
	case strings.HasPrefix(string(head), "\x7fELF"):
		return "", ""
	case !isScript:
		return "it begins with no interpreter, so that it cannot be executed", "let it begin with #!/bin/sh"
	case strings.HasSuffix(first, "\r"):
		return "its lines end as on Windows, so that its interpreter is not found", "sed -i 's/\\r$//' " + script
	}
	fields := strings.Fields(interpreter)
	if len(fields) == 0 || !i.HasCommand(fields[0]) {
		return "its interpreter " + strings.TrimSpace(interpreter) + " is not on the image", "install it"
	}
	if path.Base(fields[0]) == "env" && len(fields) > 1 && !strings.HasPrefix(fields[1], "-") && !i.HasCommand(fields[1]) {
		return "its interpreter " + fields[1] + " is not on the image", "install it"
	}
	if name := path.Base(fields[0]); name == "sh" || name == "bash" || name == "dash" {
		return i.shellTrouble(ctx, fields[0], script)
	}
	return "", ""
}

// shellTrouble has the shell read a script without running it. A tree that cannot be entered is not asked.
func (i *Image) shellTrouble(ctx context.Context, shell, script string) (message, remedy string) {
	out, err := i.command(ctx, shell, "-n", script)
	if err == nil || !isExit(err) {
		return "", ""
	}
	return "the shell cannot read it: " + firstLine(out), "mend it, and check with " + shell + " -n " + script
}

// findUnguardedLines looks for lines that start a program, or print, for whoever arrives, people or not. A line is told
// by its number and its first word: the rest may hold a token.
func findUnguardedLines(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, file := range []string{"/root/.bashrc", "/root/.profile", "/root/.bash_profile"} {
		depth, forPeople := 0, false
		for number, line := range lines([]byte(i.text(file))) {
			words := strings.Fields(line)
			if len(words) == 0 || strings.HasPrefix(words[0], "#") {
				continue
			}
			if strings.Contains(line, "return") && (strings.Contains(line, "$-") || strings.Contains(line, "PS1")) {
				forPeople = true // what follows is not reached by others
			}
			inside := depth > 0
			depth += blockDepth(words)
			if inside || depth > 0 || forPeople || !disturbs(words) {
				continue
			}
			subjects = append(
				subjects,
				Subject{
					Name: file,
					Message: fmt.Sprintf(
						"line %d, %s ..., runs in scp, sftp, rsync and ansible too, and breaks them",
						number+1,
						words[0],
					),
				},
			)
		}
	}
	return subjects, nil
}

// blockDepth is how many if and case blocks a line opens, less those that it closes.
func blockDepth(words []string) (depth int) {
	for _, word := range words {
		switch strings.Trim(word, ";") {
		case "if", "case":
			depth++
		case "fi", "esac":
			depth--
		}
	}
	return depth
}

// disturbs reports whether a line starts a program by its path, or prints.
func disturbs(words []string) bool {
	word := strings.Trim(words[0], `"'`)
	if (word == "." || word == "source") && len(words) > 1 {
		sourced := strings.Trim(words[1], `"'`)
		return strings.HasPrefix(sourced, "/opt/") || strings.HasPrefix(sourced, "/usr/local/") || strings.HasPrefix(sourced, "/srv/")
	}
	return strings.HasPrefix(word, "/") || strings.HasPrefix(word, "./") || strings.HasPrefix(word, "~/") ||
		strings.HasPrefix(word, "$HOME/") ||
		slices.Contains([]string{"bash", "sh", "python3", "sudo", "echo", "printf", "cat", "clear", "read"}, word)
}

const messageWithin = 5 * time.Second

// findMessageTrouble runs each script of the message of the day as pam_motd does; in a tree it only reads them.
func findMessageTrouble(ctx context.Context, i *Image) (subjects []Subject, _ error) {
	for _, script := range i.expand("/etc/update-motd.d/*") {
		if !i.isFile(script) || i.packages.vouches(script) {
			continue
		}
		if strings.Contains(path.Base(script), ".") {
			subjects = append(
				subjects,
				Subject{Name: script, Status: Warn, Message: "a name with a dot is passed over", Remedy: "rename it"},
			)
			continue
		}
		message, remedy := i.scriptTrouble(ctx, script)
		if message == "" && i.Live() {
			ctx, cancel := context.WithTimeout(ctx, messageWithin)
			if _, err := i.Run(ctx, host.Command{Argv: []string{script}}); err != nil {
				message, remedy = err.Error()+", which freezes the whole message of the day", "let it end with exit 0"
			}
			cancel()
		} else if message == "" {
			message, remedy = i.sourcesMissing(script)
		}
		if message != "" {
			subjects = append(subjects, Subject{Name: script, Message: message, Remedy: remedy})
		}
	}
	return subjects, nil
}

// sourcesMissing finds the commonest reason for a script to fail: it reads in a file that is not there.
func (i *Image) sourcesMissing(script string) (message, remedy string) {
	for _, line := range i.textLines(script) {
		if fields := strings.Fields(line); len(fields) == 2 && (fields[0] == "." || fields[0] == "source") &&
			strings.HasPrefix(fields[1], "/") &&
			!i.Files.Exists(fields[1]) {
			return "it reads in " + fields[1] + ", which is not there on every Droplet, and ends the whole " +
				"message", "guard it: [ -r " + fields[1] + " ] && . " + fields[1]
		}
	}
	return "", ""
}

// isExit reports whether a program ran and said no, rather than could not be run at all.
func isExit(err error) bool {
	var failed *host.CommandError
	return errors.As(err, &failed) && failed.Status > 0
}
