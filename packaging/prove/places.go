package prove

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"oneclick-agent/packaging/lab"
)

// shortest is how long a secret is at least that is looked for, in bytes: a shorter one is found by chance.
const shortest = 8

// readSecrets reads the Droplet's secrets that are single texts.
func (r *run) readSecrets(ctx context.Context, m *lab.Machine) error {
	out, err := r.on(ctx, m, "for name in $(oneclick-agent secrets list); do printf '%s\\t' \"$name\"; oneclick-agent "+
		"secrets show \"$name\" | "+
		"tr '\\n' '\\r'; echo; done")
	if err != nil {
		return err
	}
	r.secrets = map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if value = strings.TrimRight(value, "\r"); len(value) >= shortest && !strings.Contains(value, "\r") {
			r.secrets[name] = value
		}
	}
	return nil
}

// grep says in which files some values are, by name. With "-perm -o+r" only those that everybody can read are looked at.
func (r *run) grep(ctx context.Context, m *lab.Machine, values map[string]string, which string) (map[string]string, error) {
	found := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		// The value comes by the shell's own standard input, never in arguments.
		line := "IFS= read -r value <<'END-OF-VALUE'\n" + values[name] + "\nEND-OF-VALUE\n" +
			"umask 077; printf '%s' \"$value\" >/run/proof-value; find /etc /opt /srv /home /var /usr/local /tmp /run /root -xdev " +
			"-type f -size -4M " + which +
			" ! -path '/var/lib/oneclick/*' ! -path " + lab.WatchedArguments + " ! -path " + lab.WatchedEnvironments +
			" ! -path /run/proof-value -print0 2>/dev/null | " +
			"xargs -0 -r grep -lF -f /run/proof-value -- 2>/dev/null | head -5; rm -f /run/proof-value"
		out, err := r.on(ctx, m, line)
		if err != nil {
			return nil, err
		}
		if out = strings.TrimSpace(out); out != "" {
			found[name] = strings.ReplaceAll(out, "\n", ", ")
		}
	}
	return found, nil
}

// places proves that no secret is where others can read it.
func (r *run) places(ctx context.Context, m *lab.Machine) error {
	began := time.Now()
	if err := r.readSecrets(ctx, m); err != nil {
		return err
	}
	texts := map[string]string{"the console": m.Console()}
	for place, line := range map[string]string{
		"the journal":            "journalctl -b -o export --no-pager",
		"cloud-init's logs":      "cat /var/log/cloud-init.log /var/log/cloud-init-output.log",
		"the message of the day": "cat /run/oneclick/motd",
		"status":                 "oneclick-agent status --json",
		"arguments of commands":  "cat " + lab.WatchedArguments,
	} {
		var err error
		if texts[place], err = r.on(ctx, m, line); err != nil {
			return err
		}
	}
	readable, err := r.grep(ctx, m, r.secrets, "-perm -o+r")
	if err != nil {
		return err
	}
	var wrong, remedies []string
	for _, name := range slices.Sorted(maps.Keys(r.secrets)) {
		for _, place := range slices.Sorted(maps.Keys(texts)) {
			if strings.Contains(texts[place], r.secrets[name]) {
				wrong = append(wrong, name+" is in "+place)
				remedies = append(remedies, remedyFor(place))
			}
		}
		if files := readable[name]; files != "" {
			wrong = append(wrong, name+" is in a file that everybody can read: "+files)
			remedies = append(remedies, "give the file mode 0600 or 0640, or have the program write no log of it")
		}
	}
	slices.Sort(remedies)
	r.claim(began, "no secret is where others can read it", strings.Join(wrong, "\n"),
		fmt.Sprintf("%d secrets, %d places and all files", len(r.secrets), len(texts)), strings.Join(slices.Compact(remedies), "\n"))
	return nil
}

func remedyFor(place string) string {
	if place == "arguments of commands" {
		return "pass a secret to a command by stdin: or env:, never by its arguments"
	}
	return "have the program print no secret; its output is kept by the agent without them"
}

// ports compares what listens with what the firewall lets in.
func (r *run) ports(ctx context.Context, m *lab.Machine) error {
	began := time.Now()
	out, err := r.on(ctx, m, "ss -Hltn | awk '{print $4}' | grep -v '^127\\.\\|^\\[::1\\]\\|%lo' | sed 's/.*://' | sort -un "+
		"| tr '\\n' ' '; echo; ufw status")
	if err != nil {
		return err
	}
	listening, firewall, _ := strings.Cut(out, "\n")
	wrong := ""
	if !strings.Contains(firewall, "Status: active") {
		wrong = "the firewall is off, and these ports are open: " + listening
	}
	var open, closed []string
	for _, port := range strings.Fields(listening) {
		if strings.Contains("\n"+firewall, "\n"+port+"/tcp") || strings.Contains("\n"+firewall, "\n"+port+" ") || inList(firewall, port) {
			open = append(open, port)
		} else {
			closed = append(closed, port)
		}
	}
	r.claim(began, "the firewall is on", wrong, "open: "+strings.Join(open, " ")+"; behind it: "+strings.Join(closed, " "),
		"write a firewall: step with the ports that people need")
	return nil
}

// inList reports whether a rule of several ports names one.
func inList(firewall, port string) bool {
	for line := range strings.Lines(firewall) {
		ports, _, _ := strings.Cut(line, "/")
		if slices.Contains(strings.Split(ports, ","), port) {
			return true
		}
	}
	return false
}
