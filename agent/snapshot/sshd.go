package snapshot

import (
	"path"
	"slices"
	"strings"
)

// sshdConfig is what /etc/ssh/sshd_config and the files that it includes amount to: of each setting outside a Match
// block the first one counts (sshd_config(5)).
type sshdConfig struct {
	found  bool
	values map[string]string
	locks  []sshdLock
	keys   []string // AuthorizedKeysFile of Match blocks
}

// sshdLock is a ForceCommand that turns people away.
type sshdLock struct{ file, match string }

const maxIncludes = 16

func (i *Image) sshdConfiguration() *sshdConfig {
	if i.sshd == nil {
		i.sshd = &sshdConfig{values: map[string]string{}}
		i.sshd.read(i, "/etc/ssh/sshd_config", "", 0)
	}
	return i.sshd
}

// read takes one file up; match is the criteria of the Match block that included it.
func (c *sshdConfig) read(i *Image, file, match string, depth int) {
	if depth > maxIncludes || !i.Files.Exists(file) {
		return
	}
	c.found = true
	for _, line := range i.textLines(file) {
		key, value := splitSetting(line)
		switch low := strings.ToLower(key); {
		case low == "match":
			match = value
		case low == "include":
			for pattern := range strings.FieldsSeq(value) {
				if !strings.HasPrefix(pattern, "/") {
					pattern = path.Join("/etc/ssh", pattern)
				}
				included := i.expand(pattern)
				slices.Sort(included)
				for _, below := range included {
					c.read(i, below, match, depth+1)
				}
			}
		case low == "forcecommand" && value != "none" && value != "internal-sftp" && concernsRoot(match):
			c.locks = append(c.locks, sshdLock{file, match})
		case match == "" || strings.EqualFold(strings.TrimSpace(match), "all"):
			if _, there := c.values[low]; !there {
				c.values[low] = value
			}
		case low == "authorizedkeysfile":
			c.keys = append(c.keys, strings.Fields(value)...)
		}
	}
}

func splitSetting(line string) (key, value string) {
	at := strings.IndexAny(line, " \t=")
	if at < 0 {
		return line, ""
	}
	return line[:at], strings.Trim(strings.TrimLeft(line[at:], " \t="), `"`)
}

// concernsRoot reports whether a Match block, or the whole configuration, is about root.
func concernsRoot(match string) bool {
	words := strings.Fields(strings.ToLower(match))
	if len(words) == 0 || words[0] == "all" {
		return true
	}
	for n := 0; n+1 < len(words); n += 2 {
		if words[n] == "user" && slices.ContainsFunc(strings.Split(words[n+1], ","), func(p string) bool { ok, _ := path.Match(p, "root"); return ok }) {
			return true
		}
	}
	return false
}

// get is a setting in small letters where it is a choice, "" where it is not set.
func (c *sshdConfig) get(key string) string {
	value := c.values[strings.ToLower(key)]
	if low := strings.ToLower(value); low == "yes" || low == "no" || low == "none" {
		return low
	}
	return value
}

// keyFiles are all patterns of AuthorizedKeysFile.
func (c *sshdConfig) keyFiles() []string {
	files := strings.Fields(c.get("AuthorizedKeysFile"))
	for _, usual := range append([]string{".ssh/authorized_keys", ".ssh/authorized_keys2"}, c.keys...) {
		if !slices.Contains(files, usual) {
			files = append(files, usual)
		}
	}
	return slices.DeleteFunc(files, func(file string) bool { return file == "none" })
}
