package snapshot

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// loginEntries are who is let in, and as whom, by other means than sshd's settings.
func loginEntries() []Entry {
	return []Entry{
		{
			ID:       "login.pam",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "PAM lets everybody in, whatever password is given",
			Remedy:   "take pam_permit.so out of the auth lines, or run pam-auth-update or authselect",
			Touches:  []string{"/etc/pam.d/*"}, Find: findPermissivePAM,
		},
		{
			ID:       "login.nologin",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "nobody but root gets in while this file is there, and root neither where PAM has it so",
			Remedy:   "rm {subject}",
			Touches:  []string{"/etc/nologin"},
		},
		{
			ID:       "login.polkit",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "polkit gives everybody who asks the rights of root",
			Remedy:   "remove the rule, or accept it with its reason",
			Touches: []string{
				"/etc/polkit-1/rules.d/*.rules",
				"/usr/local/share/polkit-1/rules.d/*.rules",
				"/usr/share/polkit-1/rules.d/*.rules",
				"/etc/polkit-1/localauthority/*/*.pkla",
				"/var/lib/polkit-1/localauthority/*/*.pkla",
			}, Find: findPolkitRules,
		},
		{
			ID:       "login.doas",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "doas lets an account become root without a password",
			Remedy:   "take nopass out of the rule",
			Touches:  []string{"/etc/doas.conf", "/etc/doas.d/*.conf", "/usr/local/etc/doas.conf"},
			Holds: func(i *Image, file string) bool {
				return slices.ContainsFunc(i.textLines(file), func(line string) bool {
					words := strings.Fields(line)
					return words[0] == "permit" && slices.Contains(words, "nopass") && words[len(words)-1] != "root"
				})
			},
		},
		{
			ID:       "login.cloud_config",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "cloud-init gives every Droplet of the image this account, key or password",
			Remedy:   "take it out: DigitalOcean's own metadata brings the customer's key",
			Touches:  []string{"/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*.cfg"}, Find: findCloudAccounts,
		},
		{
			ID:       "login.dropbear",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "every Droplet of the image would have dropbear's same host key",
			Remedy:   "rm {subject}, and run dropbear with -R, which makes a new one",
			Touches: []string{
				"/etc/dropbear/dropbear_*_host_key",
				"/etc/dropbear/initramfs/dropbear_*_host_key",
				"/etc/dropbear-initramfs/dropbear_*_host_key",
			}, Holds: filled,
		},
		{
			ID:       "login.dropbear_keys",
			Severity: Critical,
			Mode:     Default,
			Action:   Remove,
			Reason:   "who has this key could log in to every Droplet of the image through dropbear",
			Touches: []string{
				"/etc/dropbear/authorized_keys",
				"/etc/dropbear/initramfs/authorized_keys",
				"/etc/dropbear-initramfs/authorized_keys",
				"~/.dropbear/authorized_keys",
			}, Holds: filled,
		},
		{
			ID:       "login.account_files",
			Severity: Critical,
			Mode:     Default,
			Action:   Edit,
			Clean:    mendMode,
			Reason:   "others than root can read the passwords' hashes, or change who may do what",
			Touches: []string{
				"/etc/shadow",
				"/etc/gshadow",
				"/etc/passwd",
				"/etc/group",
				"/etc/sudoers",
				"/etc/sudoers.d",
				"/etc/ssh/sshd_config",
				"/etc/pam.d",
				"/root",
				"/home/*",
			}, Find: findAccountFileModes,
		},
		{
			ID:       "users.privileged_groups",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "a member of this group can become root",
			Remedy:   "gpasswd --delete {subject} GROUP, or accept it",
			Touches:  []string{"/etc/group"},
			Find:     findPrivilegedMembers,
		},
	}
}

// idle are PAM modules that neither let anybody in nor keep anybody out.
var idle = []string{
	"pam_env.so",
	"pam_faildelay.so",
	"pam_motd.so",
	"pam_mail.so",
	"pam_limits.so",
	"pam_cap.so",
	"pam_group.so",
	"pam_echo.so",
	"pam_warn.so",
	"pam_permit.so",
	"pam_localuser.so",
	"pam_keyinit.so",
	"pam_gnome_keyring.so",
}

// findPermissivePAM reads the auth lines of each service (pam.conf(5)): one ends with a yes at pam_permit, or has
// nothing in it that could say no.
func findPermissivePAM(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, file := range append(i.expand("/etc/pam.d/*"), "/etc/pam.conf") {
		if !i.isFile(file) || i.packages.vouches(file) {
			continue
		}
		permits, decides, message, status := false, false, "", Status("")
		for _, line := range i.textLines(file) {
			control, module, arguments := pamLine(line)
			yes := control == "sufficient" || strings.Contains(control, "success=done") || strings.Contains(control, "default=done")
			switch {
			case module == "":
				decides = decides || control == "include"
			case module == "pam_permit.so" && !decides && yes:
				message = "PAM lets everybody in: pam_permit.so is sufficient"
			case module == "pam_permit.so":
				permits = true
			case (module == "pam_succeed_if.so" || module == "pam_listfile.so" || module == "pam_access.so") && yes:
				message = "PAM lets in without a password whoever this is true of: " + arguments
			case module == "pam_wheel.so" && strings.Contains(arguments, "trust"):
				message = "PAM lets a group become root without a password"
			case yes && (module == "pam_exec.so" || module == "pam_python.so" || i.foreignModule(line)):
				status, decides = Warn, true
				message = cmp.Or(message, "who is let in is decided by what no package brought: "+module+" "+arguments)
			case !slices.Contains(idle, module):
				decides = true
			}
			if message != "" && status != Warn {
				break
			}
		}
		if permits && !decides {
			message = "PAM lets everybody in: nothing but pam_permit.so decides"
		}
		if message != "" {
			subjects = append(subjects, Subject{Name: file, Status: status, Message: message})
		}
	}
	return subjects, nil
}

// foreignModule reports whether a line names a PAM module that is not where packages put them.
func (i *Image) foreignModule(line string) bool {
	return slices.ContainsFunc(strings.Fields(line), func(word string) bool {
		return strings.HasPrefix(word, "/") && strings.HasSuffix(word, ".so") && path.Base(path.Dir(word)) != "security"
	})
}

// pamLine takes an auth line apart; control is "include" where other files decide, and module is "" for other lines.
func pamLine(line string) (control, module, arguments string) {
	fields := strings.Fields(line)
	kind := strings.TrimPrefix(fields[0], "-")
	if strings.HasPrefix(line, "@include") {
		if len(fields) > 1 && strings.Contains(fields[1], "auth") {
			return "include", "", ""
		}
		return "", "", ""
	}
	if kind != "auth" || len(fields) < 3 {
		return "", "", ""
	}
	rest := strings.TrimSpace(strings.TrimPrefix(line, fields[0]))
	if strings.HasPrefix(rest, "[") {
		control, rest, _ = strings.Cut(rest, "]")
	} else {
		control, rest, _ = strings.Cut(strings.ReplaceAll(rest, "\t", " "), " ")
	}
	if control == "include" || control == "substack" {
		return "include", "", ""
	}
	words := strings.Fields(rest)
	if len(words) == 0 {
		return "", "", ""
	}
	return control, path.Base(words[0]), strings.Join(words[1:], " ")
}

// namesAdministrator is a rule of polkit by which an account that is not root acts as an administrator.
var namesAdministrator = pattern.New(`addAdminRule[\s\S]{0,400}unix-user:(?:[a-z_][\w-]*[1-9a-qs-z]|\d*[1-9]\d*)`)

func findPolkitRules(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, place := range []string{
		"/etc/polkit-1/rules.d/*.rules", "/usr/local/share/polkit-1/rules.d/*.rules",
		"/usr/share/polkit-1/rules.d/*.rules",
	} {
		for _, file := range i.expand(place) {
			text := i.text(file)
			if namesAdministrator().MatchString(text) && !i.packages.owns(file) {
				s := Subject{Name: file, Status: Warn, Message: "polkit takes an account's password for root's"}
				subjects = append(subjects, s)
				continue
			}
			if !strings.Contains(text, "Result.YES") ||
				i.packages.owns(file) && (i.packages.vouches(file) || i.packages.sum(file) == "") {
				continue
			}
			s := Subject{Name: file}
			if strings.Contains(text, "isInGroup") || strings.Contains(text, "subject.user") {
				s.Status, s.Message = Warn, "polkit gives an account or a group rights of root without a password"
			}
			subjects = append(subjects, s)
		}
	}
	for _, file := range append(i.expand("/etc/polkit-1/localauthority/*/*.pkla"), i.expand("/var/lib/polkit-1/localauthority/*/*.pkla")...) {
		text := strings.ToLower(strings.Join(i.textLines(file), "\n"))
		if grants := strings.Contains(text, "resultany=yes") || strings.Contains(text, "resultinactive=yes") || strings.Contains(text,
			"resultactive=yes"); grants &&
			!i.packages.vouches(file) {
			s := Subject{Name: file}
			if !strings.Contains(text, "unix-user:*") && !strings.Contains(text, "unix-group:*") {
				s.Status, s.Message = Warn, "polkit gives an account or a group rights of root without a password"
			}
			subjects = append(subjects, s)
		}
	}
	return subjects, nil
}

// cloudSecret is a setting of cloud-init with a key or a password; cloudUser one that makes an account, or lets it in.
var (
	cloudSecret = pattern.New(
		`^-?\s*(ssh[_-]authorized[_-]keys|passwd|hashed[_-]passwd|plain[_-]text[_-]passwd|password|` +
			`ssh[_-]import[_-]id|chpasswd|ssh[_-]keys)\s*:\s*(.*)$`,
	)
	cloudUser = pattern.New(
		`^-?\s*(lock[_-]passwd\s*:\s*(?:false|no|off)|ssh[_-]pwauth\s*:\s*(?:true|yes|on|1)|` +
			`-\s+name\s*:.*|-\s+(?:default\s*,\s*)?\{?\s*name\s*:.*)\s*$`,
	)
)

// findCloudAccounts reads cloud-init's settings line by line: where a name stands matters less than that it does.
func findCloudAccounts(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, file := range i.cloudConfigs() {
		if !i.isFile(file) || i.packages.vouches(file) || file == "/etc/cloud/cloud.cfg" && i.packages.owns(file) {
			continue
		}
		worst := Subject{}
		rows := i.textLines(file)
		for n, line := range rows {
			line = strings.TrimLeft(line, "- {")
			if match := cloudSecret().FindStringSubmatch(line); match != nil && hasCloudValue(match[2], rows[n+1:]) {
				worst = Subject{Name: file, Message: "cloud-init gives every Droplet of the image what it finds here: " + match[1]}
				break
			}
			if match := cloudUser().FindStringSubmatch(line); match != nil {
				worst = Subject{
					Name:    file,
					Status:  Warn,
					Message: "cloud-init lets somebody in on every Droplet of the image: " + match[1],
				}
			}
		}
		if s := i.judgeScript(file); worst.Status != "" || worst.Name == "" {
			if s.Status == Fail && s.Message != "" || s.Status == Warn && worst.Name == "" {
				worst = s
			}
			if slices.ContainsFunc(rows, func(row string) bool { return writesLogin().MatchString(row) }) {
				worst = Subject{Name: file, Message: "cloud-init writes who may log in, or become root, on every Droplet of the image"}
			}
		}
		if worst.Name == "" && slices.ContainsFunc(rows, func(row string) bool { return row == "users:" }) &&
			slices.ContainsFunc(rows, func(row string) bool { return strings.HasPrefix(row, "- name:") }) {
			worst = Subject{Name: file, Status: Warn, Message: "cloud-init makes an account on every Droplet of the image"}
		}
		if worst.Name != "" {
			subjects = append(subjects, worst)
		}
	}
	return subjects, nil
}

// writesLogin is a file that cloud-init is told to write, and that lets somebody in.
var writesLogin = pattern.New(`path\s*:\s*["']?(?:\S*/authorized_keys2?|/etc/(?:sudoers\S*|shadow|passwd|pam\.d/\S*|ld\.so\.preload))\b`)

// hasCloudValue reports whether a setting has a value, on its own line or on those below.
func hasCloudValue(value string, below []string) bool {
	value = strings.Trim(value, " \t\"'[]{}")
	if value == "" || value == "|" || value == ">" {
		return len(below) > 0 &&
			(strings.HasPrefix(below[0], "- ") || strings.Contains(below[0], ":") && !strings.HasSuffix(below[0], "expire: false"))
	}
	return value != "*" && value != "!" && value != "!!" && value != "null" && value != "~" && value != "expire: false" &&
		value != "expire: False"
}
