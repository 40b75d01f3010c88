package step

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// standInUFW keeps its rules in a file, and writes down how it was called.
const standInUFW = `#!/bin/sh
here=/usr/local/sbin
echo "$*" >> $here/called
case "$1" in
show) [ "$LC_ALL" = C ] || exit 3; echo "Added user rules (see 'ufw status' for running firewall):"; cat $here/rules ;;
status) if [ -e $here/on ]; then echo "Status: active"; else echo "Status: inactive"; fi ;;
--force) : > $here/on ;;
allow|limit) [ ! -e $here/broken ] || exit 1; echo "ufw $1 $2" >> $here/rules ;;
*) exit 2 ;;
esac
`

const standInFirewalld = `#!/bin/sh
for argument; do printf '%s|' "$argument"; done >> /usr/local/sbin/called
echo >> /usr/local/sbin/called
[ ! -e /usr/local/sbin/broken ] || exit 252
`

func rules(t testing.TB, texts ...string) *Firewall {
	t.Helper()
	f := &Firewall{}
	for _, text := range texts {
		rules, err := manifest.ParseRules(text)
		if err != nil {
			t.Error(err)
		}
		f.Rules = append(f.Rules, rules...)
	}
	return f
}

// install puts files into the machine's own directory, programs among them.
func install(t testing.TB, sbin string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(sbin, name), []byte(text), 0o755); err != nil {
			t.Error(err)
		}
	}
}

// called is what was called since the last time.
func called(sbin string) string {
	text, _ := os.ReadFile(filepath.Join(sbin, "called"))
	os.Remove(filepath.Join(sbin, "called"))
	return string(text)
}

func TestUFWGetsWhatItDoesNotHaveAndIsTurnedOn(t *testing.T) {
	t.Parallel()
	onMachine(t, func(h *host.Host, sbin string) {
		install(t, sbin, map[string]string{"ufw": standInUFW, "rules": "ufw allow 443/tcp\n"})
		f := rules(t, "22/tcp limit", "80/tcp", "443/tcp", "8000-8010/tcp", "53/udp")
		finds(t, h, f, Unknowable)
		for _, want := range []string{
			"show added\nlimit 22/tcp\nallow 80/tcp\nallow 8000:8010/tcp\nallow 53/udp\nstatus\n--force enable\n",
			"show added\nstatus\n", // the second time everything is there
		} {
			if err := f.Apply(t.Context(), h); err != nil {
				t.Error(err)
			}
			if got := called(sbin); got != want {
				t.Errorf("called:\n%swant:\n%s", got, want)
			}
		}
		install(t, sbin, map[string]string{"broken": ""})
		says(t, rules(t, "22/tcp", "99/tcp").Apply(t.Context(), h), "cannot set up the firewall: ufw exited with status 1")
	})
}

func TestFirewalldIsStartedAndGetsAllRulesAtOnce(t *testing.T) {
	t.Parallel()
	onMachine(t, func(h *host.Host, sbin string) {
		install(t, sbin, map[string]string{"firewall-cmd": standInFirewalld})
		systemd := &units{}
		h.Units.Close()
		h.Units = systemd
		f := rules(t, "22/tcp limit", "80/tcp", "8000-8010/udp")
		if err := f.Apply(t.Context(), h); err != nil {
			t.Error(err)
		}
		const want = `--permanent|--add-rich-rule=rule port port="22" protocol="tcp" accept limit value="12/m"|--add-port=80/tcp|` +
			"--add-port=8000-8010/udp|\n--reload|\n"
		if got := called(sbin); got != want {
			t.Errorf("called:\n%swant:\n%s", got, want)
		}
		if got := systemd.list(); got != "enable firewalld.service, start firewalld.service" {
			t.Error(got)
		}
		install(t, sbin, map[string]string{"broken": ""})
		says(t, f.Apply(t.Context(), h), "cannot set up the firewall: firewall-cmd exited with status 252")
		for _, verb := range []string{"enable", "start"} {
			systemd.fails = verb + " firewalld.service"
			says(t, f.Apply(t.Context(), h), "the job failed")
		}
	})
}

func TestAnImageWithoutAFirewallIsToldToHaveOne(t *testing.T) {
	t.Parallel()
	onMachine(t, func(h *host.Host, _ string) {
		err := rules(t, "22/tcp").Apply(t.Context(), h)
		says(t, err, "cannot set up the firewall: the image has neither ufw nor firewalld; install one when the image is built")
		if _, lasting := errors.AsType[*Lasting](err); !lasting {
			t.Errorf("%T", err)
		}
	})
}

func TestTheFirewallOfATreeIsNotTouched(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	err := rules(t, "22/tcp").Apply(t.Context(), h)
	says(t, err, "the firewall of another root directory is not touched")
	if _, skipped := errors.AsType[*Skip](err); !skipped || strings.Contains(err.Error(), "22") {
		t.Errorf("%T", err)
	}
}
