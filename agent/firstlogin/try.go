package firstlogin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
)

// tryWithin is how long an answer is tried out.
const tryWithin = 10 * time.Second

// Try tries an answer out where it can be, and says what it found that a person should know before going on; "" when
// all is well, or when there is nothing to try.
func Try(ctx context.Context, s *facts.Facts, q manifest.Question, answer string) string {
	if answer == "" || !s.Host.Live() {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	if q.Type == "domain" {
		return tryDomain(ctx, s, answer)
	}
	if q.Check == nil {
		return ""
	}
	filling := s.Trying(ctx, answer, q.Hidden())
	address, err := filling.Text(q.Check.HTTP)
	if err != nil {
		return "The answer cannot be tried out: " + err.Error()
	}
	header, err := filling.Text(q.Check.Header)
	if err != nil {
		return "The answer cannot be tried out: " + err.Error()
	}
	name, content, _ := strings.Cut(header, ":")
	status, _, err := s.Host.GetWith(ctx, address, map[string]string{strings.TrimSpace(name): strings.TrimSpace(content)})
	switch {
	case err != nil:
		return hostOf(address) + " could not be asked whether the answer is right."
	case status == 401 || status == 403:
		return fmt.Sprintf("%s does not accept it (status %d).", hostOf(address), status)
	case status >= 400:
		return fmt.Sprintf("%s answered with status %d.", hostOf(address), status)
	}
	return ""
}

// tryDomain compares where a name leads with what is this Droplet's, reserved addresses included, from fresh metadata.
func tryDomain(ctx context.Context, s *facts.Facts, name string) string {
	d := s.Droplet
	if fresh, err := droplet.Identify(ctx, s.Host, s.Metadata); err == nil {
		d = fresh
	}
	own := ownAddresses(d)
	if len(own) == 0 {
		return "" // nothing is known to compare with
	}
	found, err := s.Host.Lookup(ctx, name)
	var missing *net.DNSError
	if errors.As(err, &missing) && missing.IsNotFound {
		return fmt.Sprintf("%s does not lead anywhere yet. Make a DNS record for it with %s; that can take an hour to be seen.", name, list(own))
	}
	if err != nil {
		return fmt.Sprintf("No name server could be asked about %s.", name)
	}
	var foreign []netip.Addr
	for _, address := range found {
		if !slices.Contains(own, address) {
			foreign = append(foreign, address)
		}
	}
	switch {
	case len(foreign) == 0:
		return ""
	case len(foreign) == len(found):
		return fmt.Sprintf("%s leads to %s, and this Droplet is %s.", name, list(foreign), list(own))
	case slices.ContainsFunc(foreign, func(a netip.Addr) bool { return a.Is6() }):
		return fmt.Sprintf(
			"%s leads here, but its IPv6 record leads to %s: browsers and certificate authorities prefer that one. Correct or remove it.",
			name,
			list(foreign),
		)
	}
	return fmt.Sprintf("%s leads here and also to %s: some visitors will not arrive. Remove the other record.", name, list(foreign))
}

func ownAddresses(d droplet.Droplet) []netip.Addr {
	var own []netip.Addr
	for _, text := range []string{d.ReservedIPv4, d.IPv4, d.ReservedIPv6, d.IPv6} {
		if address, err := netip.ParseAddr(text); err == nil {
			own = append(own, address)
		}
	}
	return own
}

func list(addresses []netip.Addr) string {
	var texts []string
	for _, address := range addresses {
		texts = append(texts, address.String())
	}
	return strings.Join(texts, ", ")
}

// output runs the command that lists the choices of a question, and returns what it printed. What it is given stands neither
// in its arguments nor in an error.
func output(ctx context.Context, s *facts.Facts, q manifest.Question) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, outputWithin)
	defer cancel()
	filling := s.Filling(ctx)
	argv, err := filling.Texts(q.OptionsFrom)
	if err != nil {
		return "", err
	}
	command := host.Command{Argv: argv, Env: map[string]string{}}
	if q.OptionsStdin != nil {
		text, err := filling.Text(*q.OptionsStdin)
		if err != nil {
			return "", err
		}
		command.Stdin = []byte(text)
	}
	for name, template := range q.OptionsEnv {
		if command.Env[name], err = filling.Text(template); err != nil {
			return "", err
		}
	}
	out, err := s.Host.Run(ctx, command)
	if err != nil {
		return "", errors.New(s.Redact.Redact(err.Error()))
	}
	return string(out), nil
}

// outputWithin is how long a command that lists choices may take.
const outputWithin = 30 * time.Second
