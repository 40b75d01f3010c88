package snapshot

import (
	"net/netip"
	"strings"
)

// settings are a program's settings as far as checks need them: the last value of each key, keys in small letters. In
// YAML a key has those above it in front of it: net.bindIp.
type settings map[string][]string

// last is the value that counts where the last one does, "" without one.
func (s settings) last(keys ...string) string {
	for _, key := range keys {
		if values := s[key]; len(values) > 0 {
			return values[len(values)-1]
		}
	}
	return ""
}

func (s settings) has(key string) bool { return len(s[key]) > 0 }

func (s settings) add(key, value string) {
	key = strings.ToLower(strings.TrimSpace(key))
	s[key] = append(s[key], strings.Trim(strings.TrimSpace(value), `"'`))
}

// directives reads lines of a key, space, and a value: redis, sshd, memcached, snmpd.
func (i *Image) directives(file string) settings {
	s := settings{}
	for _, line := range i.textLines(file) {
		key, value, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		s.add(key, value)
	}
	return s
}

// assignments reads lines of a key, = or a colon, and a value; a section's name stands in front of its keys with a dot.
func (i *Image) assignments(file string) settings {
	s, section := settings{}, ""
	for _, line := range i.textLines(file) {
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.Trim(line, "[] ") + "."
			s.add(strings.TrimSuffix(section, "."), "")
			continue
		}
		at := strings.IndexAny(line, "=:")
		if at < 0 {
			s.add(section+line, "")
			continue
		}
		value, _, _ := strings.Cut(line[at+1:], " #")
		s.add(section+line[:at], value)
	}
	return s
}

// yaml reads YAML as programs' settings have it: one key a line, blocks by their indentation, flat lists. Anything
// else is passed over.
func (i *Image) yaml(file string) settings {
	s := settings{}
	type level struct {
		indent int
		key    string
	}
	var above []level
	for _, line := range lines([]byte(i.text(file))) {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		for len(above) > 0 && above[len(above)-1].indent >= indent {
			above = above[:len(above)-1]
		}
		var path []string
		for _, l := range above {
			path = append(path, l.key)
		}
		item, isItem := strings.CutPrefix(trimmed, "- ")
		key, value, isPair := strings.Cut(item, ":")
		if !isPair || isItem && !strings.HasPrefix(value, " ") && value != "" {
			s.add(strings.Join(path, "."), item)
			continue
		}
		value, _, _ = strings.Cut(value, " #")
		if value = strings.TrimSpace(value); value == "" {
			above = append(above, level{indent, strings.Trim(key, ` "'`)})
			continue
		}
		s.add(strings.Join(append(path, strings.Trim(key, ` "'`)), "."), value)
	}
	return s
}

// isOn reports whether a value means yes.
func isOn(value string) bool {
	switch strings.ToLower(value) {
	case "yes", "true", "on", "1", "enabled":
		return true
	}
	return false
}

// isLocal reports whether an address is one that only the machine itself reaches: a loopback address, a name for one,
// or a socket's path.
func isLocal(address string) bool {
	address = strings.Trim(strings.TrimSpace(address), `"'[]`)
	address = strings.TrimPrefix(strings.TrimPrefix(address, "-"), "tcp://")
	if address == "localhost" || address == "_local_" || address == "ip6-localhost" || strings.HasPrefix(address, "/") ||
		strings.HasPrefix(address, "unix:") ||
		strings.HasPrefix(address, "fd:") {
		return true
	}
	if host, _, found := strings.Cut(address, "/"); found {
		address = host
	}
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		withPort, err := netip.ParseAddrPort(address)
		if err != nil {
			return strings.HasPrefix(address, "localhost:")
		}
		parsed = withPort.Addr()
	}
	return parsed.IsLoopback()
}

// allLocal reports whether every one of some addresses is local; no address at all is not.
func allLocal(addresses []string) bool {
	for _, address := range addresses {
		if !isLocal(address) {
			return false
		}
	}
	return len(addresses) > 0
}

// separated splits a list of addresses.
func separated(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", []\t\"'", r) })
}
