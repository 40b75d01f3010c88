package snapshot

import (
	"context"
	"net/url"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// packageSource is one place that packages come from.
type packageSource struct {
	file, address string
	unsigned      bool // taken without a signature
	careless      bool // taken from a server whose certificate nobody looks at
}

// packageSources are those that are on.
func (i *Image) packageSources() []packageSource {
	return slices.Concat(i.aptLines(), i.aptParagraphs(), i.dnfSections())
}

// aptLines are sources of apt in its older form: one a line (sources.list(5)).
func (i *Image) aptLines() (sources []packageSource) {
	for _, file := range append([]string{"/etc/apt/sources.list"}, i.expand("/etc/apt/sources.list.d/*.list")...) {
		for _, line := range i.textLines(file) {
			kind, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
			if kind != "deb" && kind != "deb-src" {
				continue
			}
			options := ""
			if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
				options, rest, _ = strings.Cut(rest, "]")
			}
			fields := strings.Fields(rest)
			if len(fields) > 0 {
				options = strings.ToLower(strings.ReplaceAll(options, " ", ","))
				sources = append(
					sources,
					packageSource{
						file,
						fields[0],
						strings.Contains(options, "trusted=yes") || strings.Contains(options, "allow-insecure=yes"),
						false,
					},
				)
			}
		}
	}
	return sources
}

// aptParagraphs are those in its newer form.
func (i *Image) aptParagraphs() (sources []packageSource) {
	for _, file := range i.expand("/etc/apt/sources.list.d/*.sources") {
		for paragraph := range strings.SplitSeq(i.text(file), "\n\n") {
			s := settings{}
			for _, line := range lines([]byte(paragraph)) {
				if key, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
					s.add(key, value)
				}
			}
			if strings.EqualFold(s.last("enabled"), "no") {
				continue
			}
			for address := range strings.FieldsSeq(s.last("uris")) {
				sources = append(sources, packageSource{file, address, isOn(s.last("trusted")) || isOn(s.last("allow-insecure")), false})
			}
		}
	}
	return sources
}

// dnfSections are sources of dnf (dnf.conf(5)).
func (i *Image) dnfSections() (sources []packageSource) {
	for _, file := range i.expand("/etc/yum.repos.d/*.repo") {
		s := i.assignments(file)
		for _, key := range keysOf(s) {
			section, name, found := strings.Cut(key, ".")
			if !found || name != "baseurl" && name != "mirrorlist" && name != "metalink" ||
				s.has(section+".enabled") && !isOn(s.last(section+".enabled")) {
				continue
			}
			check := section + ".gpgcheck"
			sources = append(
				sources,
				packageSource{
					file,
					s.last(key),
					s.has(check) && !isOn(s.last(check)),
					s.has(section+".sslverify") && !isOn(s.last(section+".sslverify")),
				},
			)
		}
	}
	return sources
}

// unsignedSetting has apt take what nobody signed, careless settings what comes from a server that anybody may be.
var (
	unsignedSetting = pattern.New(
		`(?i)(?:AllowUnauthenticated|AllowInsecureRepositories|AllowWeakRepositories|` +
			`AllowDowngradeToInsecureRepositories)\s+"?(?:true|1|yes|on)"?`,
	)
	carelessSetting = pattern.New(`(?i)(?:Verify-Peer|Verify-Host|Check-Valid-Until)\s+"?(?:false|0|no|off)"?`)
)

func findUnsigned(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, source := range i.packageSources() {
		local := strings.HasPrefix(source.address, "file:") || strings.HasPrefix(source.address, "cdrom:") ||
			strings.HasPrefix(source.address, "copy:")
		switch {
		case source.unsigned && local:
			subjects = append(
				subjects,
				Subject{
					Name:    source.file,
					Status:  Warn,
					Message: "packages of a directory on the image are installed without a signature",
				},
			)
		case source.unsigned:
			subjects = append(
				subjects,
				Subject{
					Name:    source.file,
					Message: "packages from " + withoutPassword(source.address) + " are installed as root, and nobody signed them",
				},
			)
		case source.careless:
			subjects = append(
				subjects,
				Subject{
					Name:    source.file,
					Status:  Warn,
					Message: "nobody looks at the certificate of " + withoutPassword(source.address),
				},
			)
		}
	}
	for _, file := range append(i.expand("/etc/apt/apt.conf"), i.expand("/etc/apt/apt.conf.d/*")...) {
		if text := strings.Join(i.textLines(file), "\n"); unsignedSetting().MatchString(text) {
			subjects = append(subjects, Subject{Name: file, Message: "apt installs packages as root that nobody signed"})
		} else if carelessSetting().MatchString(text) {
			subjects = append(subjects, Subject{
				Name:    file,
				Status:  Warn,
				Message: "apt takes lists from a server that anybody may be, or that are too old",
			})
		}
	}
	for _, file := range []string{"/etc/dnf/dnf.conf", "/etc/yum.conf"} {
		s := i.assignments(file)
		if s.has("main.gpgcheck") && !isOn(s.last("main.gpgcheck")) {
			subjects = append(subjects, Subject{Name: file, Message: "dnf installs packages as root that nobody signed"})
		} else if s.has("main.sslverify") && !isOn(s.last("main.sslverify")) {
			subjects = append(subjects, Subject{Name: file, Status: Warn, Message: "nobody looks at the certificates of package sources"})
		}
	}
	return subjects, nil
}

func withoutPassword(address string) string {
	if parsed, err := url.Parse(address); err == nil && parsed.Host != "" {
		return parsed.Host
	}
	return "a source"
}

// distributionHosts serve the distributions' own packages: theirs and DigitalOcean's.
var distributionHosts = []string{
	"debian.org",
	"ubuntu.com",
	"ubuntu.net",
	"centos.org",
	"rockylinux.org",
	"almalinux.org",
	"cloudlinux.com",
	"fedoraproject.org",
	"digitalocean.com",
	"redhat.com",
}

func findForeignSources(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, source := range i.packageSources() {
		parsed, err := url.Parse(source.address)
		if err != nil || parsed.Hostname() == "" {
			continue
		}
		own := slices.ContainsFunc(distributionHosts, func(host string) bool {
			return parsed.Hostname() == host || strings.HasSuffix(parsed.Hostname(), "."+host)
		})
		if !own && path.Base(source.file) != "droplet-agent.list" {
			subjects = append(
				subjects,
				Subject{Name: source.file, Message: "packages come from " + parsed.Hostname() + ", which is not the distribution's own"},
			)
		}
	}
	return subjects, nil
}
