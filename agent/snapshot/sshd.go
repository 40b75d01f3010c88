package snapshot

import (
	"path"
	"slices"
	"strings"
)

// sshdConfig is what /etc/ssh/sshd_config and the files that it includes say, in order (sshd_config(5)).
type sshdConfig struct {
	found    bool
	included int
	settings []sshdSetting
}

// sshdSetting is one line; match is the criteria of the Match block that it stands in, "" outside of any.
type sshdSetting struct{ file, match, key, value string }

const (
	// maxDepthOfIncludes is sshd's own limit; maxIncluded bounds files that include one another many times over.
	maxDepthOfIncludes = 16
	maxIncluded        = 256
)

func (i *Image) sshdConfiguration() *sshdConfig {
	if i.sshd == nil {
		i.sshd = &sshdConfig{}
		i.sshd.read(i, "/etc/ssh/sshd_config", "", 0)
	}
	return i.sshd
}

// read takes one file up; match is the criteria of the Match block that included it.
func (c *sshdConfig) read(i *Image, file, match string, depth int) {
	if c.included++; depth > maxDepthOfIncludes || c.included > maxIncluded || !i.Files.Exists(file) {
		return
	}
	c.found = true
	for _, line := range i.textLines(file) {
		key, value := splitSetting(line)
		switch key {
		case "match":
			match = value
			if strings.EqualFold(value, "all") {
				match = ""
			}
		case "include":
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
		default:
			c.settings = append(c.settings, sshdSetting{file, match, key, value})
		}
	}
}

// splitSetting returns the key in small letters, and the value as it stands, or in small letters where it is a choice.
func splitSetting(line string) (key, value string) {
	at := strings.IndexAny(line, " \t=")
	if at < 0 {
		return strings.ToLower(line), ""
	}
	value = strings.Trim(strings.TrimLeft(line[at:], " \t="), `"`)
	if low := strings.ToLower(value); low == "yes" || low == "no" || low == "none" {
		value = low
	}
	return strings.ToLower(line[:at]), value
}

// get is a setting outside of Match blocks: the first one counts. It is "" where it is not set.
func (c *sshdConfig) get(key string) string {
	for _, s := range c.settings {
		if s.match == "" && s.key == strings.ToLower(key) {
			return s.value
		}
	}
	return ""
}

// inBlocks are the settings of a key in Match blocks.
func (c *sshdConfig) inBlocks(key string) (found []sshdSetting) {
	for _, s := range c.settings {
		if s.match != "" && s.key == strings.ToLower(key) {
			found = append(found, s)
		}
	}
	return found
}

// concernsRoot reports whether a Match block, or the whole configuration, can be about root: it names root, or no user.
func (s sshdSetting) concernsRoot() bool {
	words := strings.Fields(s.match)
	for n := 0; n+1 < len(words); n += 2 {
		if !strings.EqualFold(words[n], "user") {
			continue
		}
		named := false
		for pattern := range strings.SplitSeq(words[n+1], ",") {
			not := strings.HasPrefix(pattern, "!")
			if ok, _ := path.Match(strings.TrimPrefix(pattern, "!"), "root"); ok && not {
				return false
			} else if ok {
				named = true
			}
		}
		return named
	}
	return true
}

// locks are the ForceCommands that turn root away.
func (c *sshdConfig) locks() (found []sshdSetting) {
	for _, s := range c.settings {
		if s.key == "forcecommand" && s.value != "none" && !strings.HasPrefix(s.value, "internal-sftp") && s.concernsRoot() {
			found = append(found, s)
		}
	}
	return found
}

// keyFiles are all patterns of AuthorizedKeysFile, the usual ones included.
func (c *sshdConfig) keyFiles() []string {
	files := []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
	for _, s := range c.settings {
		if s.key != "authorizedkeysfile" {
			continue
		}
		for file := range strings.FieldsSeq(s.value) {
			if file != "none" && !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}
