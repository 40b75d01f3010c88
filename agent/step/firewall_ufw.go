package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"oneclick-agent/agent/host"
)

// ufw opens the ports with ufw, and turns it on once SSH is let in.
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
	if err := f.letsSSHIn(there); err != nil {
		return &Lasting{err}
	}
	for _, rule := range f.ufwRules() {
		if !slices.Contains(there, "ufw "+strings.Join(rule, " ")) {
			if _, err := run(rule...); err != nil {
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

// ufwRules are the rules of the step as arguments of ufw.
func (f *Firewall) ufwRules() (rules [][]string) {
	for _, rule := range f.Rules {
		verb := "allow"
		if rule.Limit {
			verb = "limit"
		}
		rules = append(rules, []string{verb, rule.Ports(":") + "/" + rule.Protocol})
	}
	return rules
}

// letsSSHIn finds out whether SSH is let in by the rules that ufw has already, with those of the step behind them. The
// first rule about SSH decides, as it does in ufw; but a rule of the step takes the place of one about the same ports.
func (f *Firewall) letsSSHIn(there []string) error {
	var rules [][]string
	for _, line := range there {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "ufw" && words[1] != "route" {
			rules = append(rules, words[1:])
		}
	}
	for _, own := range f.ufwRules() {
		i := slices.IndexFunc(rules, func(rule []string) bool { return len(rule) == 2 && rule[1] == own[1] })
		if i < 0 {
			rules = append(rules, own)
		} else {
			rules[i] = own
		}
	}
	for _, rule := range rules {
		if !coversSSH(rule[1:]) {
			continue
		}
		if rule[0] == "allow" || rule[0] == "limit" {
			return nil
		}
		text := strings.Join(rule, " ")
		return fmt.Errorf("cannot turn the firewall on: its rule \"ufw %s\" keeps SSH out; take it out with: ufw delete %s", text, text)
	}
	return errors.New("cannot turn the firewall on: nothing would let SSH in; add 22/tcp limit to the step")
}

// publicInterface is the one by which the world reaches a Droplet.
const publicInterface = "eth0"

// coversSSH reports whether a rule of ufw, its verb aside, is about what comes from everywhere to TCP port 22. The
// grammar is that of ufw(8): "22/tcp", or "in on eth0 from any to any port 22 proto tcp".
func coversSSH(words []string) bool {
	said := map[string]string{}
	side := "to"
	for len(words) > 0 && words[0] != "comment" {
		word := words[0]
		words = words[1:]
		switch word {
		case "in", "log", "log-all":
			continue
		case "out":
			return false
		case "on", "proto", "from", "to", "port", "app":
			if len(words) == 0 {
				return false
			}
			if word == "from" || word == "to" {
				side = word
			} else if word == "port" || word == "app" {
				word = side + " port"
			}
			said[word], words = words[0], words[1:]
		default:
			said["to port"] = word // the short form
		}
	}
	everywhere := func(key string) bool { return said[key] == "" || slices.Contains(anywhere, said[key]) }
	public := said["on"] == "" || said["on"] == publicInterface
	return public && everywhere("from") && everywhere("to") && said["from port"] == "" &&
		isSSH(cmp.Or(said["to port"], anyPort), said["proto"])
}

// anywhere are ufw's words for every address.
var anywhere = []string{"any", "Anywhere", "0.0.0.0/0", "::/0"}

// anyPort stands for a rule about every port.
const anyPort = "any"

// isSSH reports whether TCP port 22 is among ports as ufw writes them: "22", "22/tcp", "20:30/tcp", "22,80/tcp", "OpenSSH".
func isSSH(ports, protocol string) bool {
	ports, own, _ := strings.Cut(strings.Trim(ports, "'"), "/")
	if own != "" {
		protocol = own
	}
	if protocol != "" && protocol != "tcp" && protocol != "any" {
		return false
	}
	for _, part := range strings.Split(ports, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, lastErr := strconv.Atoi(last)
		if part == anyPort || part == "ssh" || part == "OpenSSH" || part == "SSH" || err == nil && lastErr == nil && from <= 22 && 22 <= to {
			return true
		}
	}
	return false
}
