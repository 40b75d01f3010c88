// Package motd turns the state of a Droplet into the message of the day. Every local user can read it, so no
// secret is ever in it.
package motd

import (
	"fmt"
	"io/fs"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/problem"
)

const (
	// Path is the rendered message; the hook in /etc/update-motd.d only prints it.
	Path = "/run/oneclick/motd"
	// redHatDirectory is where pam_motd of the RHEL family reads messages by itself.
	redHatDirectory = "/run/motd.d"
	debianDirectory = "/etc/update-motd.d"
	maxLines        = 12
	maxWidth        = 78
)

// Message is what the message of the day is made from.
type Message struct {
	Name, Version, URL string
	Text               string // the vendor's, already filled in
	Boot               journal.State
	// Login says how first login stands, one sentence a line; none where there is nothing to say.
	Login []string
}

// Render writes the message: what runs here, then how its setup stands, worst first, with the next command.
func (m Message) Render() string {
	lines := []string{strings.TrimSpace(m.Name + " " + m.Version)}
	if m.URL != "" {
		lines[0] += "  -  " + m.URL
	}
	lines = append(append(lines, Situation(m.Boot)...), m.Login...)
	vendor := strings.Split(strings.TrimSpace(m.Text), "\n")
	if m.Boot.Finished() && vendor[0] != "" {
		lines = append(append(lines, ""), vendor...)
	}
	for i := range lines {
		lines[i] = ascii(lines[i])
	}
	return strings.Join(lines[:min(len(lines), maxLines)], "\n") + "\n"
}

// Situation says how the setup stands and what to do next, one sentence a line.
func Situation(state journal.State) []string {
	switch state.Phase {
	case "":
		return []string{"Setup has not begun. See: oneclick-agent status"}
	case "running":
		return []string{"Setup is running. Follow it with: oneclick-agent status --wait"}
	case "pending":
		return []string{"Setup is waiting: " + state.Message, "It is tried again by itself. Try now with: oneclick-agent first-boot"}
	case "failed":
		return []string{"Setup FAILED: " + state.Message, "Details: oneclick-agent status. Try again with: oneclick-agent first-boot"}
	}
	var lines []string
	if state.ClonedFrom != "" {
		lines = append(lines, "This Droplet is a copy of Droplet "+state.ClonedFrom+" and has the same passwords.",
			"Make new ones with: oneclick-agent rotate --all")
	}
	if state.Phase == "degraded" {
		lines = append(lines, "Setup is done, but something optional failed. See: oneclick-agent status")
	}
	return lines
}

// ascii keeps a line printable on any terminal: the MOTD is shown before anything is known of it.
func ascii(line string) string {
	line = strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, problem.Printable(line))
	return line[:min(len(line), maxWidth)]
}

// FinishedPath is there as long as first boot is known to be finished: logins look for it with shell built-ins.
const FinishedPath = "/run/oneclick/finished"

// Write puts the message where logins find it, and marks whether first boot is finished.
func Write(files *host.Root, text string, finished bool) error {
	if err := files.MakeDirectory("/run/oneclick", host.Mode(0o755)); err != nil {
		return err
	}
	mode := host.Attributes{Mode: new(fs.FileMode(0o644))}
	var err error
	if finished {
		_, err = files.WriteFile(FinishedPath, nil, mode)
	} else {
		err = files.Remove(FinishedPath)
	}
	if err != nil {
		return err
	}
	if _, err := files.WriteFile(Path, []byte(text), mode); err != nil {
		return err
	}
	if files.Exists(debianDirectory) || !files.Exists("/etc/redhat-release") {
		return nil
	}
	if err := files.MakeDirectory(redHatDirectory, host.Mode(0o755)); err != nil {
		return err
	}
	_, err = files.WriteFile(redHatDirectory+"/40-oneclick", []byte(text), mode)
	return err
}

// Read returns the rendered message; when there is none, a sentence that says where to look.
func Read(files *host.Root) string {
	data, err := files.ReadFile(Path, 64<<10)
	if err != nil {
		return fmt.Sprintln("How the setup of this Droplet stands: oneclick-agent status")
	}
	return string(data)
}
