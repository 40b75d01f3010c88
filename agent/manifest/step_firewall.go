package manifest

import (
	"fmt"
	"strconv"
	"strings"

	"oneclick-agent/agent/pattern"
)

// Firewall opens ports and turns the firewall on.
type Firewall struct {
	Rules []string `yaml:"firewall" kind:"firewall" doc:"Opens these ports (80,443/tcp, 22/tcp limit) and turns the firewall on."`
}

// Subject is what is opened.
func (f *Firewall) Subject(Preview) string { return strings.Join(f.Rules, ", ") }

// Summary says what is opened.
func (f *Firewall) Summary(Preview) string {
	return "open " + strings.Join(f.Rules, ", ") + " in the firewall"
}

// Effects are what the firewall's own program does.
func (f *Firewall) Effects() Effects { return Effects{Acts: true} }

// Validate reads the rules.
func (f *Firewall) Validate(v *Validation) {
	for i, rule := range f.Rules {
		if _, err := ParseRules(rule); err != nil {
			v.Report(index("firewall", i), "write it as 80/tcp, 80,443/tcp, 8000-8010/udp or 22/tcp limit", "%s", err)
		}
	}
}

// Rule is one opening in the firewall.
type Rule struct {
	From, To int // ports
	Protocol string
	Limit    bool // slow down repeated connections
}

// Ports is the rule's ports, "80" or "8000-8010" with the given dash.
func (r Rule) Ports(dash string) string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return fmt.Sprintf("%d%s%d", r.From, dash, r.To)
}

var rulePattern = pattern.New(`^(\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*)/(tcp|udp)( limit)?$`)

// ParseRules reads "80/tcp", "80,443/tcp", "8000-8010/udp", "22/tcp limit": one rule for each port or range of ports.
func ParseRules(text string) (rules []Rule, err error) {
	match := rulePattern().FindStringSubmatch(text)
	if match == nil {
		return nil, fmt.Errorf("is not a firewall rule: %q", text)
	}
	for ports := range strings.SplitSeq(match[1], ",") {
		first, last, isRange := strings.Cut(ports, "-")
		if !isRange {
			last = first
		}
		from, _ := strconv.Atoi(first) // the pattern takes nothing but digits
		to, _ := strconv.Atoi(last)
		if from < 1 || to > 65535 || to < from {
			return nil, fmt.Errorf("names no ports between 1 and 65535: %q", text)
		}
		rules = append(rules, Rule{from, to, match[2], match[3] != ""})
	}
	return rules, nil
}
