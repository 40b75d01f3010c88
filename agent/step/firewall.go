package step

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/pattern"
)

// Firewall is the kind that opens ports.
func (kinds) Firewall() Kind { return as(Traits{Within: ServiceWithin, Tries: 3}, newFirewall) }

func newFirewall(spec *manifest.Firewall, f *facts.Filling) (Step, error) {
	firewall := &Firewall{}
	for _, text := range spec.Rules {
		rule, err := manifest.ParseRule(text)
		if err != nil {
			return nil, err
		}
		f.Mix("rule", text)
		firewall.Rules = append(firewall.Rules, rule)
	}
	return firewall, nil
}

// Firewall opens ports and turns the firewall on: ufw or firewalld, whichever the image has.
type Firewall struct{ Rules []manifest.Rule }

// Check cannot tell without running the firewall's own program, which Apply does anyway.
func (f *Firewall) Check(context.Context, *host.Host) (State, error) { return Unknowable, nil }

// Apply adds what is missing. Adding a rule that is there changes nothing.
func (f *Firewall) Apply(ctx context.Context, h *host.Host) error {
	switch {
	case !h.Live():
		return &Skip{"the firewall of another root directory is not touched"}
	case h.HasCommand("ufw"):
		return f.ufw(ctx, h)
	case h.HasCommand("firewall-cmd"):
		return f.firewalld(ctx, h)
	}
	return lasting("cannot set up the firewall: the image has neither ufw nor firewalld; install one when the image is built")
}

const (
	errLockout = "cannot turn the firewall on: nothing would let SSH in; add 22/tcp limit to the step"
	sshPort    = 22
)

func (f *Firewall) opensSSH() bool {
	return slices.ContainsFunc(f.Rules, func(r manifest.Rule) bool { return r.Protocol == "tcp" && r.From <= sshPort && sshPort <= r.To })
}

// ufwRule is a rule about what comes in from everywhere, as "ufw show added" prints it (ufw(8)).
var ufwRule = pattern.New(`^ufw (allow|limit|deny|reject)(?: in)?(?: on \S+)?(?: log(?:-all)?)?(?: from any)?(?: to any (?:port|app))? (\S+)` +
	`(?: proto (\S+))?(?: comment .*)?$`)

// letsSSHIn reports whether the rules that ufw has let SSH in from everywhere. The first rule about SSH decides.
func letsSSHIn(added []string) bool {
	for _, line := range added {
		rule := ufwRule().FindStringSubmatch(strings.TrimSpace(line))
		if rule != nil && rule[3] != "udp" && isSSH(rule[2]) {
			return rule[1] == "allow" || rule[1] == "limit"
		}
	}
	return false
}

// isSSH reports whether SSH is among what a rule of ufw is about: a service, a profile, or ports such as 22,8000:8010/tcp.
func isSSH(subject string) bool {
	ports, protocol, _ := strings.Cut(subject, "/")
	if protocol == "udp" {
		return false
	}
	if strings.EqualFold(ports, "ssh") || ports == "OpenSSH" {
		return true
	}
	return slices.ContainsFunc(strings.Split(ports, ","), func(part string) bool {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, lastErr := strconv.Atoi(last)
		return err == nil && lastErr == nil && from <= sshPort && sshPort <= to
	})
}

func (f *Firewall) ufw(ctx context.Context, h *host.Host) error {
	run := func(arguments ...string) (string, error) {
		out, err := h.Run(ctx, host.Command{Argv: append([]string{"ufw"}, arguments...), Env: map[string]string{"LC_ALL": "C"}})
		if err != nil {
			return "", fmt.Errorf("cannot set up the firewall: %w", err)
		}
		return string(out), nil
	}
	added, err := run("show", "added")
	if err != nil {
		return err
	}
	there := strings.Split(added, "\n")
	if !f.opensSSH() && !letsSSHIn(there) {
		return lasting(errLockout)
	}
	for _, rule := range f.Rules {
		verb := "allow"
		if rule.Limit {
			verb = "limit"
		}
		ports := rule.Ports(":") + "/" + rule.Protocol
		if !slices.Contains(there, "ufw "+verb+" "+ports) {
			if _, err := run(verb, ports); err != nil {
				return err
			}
		}
	}
	status, err := run("status")
	if err != nil || strings.HasPrefix(status, "Status: active") {
		return err
	}
	_, err = run("--force", "enable")
	return err
}

func (f *Firewall) firewalld(ctx context.Context, h *host.Host) error {
	if err := h.Units.Do(ctx, host.Enable, "firewalld.service"); err != nil {
		return err
	}
	if err := h.Units.Do(ctx, host.Start, "firewalld.service"); err != nil {
		return err
	}
	arguments := []string{"firewall-cmd", "--permanent"}
	for _, rule := range f.Rules {
		if rule.Limit {
			arguments = append(arguments, fmt.Sprintf(`--add-rich-rule=rule port port="%s" protocol="%s" accept limit value="12/m"`, rule.Ports("-"), rule.Protocol))
		} else {
			arguments = append(arguments, "--add-port="+rule.Ports("-")+"/"+rule.Protocol)
		}
	}
	for _, argv := range [][]string{arguments, {"firewall-cmd", "--reload"}} {
		if _, err := h.Run(ctx, host.Command{Argv: argv}); err != nil {
			return fmt.Errorf("cannot set up the firewall: %w", err)
		}
	}
	return nil
}
