package support

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/plan"
	"oneclick-agent/agent/scan"
	"oneclick-agent/agent/state"
	"oneclick-agent/agent/status"
)

// source is where a part of the archive comes from.
type source struct {
	name, about string
	read        func(context.Context) (string, error)
}

// lookout is what is known of a Droplet before anything is collected. Each of its parts may be missing.
type lookout struct {
	Case
	host     *host.Host
	redact   func(string) string
	manifest *manifest.Manifest
	facts    *facts.Facts
	// wrong is what is wrong with the manifest, unclear why the facts cannot be told, and hidden why not all secrets are known.
	wrong, unclear, hidden error
}

// look finds out what there is to collect from.
func look(ctx context.Context, c Case) *lookout {
	l := &lookout{Case: c, host: c.Host}
	l.manifest, l.wrong = lint.Read(c.Host, c.Manifest)
	l.unclear = errors.New("the manifest has mistakes; see problems.txt")
	if l.wrong == nil {
		l.facts, l.unclear = facts.Gather(ctx, c.Host, l.manifest, c.Manifest, droplet.NoMetadata)
	}
	redactor, err := facts.Secrets(c.Host.Files)
	l.hidden, l.redact = err, redactor.Redact
	c.Host.Redact = redactor.Redact
	return l
}

func (l *lookout) collect(ctx context.Context) *collection {
	c := &collection{redact: l.redact, scanner: scan.New(nil), buffer: scan.NewBuffer()}
	for _, s := range slices.Concat(l.setup(), l.systemd(), l.outputs(), l.machine()) {
		c.add(ctx, s)
	}
	return c
}

// setup is what this program knows.
func (l *lookout) setup() []source {
	sources := []source{
		{"status.txt", "how the setup stands", func(context.Context) (string, error) {
			return l.status(func(s status.Status, w io.Writer) error { s.WriteText(w); return nil })
		}},
		{"status.json", "the same for programs", func(context.Context) (string, error) {
			return l.status(status.Status.WriteJSON)
		}},
		{"plan.txt", "what the setup does, in order", func(ctx context.Context) (string, error) {
			if l.facts == nil {
				return "", l.unclear
			}
			var text strings.Builder
			err := plan.Show(l.facts.Filling(ctx), false).Write(&text)
			return text.String(), err
		}},
		l.file("app.yaml", "the image's manifest", l.Manifest),
		l.file("first-boot.jsonl", "the record of first boot", state.Journal),
		l.file("first-login.jsonl", "the record of first login", state.LoginJournal),
		{"versions.txt", "this program, the kernel and the Droplet", l.versions},
		l.file("os-release", "the system", "/etc/os-release"),
		l.file("cloud-init/result.json", "what cloud-init came to", "/var/lib/cloud/data/result.json"),
		l.file("cloud-init/status.json", "how cloud-init stands", "/var/lib/cloud/data/status.json"),
	}
	if l.wrong != nil {
		sources = append(sources, source{"problems.txt", "what is wrong with the manifest", func(context.Context) (string, error) {
			return l.wrong.Error() + "\n", nil
		}})
	}
	return sources
}

func (l *lookout) status(write func(status.Status, io.Writer) error) (string, error) {
	stands, err := status.Read(l.host, l.facts)
	if cause := cmp.Or(l.wrong, l.unclear); cause != nil {
		stands, err = status.ReadWithout(l.host, cause)
	}
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = write(stands, &text)
	return text.String(), err
}

func (l *lookout) versions(context.Context) (string, error) {
	var text strings.Builder
	fmt.Fprintln(&text, l.Program)
	if l.host.Live() {
		fmt.Fprintln(&text, "kernel", host.KernelRelease())
	}
	if l.facts == nil {
		return text.String(), nil
	}
	encoded, err := json.MarshalIndent(l.facts.Droplet, "", "  ")
	text.Write(append(encoded, '\n'))
	return text.String(), err
}

// file is the end of a file.
func (l *lookout) file(name, about, from string) source {
	return source{name, about + ", " + from, func(context.Context) (string, error) { return l.end(from) }}
}

// end reads the end of a file, from the begin of a line on.
func (l *lookout) end(from string) (string, error) {
	file, err := l.host.Files.OpenRead(from)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", from, err)
	}
	skipped := max(0, info.Size()-maxPart)
	data, err := io.ReadAll(io.NewSectionReader(file, skipped, maxPart))
	text := string(data)
	if skipped == 0 && len(data) == 0 { // files of /proc and /sys have no size
		data, err = io.ReadAll(io.LimitReader(file, maxPart))
		text = string(data)
	}
	if skipped > 0 {
		_, text, _ = strings.Cut(text, "\n")
		text = fmt.Sprintf("[the first %d bytes are left out]\n%s", skipped, text)
	}
	return text, err
}

// mostOutputs is how many files of what commands printed are taken, the newest ones.
const mostOutputs = 200

// outputs are what the commands of the setup printed.
func (l *lookout) outputs() (sources []source) {
	entries, err := l.host.Files.ReadDir(state.Output)
	if err != nil {
		return []source{{"output", "what the setup's commands printed", func(context.Context) (string, error) { return "", err }}}
	}
	written := map[string]time.Time{}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			written[entry.Name()] = info.ModTime()
		}
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		return written[b.Name()].Compare(written[a.Name()])
	})
	for _, entry := range entries[:min(len(entries), mostOutputs)] {
		sources = append(sources, l.file("output/"+entry.Name(), "what a command printed", path.Join(state.Output, entry.Name())))
	}
	return sources
}
