package firstboot

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"syscall"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// accounts are the files that every tree of these tests has: two users, and who the Droplet is.
var accounts = map[string]string{
	"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n",
	"/etc/group":  "root:x:0:\nwww-data:x:33:\n",
	"/run/cloud-init/instance-data.json": `{"v1": {"instance_id": "2756294", "local_hostname": "sample"}, "ds": {"meta_data":
		{"interfaces": {"public": [{"ipv4": {"ip_address": "203.0.113.10"}}]}}}}`,
	"/root/keep": "untouched\n",
}

// newTree makes a directory tree of these files.
func newTree(t testing.TB, files ...map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for _, set := range files {
		for name, content := range set {
			target := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(target, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// boot runs first boot on a tree, as the command does. Before may be nil.
func boot(t testing.TB, root string, before func(host.Operation) error) (journal.Phase, error) {
	t.Helper()
	return on(t, root, before, func(s *facts.Facts) (journal.Phase, error) { return Run(context.Background(), s, false) })
}

// read reads the manifest of a tree.
func read(h *host.Host) (*manifest.Manifest, error) { return lint.Read(h, state.Manifest) }

// on prepares a setup on a tree, whose host calls before ahead of each change, and uses it.
func on(
	t testing.TB,
	root string,
	before func(host.Operation) error,
	use func(*facts.Facts) (journal.Phase, error),
) (journal.Phase, error) {
	t.Helper()
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.Files.Before = before
	m, err := read(h)
	if err != nil {
		t.Fatalf("the manifest has problems:\n%s", err)
	}
	setup, err := facts.Gather(context.Background(), h, m, state.Manifest, "none")
	if err != nil {
		return journal.Failed, err
	}
	return use(setup)
}

// dump describes a tree, one line a file, with names in the place of this run's secrets. What differs from run to
// run without meaning (the journal's times, the lock) is left out.
func dump(t testing.TB, root string) string {
	t.Helper()
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	store, err := secret.Open(h.Files)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, name := range store.Names() {
		fields, _ := store.Get(name)
		for field, value := range fields {
			quoted, _ := json.Marshal(value.Reveal())
			named := "[secret " + name + "." + field + "]"
			pairs = append(pairs, value.Reveal(), named, strings.Trim(string(quoted), `"`), named)
		}
	}
	named := strings.NewReplacer(pairs...)
	var lines []string
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative := strings.TrimPrefix(name, root)
		if relative == "/var/lib/oneclick/journal.jsonl" || relative == "/var/lib/oneclick/lock" || relative == "" {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%s %v %d:%d", relative, info.Mode(), stat.Uid, stat.Gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " -> " + target
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += " " + fmt.Sprintf("%q", seal.ReplaceAllString(named.Replace(string(data)), "SEAL"))
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// seal is the checksum of a file that holds secrets.
var seal = regexp.MustCompile(`[0-9a-f]{64}`)

// needRoot skips what only root can do. On a full machine the tests run as root.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: files are given to other users")
	}
}
