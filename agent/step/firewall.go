package step

import (
	"context"
	"fmt"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// Firewall is the kind that opens ports.
func (kinds) Firewall() Kind { return as(Traits{Within: ServiceWithin, Tries: 3}, newFirewall) }

func newFirewall(spec *manifest.Firewall, f *facts.Filling) (Step, error) {
	firewall := &Firewall{}
	for _, text := range spec.Rules {
		rules, err := manifest.ParseRules(text)
		if err != nil {
			return nil, err
		}
		f.Mix("rule", text)
		firewall.Rules = append(firewall.Rules, rules...)
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
			arguments = append(
				arguments,
				fmt.Sprintf(`--add-rich-rule=rule port port="%s" protocol="%s" accept limit value="12/m"`, rule.Ports("-"), rule.Protocol),
			)
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
