package snapshot

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/host"
)

// editLines gives a text file of the image without the lines that keep refuses, durably and with everything else as it
// was. A line that keep returns changed is changed.
func (i *Image) editLines(file string, keep func(line string) (string, bool)) error {
	if i.mounted(file) {
		return fmt.Errorf("cannot change %s: it is mounted there, and is not part of the image", file)
	}
	before, err := i.Files.ReadFile(file, maxText)
	if err != nil {
		return err
	}
	var after strings.Builder
	for line := range strings.Lines(string(before)) {
		text, ending := strings.TrimRight(line, "\r\n"), line[len(strings.TrimRight(line, "\r\n")):]
		if text, ok := keep(text); ok {
			after.WriteString(text + ending)
		}
	}
	_, err = i.Files.WriteFile(file, []byte(after.String()), host.Attributes{})
	return err
}

// hasLine reports whether a line of the file is matched.
func (i *Image) hasLine(file string, matches func(line string) bool) bool {
	return slices.ContainsFunc(lines([]byte(i.text(file))), matches)
}

// dropLines makes the Clean of an entry that takes lines out of a file.
func dropLines(matches func(*Image, string) bool) func(context.Context, *Image, string) error {
	return func(_ context.Context, i *Image, file string) error {
		return i.editLines(file, func(line string) (string, bool) { return line, !matches(i, line) })
	}
}

// hasLineFor makes the Holds that goes with dropLines.
func hasLineFor(matches func(*Image, string) bool) func(*Image, string) bool {
	return func(i *Image, file string) bool {
		return i.isFile(file) && i.hasLine(file, func(line string) bool { return matches(i, line) })
	}
}

// regular is a Holds that takes regular files only.
func regular(i *Image, file string) bool { return i.isFile(file) }

// filled is a Holds that takes regular files with something in them.
func filled(i *Image, file string) bool { return i.hasContent(file) }

// notDirectory is a Holds for everything that removing or unlinking ends.
func notDirectory(i *Image, file string) bool {
	info, err := i.Files.Lstat(file)
	return err == nil && !info.IsDir()
}

// butNot makes a Holds that leaves out names.
func butNot(names ...string) func(*Image, string) bool {
	return func(_ *Image, file string) bool { return !slices.Contains(names, path.Base(file)) }
}

// containing makes a Holds that takes files with one of the words in them.
func containing(words ...string) func(*Image, string) bool {
	return func(i *Image, file string) bool {
		text := i.text(file)
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
	}
}

// stopping makes a Prepare that stops units which would write again what is cleaned.
func stopping(units ...string) func(context.Context, *Image) {
	return func(ctx context.Context, i *Image) {
		for _, unit := range units {
			if state, err := i.Units.State(ctx, unit); err == nil && state.Active == "active" {
				if err := i.Units.Do(ctx, host.Stop, unit); err != nil {
					i.Report("warning: " + err.Error())
				}
			}
		}
	}
}

// worldReadable reports whether everybody may read the file.
func worldReadable(info fs.FileInfo) bool { return info.Mode().Perm()&0o004 != 0 }
