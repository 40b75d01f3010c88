package trial

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"oneclick-agent/agent/state"
)

// Look describes the files of the Droplet by path: mode, owner and content, with names in the place of secrets.
func (d *Droplet) Look(ctx context.Context) (map[string]string, error) {
	named, err := d.Names(ctx)
	if err != nil {
		return nil, err
	}
	return look(d.Root, named)
}

// Changes lists what the setup made, changed or removed, with names in the place of secrets.
func (d *Droplet) Changes(ctx context.Context) (string, error) {
	named, err := d.Names(ctx)
	if err != nil {
		return "", err
	}
	before, err := look(d.Image.base, named)
	if err != nil {
		return "", err
	}
	after, err := look(d.Root, named)
	return Difference(before, after), err
}

// kept is what of the agent's own files belongs to the result.
var kept = []string{state.Gate, state.Message}

// IsRecord reports whether a path is the agent's own record of a Droplet, which differs from run to run.
func IsRecord(name string) bool {
	ours := strings.HasPrefix(name, state.Directory) || strings.HasPrefix(name, state.Runtime)
	return ours && !slices.ContainsFunc(kept, func(place string) bool { return strings.HasPrefix(name, place) })
}

func look(root string, named func(string) string) (map[string]string, error) {
	owners, err := accountsOf(root)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		relative := strings.TrimPrefix(name, root)
		if err != nil || relative == "" || relative == "/"+callsFile || IsRecord(relative) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%04o", info.Sys().(*syscall.Stat_t).Mode&0o7777) + owners.of(info)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			found[relative] = "-> " + target
			return err
		case entry.IsDir():
			found[relative+"/"] = text
			return nil
		case !info.Mode().IsRegular():
			return nil
		}
		data, err := os.ReadFile(name)
		found[relative] = text + "\n" + named(string(data))
		return err
	})
	return found, err
}

// owners are the accounts of a tree by their number. It is nil where nobody but the one who tries owns a file.
type owners map[uint32]string

func accountsOf(root string) (owners, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	users, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	known := owners{}
	for line := range strings.Lines(string(users)) {
		if fields := strings.Split(line, ":"); len(fields) > 2 {
			var id uint32
			if n, _ := fmt.Sscan(fields[2], &id); n == 1 {
				known[id] = fields[0]
			}
		}
	}
	return known, err
}

func (o owners) of(info fs.FileInfo) string {
	if o == nil {
		return ""
	}
	stat := info.Sys().(*syscall.Stat_t)
	return " " + o[stat.Uid] + ":" + o[stat.Gid]
}

// Difference lists what was made, changed or removed between two looks.
func Difference(before, after map[string]string) string {
	var b strings.Builder
	everything := maps.Clone(before)
	maps.Copy(everything, after)
	for _, name := range slices.Sorted(maps.Keys(everything)) {
		text, still := after[name]
		switch {
		case !still:
			fmt.Fprintf(&b, "%s removed\n", name)
		case text == before[name] || name == state.Message || isParent(name, text, before, after):
		default:
			attributes, content, _ := strings.Cut(text, "\n")
			fmt.Fprintf(&b, "%s %s\n", name, attributes)
			for line := range strings.Lines(content) {
				b.WriteString(strings.TrimRight("  | "+line, " \n") + "\n")
			}
		}
	}
	return b.String()
}

// isParent reports whether a directory is a new one of root's that only is there for what is below it.
func isParent(name, text string, before, after map[string]string) bool {
	_, was := before[name]
	if was || !strings.HasSuffix(name, "/") || text != "0755" && text != "0755 root:root" {
		return false
	}
	for other := range after {
		if other != name && strings.HasPrefix(other, name) {
			return true
		}
	}
	return false
}
