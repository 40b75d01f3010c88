package database

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"oneclick-agent/agent/render"
	"oneclick-agent/agent/state"
)

const (
	// ProfilePath gives the same to root's login shells.
	ProfilePath = "/etc/profile.d/oneclick-database.sh"
)

// Environment is the file of DATABASE_ variables for the main database, and of KEYSTORE_ ones for a second one; nil where
// there is none.
func Environment(main, keystore *Connection) []byte {
	var b strings.Builder
	b.WriteString("# Written by oneclick-agent; made anew when the database changes.\n")
	if main != nil {
		main.variables(&b, "DATABASE")
	}
	if keystore != nil {
		keystore.variables(&b, "KEYSTORE")
	}
	return []byte(b.String())
}

func (c Connection) variables(b *strings.Builder, prefix string) {
	for _, variable := range []struct{ name, value string }{
		{"URL", c.URL().Reveal()}, {"ENGINE", c.Engine}, {"HOST", c.Host}, {"PORT", c.portText()}, {"USER", c.User},
		{"PASSWORD", c.Password.Reveal()}, {"NAME", c.Name}, {"CA", c.CA},
	} {
		fmt.Fprintf(b, "%s_%s=%s\n", prefix, variable.name, render.DoubleQuoted(variable.value))
	}
}

func (c Connection) portText() string {
	if c.Port == 0 {
		return ""
	}
	return strconv.Itoa(c.Port)
}

// Profile makes root's login shells read the environment file. It holds no secret itself.
func Profile() []byte {
	return []byte("# Gives DATABASE_URL to root's login shells; written by oneclick-agent.\n" +
		"if [ -r " + state.DatabaseEnvironment + " ]; then\n\tset -a\n\t. " + state.DatabaseEnvironment + "\n\tset +a\nfi\n")
}

// DropIn is the file that gives a unit the environment, and its content.
func DropIn(unit string) (file string, content []byte) {
	return path.Join("/etc/systemd/system", unit+".d", "50-oneclick-database.conf"),
		[]byte("# Written by oneclick-agent: the database of this Droplet.\n[Service]\nEnvironmentFile=-" + state.DatabaseEnvironment + "\n")
}
