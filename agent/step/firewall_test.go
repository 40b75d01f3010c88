package step

import (
	"strings"
	"testing"

	"oneclick-agent/agent/manifest"
)

// firewall is a step that opens these ports.
func firewall(t *testing.T, rules ...string) *Firewall {
	t.Helper()
	f := &Firewall{}
	for _, text := range rules {
		rules, err := manifest.ParseRules(text)
		if err != nil {
			t.Fatal(err)
		}
		f.Rules = append(f.Rules, rules...)
	}
	return f
}

const (
	nothingLetsIn = "cannot turn the firewall on: nothing would let SSH in; add 22/tcp limit to the step"
	denies        = `cannot turn the firewall on: its rule "ufw deny 22/tcp" keeps SSH out; take it out with: ufw delete deny 22/tcp`
)

// The guard against locking oneself out believes a rule only where it lets everybody reach TCP port 22.
func TestTheFirewallIsTurnedOnOnlyWhereSSHIsLetIn(t *testing.T) {
	t.Parallel()
	web := firewall(t, "80/tcp")
	for rules, want := range map[string]string{
		"":                         nothingLetsIn,
		"(None)":                   nothingLetsIn,
		"ufw allow 80/tcp":         nothingLetsIn,
		"ufw allow 222/tcp":        nothingLetsIn,
		"ufw allow 22/udp":         nothingLetsIn,
		"ufw allow from 10.0.0.22": nothingLetsIn,
		"ufw allow from 10.0.0.0/8 to any port 22":      nothingLetsIn,
		"ufw allow to 10.0.0.22 port 22 proto tcp":      nothingLetsIn,
		"ufw allow from any port 22 to any":             nothingLetsIn,
		"ufw allow in on eth1 to any port 22":           nothingLetsIn,
		"ufw allow out 22/tcp":                          nothingLetsIn,
		"ufw route allow in on eth0 to any port 22":     nothingLetsIn,
		"ufw allow from any to any port 22 proto udp":   nothingLetsIn,
		"ufw allow 80/tcp comment 'not for ssh 22/tcp'": nothingLetsIn,
		"ufw allow 'Nginx Full'":                        nothingLetsIn,
		"ufw deny 22/tcp":                               denies,
		"ufw deny 22/tcp\nufw allow OpenSSH":            denies,
		"ufw reject 22":                                 strings.ReplaceAll(denies, "deny 22/tcp", "reject 22"),

		"ufw allow 22":        "",
		"ufw allow 22/tcp":    "",
		"ufw limit ssh":       "",
		"ufw limit OpenSSH":   "",
		"ufw allow 'OpenSSH'": "",
		"ufw allow from any to any port 22 proto tcp":          "",
		"ufw allow from any to any app OpenSSH":                "",
		"ufw allow 20:30/tcp":                                  "",
		"ufw allow 22,80/tcp":                                  "",
		"ufw allow in on eth0 to any port 22 proto tcp":        "",
		"ufw allow log 22/tcp comment 'console of the vendor'": "",
		"ufw allow 22/tcp\nufw deny 22":                        "",
		"ufw deny from 10.0.0.22\nufw allow 22/tcp":            "",
		"ufw deny 22/udp\nufw allow 22/tcp":                    "",
	} {
		got := ""
		if err := web.letsSSHIn(strings.Split("Added user rules (see 'ufw status' for running firewall):\n"+rules, "\n")); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("with %q:\ngot  %q\nwant %q", rules, got, want)
		}
	}
}

// A rule of the step counts, unless one stands before it that is about more than the same ports: ufw puts a new rule
// behind those, and in the place of one about the same ports.
func TestARuleOfTheStepLetsSSHIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		step  string
		there []string
		want  bool
	}{
		{"22/tcp limit", nil, true},
		{"20-30/tcp", nil, true},
		{"22/udp", nil, false},
		{"22/tcp limit", []string{"ufw deny 22/tcp"}, true},
		{"22/tcp limit", []string{"ufw deny 22"}, false},
	} {
		if got := firewall(t, test.step).letsSSHIn(test.there) == nil; got != test.want {
			t.Errorf("%s behind %q lets SSH in: %v", test.step, test.there, got)
		}
	}
}
