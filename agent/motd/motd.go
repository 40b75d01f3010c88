// Package motd turns the state of a Droplet into the message of the day. Every local user can read it, so no
// secret is ever in it.
package motd

import (
	"fmt"
	"io/fs"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
)

const (
	// redHatDirectory is where pam_motd of the RHEL family reads messages by itself.
	redHatDirectory = "/run/motd.d"
	debianDirectory = "/etc/update-motd.d"
	maxWidth        = 78
	// MaxText is how many lines the vendor's text may have, wrapped.
	MaxText = 48
	// longestWord is what no word of a real message reaches.
	longestWord = 400
)

// Message is what the message of the day is made from.
type Message struct {
	Name, Version, URL string
	// Lines say how the setup stands, one sentence a line; none where there is nothing to say.
	Lines []string
	// Text is the vendor's, already filled in.
	Text string
	// Complete tells whether first boot is complete, so that logins need not look for its progress.
	Complete bool
}

// Render writes the message: what runs here, how its setup stands, worst first, with the next command, and the vendor's
// text. What is longer than a line goes on, indented, on the next one.
func (m Message) Render() string {
	var lines []string
	if name := problem.OneLine(m.Name + " " + m.Version); name != "" {
		if m.URL != "" {
			name += "  -  " + problem.OneLine(m.URL)
		}
		lines = wrap(ascii(name))
	}
	for _, line := range m.Lines {
		lines = append(lines, wrap(ascii(problem.OneLine(line)))...) // a reason may have lines, of which some could look like ours
	}
	if vendor := Lines(m.Text); len(vendor) > 0 {
		if len(vendor) > MaxText {
			vendor = append(vendor[:MaxText-1], "(the rest of this message is too long to be shown)")
		}
		lines = append(append(lines, ""), vendor...)
	}
	return strings.Join(lines, "\n") + "\n"
}

// wrap breaks text at its spaces; a word that is longer than a line, as an address or a path can be, stays
// whole, and so does the command at the end, because it is copied.
func wrap(text string) (lines []string) {
	const indent = "  "
	line, words := "", strings.Split(text, " ")
	if at := strings.LastIndex(text, " oneclick-agent "); at > 0 && len(text)-at < maxWidth-len(indent) {
		words = append(strings.Split(text[:at], " "), text[at+1:])
	}
	for i, word := range words {
		switch {
		case i == 0:
			line = word
		case len(line)+1+len(word) > maxWidth:
			lines = append(lines, strings.TrimRight(line, " "))
			line = indent + word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// Lines are the vendor's text as it is shown: wrapped at words, each further line as far in as its first. A word that is
// wider than a terminal is an address or a command, and stays whole.
func Lines(text string) (lines []string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(ascii(line), " \t")
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if len(line) <= maxWidth {
			lines = append(lines, line)
			continue
		}
		begun := indent[:min(len(indent), maxWidth/2)]
		empty := len(begun)
		for _, word := range strings.Fields(line) {
			word = word[:min(len(word), longestWord)]
			switch {
			case len(begun) == empty:
				begun += word
			case len(begun)+1+len(word) > maxWidth:
				lines, begun = append(lines, begun), begun[:empty]+word
			default:
				begun += " " + word
			}
		}
		lines = append(lines, begun)
	}
	return lines
}

// ascii keeps a line printable on any terminal: the MOTD is shown before anything is known of it.
func ascii(line string) string {
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, problem.Printable(line))
}

// Write puts the message where logins find it, and marks whether first boot is complete.
func Write(files *host.Root, m Message) error {
	if err := files.MakeDirectory(state.Runtime, host.Mode(0o755)); err != nil {
		return err
	}
	mode := host.Attributes{Mode: new(fs.FileMode(0o644))}
	var err error
	if m.Complete {
		_, err = files.WriteFile(state.Finished, nil, mode)
	} else {
		err = files.Remove(state.Finished)
	}
	if err != nil {
		return err
	}
	text := m.Render()
	if _, err := files.WriteFile(state.Message, []byte(text), mode); err != nil {
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
	data, err := files.ReadFile(state.Message, 64<<10)
	if err != nil {
		return fmt.Sprintln("How the setup of this Droplet stands: oneclick-agent status")
	}
	return string(data)
}
