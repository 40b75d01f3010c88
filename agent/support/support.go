// Package support writes one archive with everything that a support person needs to understand a Droplet, however broken
// that is, and without a secret. What cannot be got is told in the archive itself, with the reason.
package support

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/state"
)

const (
	// within is how long everything may take together.
	within = 3 * time.Minute
	// maxPart is the most that one file of the archive holds, in bytes; maxTotal all of them together, before they are packed.
	maxPart  = 1 << 20
	maxTotal = 24 << 20
)

// Case is what an archive is about.
type Case struct {
	Host *host.Host
	// Manifest is the manifest's path.
	Manifest string
	// Program is the version of this program, in words.
	Program string
}

// Part is one file of the archive.
type Part struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Bytes int    `json:"bytes"`
}

// Missing is what the archive was to have and does not have.
type Missing struct {
	Name   string `json:"name"`
	About  string `json:"about"`
	Reason string `json:"reason"`
}

// Contents are what is in an archive, and where it is.
type Contents struct {
	// File is where the archive stands, as this machine sees it.
	File     string    `json:"file"`
	Bytes    int       `json:"bytes"`
	Parts    []Part    `json:"contents"`
	Missing  []Missing `json:"missing"`
	inTree   string
	address  string
	produced time.Time
}

// Write collects everything and writes the archive to file, "" for its usual place. The file is root's alone. Of the Droplet
// nothing is changed.
func Write(ctx context.Context, c Case, file string) (Contents, error) {
	files := c.Host.Files
	if file == "" {
		file = state.Support
		if err := state.MakeDirectory(files); err != nil {
			return Contents{}, elsewhere(err)
		}
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	l := look(limited, c)
	collected := l.collect(limited)
	if ctx.Err() != nil {
		return Contents{}, fmt.Errorf("cannot write %s: it was interrupted; nothing was written", file)
	}
	contents := Contents{
		File: filepath.Join(files.Dir(), file), Parts: []Part{}, Missing: append([]Missing{}, collected.missing...),
		inTree: file, address: l.address(), produced: c.Host.Now().UTC(),
	}
	for _, part := range collected.parts {
		contents.Parts = append(contents.Parts, part.Part)
	}
	packed, err := pack(collected.parts, contents)
	if err != nil {
		return Contents{}, fmt.Errorf("cannot pack %s: %w", file, err)
	}
	contents.Bytes = len(packed)
	_, err = files.WriteFile(file, packed, host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	if err != nil {
		return Contents{}, elsewhere(err)
	}
	return contents, nil
}

// elsewhere says what helps where the disk is full or broken.
func elsewhere(err error) error {
	return fmt.Errorf("%w; write it elsewhere with --output, for instance to /dev/shm/support.tar.gz", err)
}

// WriteText says what is in the archive, what is not and why, and how it is got off the Droplet.
func (c Contents) WriteText(w io.Writer) {
	fmt.Fprintf(w, "%s (%d kB) is for a support person. All secrets are taken out. It has:\n", problem.OneLine(c.File), (c.Bytes+999)/1000)
	c.list(w)
	fmt.Fprintln(w, "Only root can read it. Look through it before you send it.")
	if c.address != "" {
		fmt.Fprintf(w, "Fetch it, on your own computer: scp root@%s:%s .\n", c.address, problem.OneLine(c.inTree))
	}
}

// list names the parts, and what is missing, by the reasons.
func (c Contents) list(w io.Writer) {
	width := 0
	for _, part := range c.Parts {
		width = max(width, len(part.Name))
	}
	for _, part := range c.Parts {
		fmt.Fprintf(w, "  %-*s  %s\n", width, part.Name, part.About)
	}
	var reasons []string
	lacking := map[string][]string{}
	for _, missing := range c.Missing {
		if lacking[missing.Reason] == nil {
			reasons = append(reasons, missing.Reason)
		}
		lacking[missing.Reason] = append(lacking[missing.Reason], missing.Name)
	}
	if len(reasons) > 0 {
		fmt.Fprintln(w, "It does not have:")
	}
	for _, reason := range reasons {
		fmt.Fprintf(w, "  %s: %s\n", strings.Join(lacking[reason], ", "), reason)
	}
}

// WriteJSON prints the same as one document.
func (c Contents) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(c)
}

// folder is the directory that everything in the archive lies in.
const folder = "oneclick-support"

// address is how the Droplet is reached from outside, "" for a tree.
func (l *lookout) address() string {
	address := ""
	switch {
	case !l.host.Live():
		return ""
	case l.facts != nil:
		address = l.facts.Droplet.Address()
	}
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return cmp.Or(address, "ADDRESS-OF-THE-DROPLET")
}

// inFolder is a part's path in the archive.
func inFolder(name string) string { return path.Join(folder, name) }
