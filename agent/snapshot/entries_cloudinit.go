package snapshot

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/pattern"
)

func cloudInitEntries() []Entry {
	return []Entry{
		{
			ID: "cloud_init.instances", Severity: Critical, Mode: Default, Action: Remove,
			Reason:  "what cloud-init knows of the build machine: its user-data, which often holds secrets, and its metadata",
			Touches: []string{"/var/lib/cloud/instances/*", "/var/lib/cloud/instance"},
		},
		{
			ID:       "cloud_init.state",
			Severity: Medium,
			Mode:     Default,
			Action:   Remove,
			Reason:   "cloud-init would take a Droplet for the build machine, and leave out what is done once",
			Touches:  []string{"/var/lib/cloud/data/*", "/var/lib/cloud/sem/*"},
		},
		{
			ID:       "runtime.files",
			Severity: Medium,
			Mode:     Default,
			Action:   Remove,
			Reason:   "what a running machine kept in memory, in a tree that was copied from one",
			Touches: []string{
				"/run/cloud-init/*",
				"/run/sudo/ts/*",
				"/run/faillock/*",
				"/run/console/*",
				"/run/sepermit/*",
				"/run/systemd/netif/leases/*",
			},
			// instance-data.json says which Droplet a tree is, and holds nothing private.
			Holds: func(i *Image, file string) bool { return !i.Live() && path.Base(file) != "instance-data.json" },
		},
		{
			ID:       "cloud_init.seed",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "a seed that cloud-init takes for metadata",
			Touches:  []string{"/var/lib/cloud/seed/*/*"},
			Remedy:   "remove it, or accept it where the image is made for it",
		},
		{
			ID:       "cloud_init.fstab",
			Severity: Medium,
			Mode:     Default,
			Action:   Edit,
			Reason:   "cloud-init wrote the line for the build machine's disks",
			Touches:  []string{"/etc/fstab"},
			Holds:    hasLineFor(isCloudMount), Clean: dropLines(isCloudMount),
		},
		{
			ID:       "cloud_init.ready",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "a Droplet gets the customer's SSH key, its network and its name from cloud-init",
			Touches:  []string{"/usr/bin/cloud-init", "/etc/cloud"}, Find: findCloudInitTrouble,
		},
		{
			ID:       "cloud_init.disk_growth",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "the file system does not grow to the Droplet's disk",
			Touches:  []string{"/etc/cloud/cloud.cfg"},
			Remedy:   "keep growpart and resizefs in cloud_init_modules", Find: func(_ context.Context, i *Image) ([]Subject, error) {
				file := "/etc/cloud/cloud.cfg"
				if !i.Files.Exists(file) || containing("resizefs")(i, file) && containing("growpart")(i, file) {
					return nil, nil
				}
				return []Subject{{Name: file}}, nil
			},
		},
	}
}

// cleanHookEntries are other programs' own cleanings. Logs come behind them, because they write some.
func cleanHookEntries() []Entry {
	return []Entry{
		{
			ID:       "cloud_init.clean_hooks",
			Severity: Low,
			Mode:     Default,
			Action:   RunCommand,
			Reason:   "what other programs want done before a snapshot",
			Silent:   true,
			Touches:  []string{"/etc/cloud/clean.d/*"}, Holds: executable, Clean: runCleanHook,
		},
	}
}

func isCloudMount(_ *Image, line string) bool {
	return !strings.HasPrefix(strings.TrimSpace(line), "#") && strings.Contains(line, "comment=cloudconfig")
}

func executable(i *Image, file string) bool {
	info, err := i.Files.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

const cleanHookWithin = 2 * time.Minute

func runCleanHook(ctx context.Context, i *Image, file string) error {
	if !i.Live() {
		return errForeign
	}
	ctx, cancel := context.WithTimeout(ctx, cleanHookWithin)
	defer cancel()
	_, err := i.Run(ctx, host.Command{Argv: []string{file}})
	return err
}

// cloudConfigs are cloud-init's settings, in the order in which they count.
func (i *Image) cloudConfigs() []string {
	return append([]string{"/etc/cloud/cloud.cfg"}, i.expand("/etc/cloud/cloud.cfg.d/*.cfg")...)
}

// cloudInitOff reports whether something keeps cloud-init from running at boot.
func (i *Image) cloudInitOff() bool { return i.cloudInitOffBy() != "" }

func (i *Image) cloudInitOffBy() string {
	if i.Files.Exists("/etc/cloud/cloud-init.disabled") {
		return "/etc/cloud/cloud-init.disabled"
	}
	if strings.Contains(i.text("/etc/cloud/ds-identify.cfg"), "policy: disabled") {
		return "/etc/cloud/ds-identify.cfg"
	}
	for _, unit := range []string{
		"cloud-init.service", "cloud-init-main.service", "cloud-init-network.service",
		"cloud-config.service", "cloud-final.service", "cloud-init-local.service",
	} {
		link := path.Join("/etc/systemd/system", unit)
		if target, err := i.Files.Readlink(link); err == nil && target == "/dev/null" {
			return link
		}
	}
	return ""
}

// cloudInitMakesKeys reports whether cloud-init's ssh module is on and makes host keys.
func (i *Image) cloudInitMakesKeys() bool {
	if !i.Files.Exists("/etc/cloud/cloud.cfg") {
		return true // the defaults in the program have it
	}
	text := i.text("/etc/cloud/cloud.cfg")
	return sshModule().MatchString(text) && !strings.Contains(text, "ssh_genkeytypes: []")
}

// sshModule is cloud-init's module in a list, however it is written.
var sshModule = pattern.New(`(?m)(?:^\s*-\s*\[?|[\[,]\s*)ssh\s*(?:[,\]#]|$)`)

// installerFiles are left by installers, and keep cloud-init from looking for DigitalOcean.
var installerFiles = []string{
	"/etc/cloud/cloud.cfg.d/99-installer.cfg",
	"/etc/cloud/cloud.cfg.d/subiquity-*.cfg",
	"/etc/cloud/cloud.cfg.d/curtin-*.cfg",
	"/etc/cloud/cloud.cfg.d/90-installer-network.cfg",
}

func findCloudInitTrouble(_ context.Context, i *Image) (subjects []Subject, _ error) {
	if !i.HasCommand("cloud-init") {
		return []Subject{{Name: "cloud-init", Message: "cloud-init is not installed", Remedy: "install the package cloud-init"}}, nil
	}
	if by := i.cloudInitOffBy(); by != "" {
		subjects = append(
			subjects,
			Subject{
				Name:    by,
				Message: "it keeps cloud-init from running: the customer's SSH key would never arrive",
				Remedy:  "remove it",
			},
		)
	}
	for _, pattern := range installerFiles {
		for _, file := range i.expand(pattern) {
			subjects = append(
				subjects,
				Subject{Name: file, Message: "an installer left it; it ties cloud-init to the build machine", Remedy: "remove it"},
			)
		}
	}
	if file, sources := i.dataSources(); sources != nil && !slices.Contains(sources, "DigitalOcean") &&
		!slices.Contains(sources, "ConfigDrive") {
		subjects = append(
			subjects,
			Subject{
				Name:    file,
				Message: "cloud-init does not look for DigitalOcean: datasource_list has neither DigitalOcean nor ConfigDrive",
				Remedy:  "write datasource_list: [ConfigDrive, DigitalOcean, NoCloud, None]",
			},
		)
	}
	return subjects, nil
}

// dataSources is the datasource_list in effect, and the file that sets it; nil where none does.
func (i *Image) dataSources() (file string, sources []string) {
	for _, config := range i.cloudConfigs() {
		rows := i.textLines(config)
		for n, line := range rows {
			value, ok := strings.CutPrefix(line, "datasource_list:")
			if !ok {
				continue
			}
			file, sources = config, strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune("[], \t'\"", r) })
			for _, below := range rows[n+1:] {
				item, ok := strings.CutPrefix(below, "- ")
				if !ok {
					break
				}
				sources = append(sources, strings.TrimSpace(item))
			}
		}
	}
	return file, sources
}
