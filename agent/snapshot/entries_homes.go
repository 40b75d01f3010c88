package snapshot

import (
	"path"
	"slices"
	"strings"

	"oneclick-agent/agent/pattern"
)

// historyName is how programs name the file that they keep what was typed in.
var historyName = pattern.New(`^\.[A-Za-z0-9_.-]*(history|hist)(-[0-9]+|\.tmp|-[0-9]+\.tmp)?$`)

func homeEntries() []Entry {
	return []Entry{
		{
			ID: "history.shells", Severity: High, Mode: Default, Action: Remove, Returns: true,
			Reason: "what was typed on the build machine, passwords and tokens included",
			Touches: []string{
				"~/.*", "~/.local/share/fish/fish_history", "~/.mongodb/mongosh/*history*", "~/.mongodb/mongosh_history",
				"~/.fish/fish_history", "~/.config/mycli/*history*", "~/.mongodb/mongosh/*_log",
				"~/.local/state/*history*", "~/.local/state/*/*history*", "~/.config/nushell/history.*",
				"~/.config/litecli/*history*", "~/.config/pgcli/*history*", "~/.zsh_sessions/*", "~/.local/share/*/*history", "~/.cache/*history*",
				"~/.cache/erlang-history/*",
			},
			Holds: func(i *Image, file string) bool {
				name := path.Base(file)
				return regular(i, file) && (path.Dir(file) != homeOf(i, file) || historyName().MatchString(name) || otherHistories[name])
			},
		},
		{
			ID:       "skel.leftovers",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "every account that is made on a Droplet would get it",
			Remedy:   "rm {subject}",
			Touches: []string{
				"/etc/skel/.ssh/*", "/etc/skel/.*history", "/etc/skel/.aws/*", "/etc/skel/.netrc",
				"/etc/skel/.git-credentials",
			},
		},
		{
			ID: "history.editors", Severity: Medium, Mode: Default, Action: Remove, Returns: true,
			Reason: "which files the builder edited and looked at, and what was searched for in them",
			Touches: []string{
				"~/.viminfo", "~/.viminf*.tmp", "~/.vim/.netrwhist", "~/.vim/undo/*", "~/.vim/swap/*", "~/.local/share/nvim/shada/*",
				"~/.local/state/nvim/shada/*", "~/.local/state/nvim/swap/*", "~/.local/share/nvim/undo/*",
				"~/.local/state/nvim/undo/*", "~/.local/share/nvim/swap/*", "~/.local/state/lesshst",
				"~/.local/share/lesshst",
				"~/.lesshst", "~/.wget-hsts", "~/.selected_editor", "~/.nano/search_history", "~/.local/share/nano/search_history",
				"~/.joe_state", "~/.emacs.d/auto-save-list/*", "~/.gitk",
			},
		},
		{
			ID:       "editor.swap",
			Severity: High,
			Mode:     Default,
			Action:   Remove,
			Reason:   "an editor's copy of a file, with text that was deleted from it",
			Touches: []string{
				"/etc/**/.*.sw[a-p]",
				"/etc/**/.*.un~",
				"/etc/**/#*#",
				"~~/**/.*.sw[a-p]",
				"~~/**/.*.un~",
				"~~/**/#*#",
				"~/.*.sw[a-p]",
				"~/.*.un~",
				"~/#*#",
				"~/.*/.*.sw[a-p]",
			}, Holds: isEditorsCopy,
		},
		{
			ID:       "editor.backups",
			Severity: Medium,
			Mode:     Optional,
			Action:   Remove,
			Silent:   true,
			Reason:   "a copy of a configuration as it was, perhaps with an old password",
			Touches:  backupPatterns(), Holds: regular,
		},
		{
			ID:       "editor.backups_of_secrets",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "a copy of an older configuration with a password in it",
			Touches:  backupPatterns(),
			Remedy:   "remove it, or name editor.backups in pre_snapshot.clean", Holds: func(i *Image, file string) bool {
				return i.isFile(file) && hasPasswordLine(i.text(file)) && !i.packages.vouches(file)
			},
		},
		{
			ID:       "caches.root",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "what package managers and compilers cached for the builder; addresses in it can hold tokens",
			Touches: []string{
				"/root/.cache/pip", "/root/.cache/pip-tools", "/root/.cache/uv", "/root/.cache/pypoetry/cache",
				"/root/.cache/pypoetry/artifacts", "/root/.cache/go-build", "/root/.cache/golangci-lint",
				"/root/.cache/composer", "/root/.cache/yarn", "/root/.cache/npm", "/root/.cache/pnpm", "/root/.cache/node-gyp",
				"/root/.cache/node/corepack", "/root/.cache/helm", "/root/.cache/ccache",
				"/root/.cache/sccache",
				"/root/.cache/bazel", "/root/.cache/gem", "/root/.cache/motd.legal-displayed", "/root/.cache/vim", "/root/.cache/nvim",
				"/root/.cache/mc", "/root/.cache/thumbnails", "/root/.cache/snowflake",
			},
		},
		{
			ID:       "caches.homes",
			Severity: Low,
			Mode:     Optional,
			Action:   Remove,
			Silent:   true,
			Reason:   "caches of build tools; some apps need them",
			Touches: []string{
				"~~/.cache/*",
				"~~/.npm/_cacache",
				"~~/.npm/_logs",
				"~~/.cpan/build",
				"~~/.cpan/sources",
				"~~/.gem/cache",
				"~~/go/pkg/mod/cache",
				"~~/.cargo/registry/cache",
				"~~/.ansible/tmp",
				"~~/.local/share/Trash/*",
				"~~/snap/*/common/.cache/*",
			},
		},
		{
			ID:       "caches.system",
			Severity: Low,
			Mode:     Optional,
			Action:   Remove,
			Silent:   true,
			Reason:   "caches that the system makes again, at the cost of time",
			Touches: []string{
				"/var/cache/man/*", "/var/cache/fontconfig/*", "/var/lib/mlocate/mlocate.db",
				"/var/lib/plocate/plocate.db", "/var/cache/locate/locatedb",
			},
		},
		{
			ID:       "caches.debconf",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Reason:   "older copies of debconf's answers, which can hold passwords",
			Touches:  []string{"/var/cache/debconf/*-old"},
		},
		{
			ID:       "desktop.state",
			Severity: Low,
			Mode:     Optional,
			Action:   Remove,
			Silent:   true,
			Reason:   "state of a desktop's login screen",
			Touches:  []string{"/var/cache/gdm/*", "/var/lib/AccountsService/users/*", "/var/lib/fprint/*"},
		},
	}
}

// isEditorsCopy leaves out what only has the name of vim's swap files: .logo.swf is a film.
func isEditorsCopy(i *Image, file string) bool {
	extension := path.Ext(file)
	certain := !strings.HasPrefix(extension, ".sw") || extension == ".swp" || extension == ".swo" || extension == ".swn"
	return regular(i, file) && (certain || containingBytes(i, file, "b0VIM"))
}

// otherHistories keep what was typed under a name of their own.
var otherHistories = map[string]bool{
	".histfile":         true,
	".pgclirc.log":      true,
	".node_repl":        true,
	".zcompdump":        true,
	".octave_hist":      true,
	".Rhistory":         true,
	".dbshell":          true,
	".erlang_history":   true,
	".wp-cli_history":   true,
	".rediscli_history": true, ".mongorc.log": true, ".psqlrc.log": true, ".zhistory": true, ".histdb": true,
}

// homeOf is the home that a file is in.
func homeOf(i *Image, file string) string {
	best := ""
	for _, home := range i.homes {
		if strings.HasPrefix(file, home+"/") && len(home) > len(best) {
			best = home
		}
	}
	return best
}

// backupPatterns are the names of backups, in the places where configurations are.
func backupPatterns() (patterns []string) {
	for _, place := range []string{"/etc/**/", "~~/"} {
		for _, name := range []string{
			"*~", "*.bak", "*.orig", "*.rej", "*.old", "*.save", "*.dpkg-old", "*.dpkg-dist",
			"*.dpkg-new", "*.ucf-*", "*.rpmsave", "*.rpmnew", "*.rpmorig",
		} {
			patterns = append(patterns, place+name)
		}
	}
	return patterns
}

// passwordLine is a setting whose value is a password.
var passwordLine = pattern.New(
	`(?im)^\s*["']?[a-z0-9_.-]*(?:password|passwd|secret|token|api_?key)["']?\s*(?:=>|=|:)\s*["']?[^\s"'#;]{6,}`,
)

func hasPasswordLine(text string) bool { return passwordLine().MatchString(text) }

func credentialEntries() []Entry {
	const live = "it lets everybody with a Droplet of the image act as its builder"
	return []Entry{
		{
			ID: "credentials.git", Severity: Critical, Mode: Default, Action: Remove, Reason: live,
			Touches: []string{
				"~/.git-credentials",
				"~/.config/git/credentials",
				"~/.config/gh/hosts.yml",
				"~/.config/glab-cli/config.yml",
				"~/.config/hub",
				"~/.hub",
				"~/.git-credential-cache",
			},
		},
		{
			ID:       "credentials.git_config",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "it holds an address with a password, or a token",
			Touches: []string{
				"~/.gitconfig", "~/.config/git/config", "/etc/gitconfig", "/srv/**/.git/config",
				"/opt/**/.git/config", "/var/www/**/.git/config", "~~/**/.git/config",
			},
			Remedy: "take the password out of the address: git remote set-url origin ADDRESS",
			Holds:  func(i *Image, file string) bool { return urlWithPassword().MatchString(i.text(file)) },
		},
		{
			ID: "credentials.cloud", Severity: Critical, Mode: Default, Action: Remove, Reason: live,
			Touches: []string{
				"~/.aws/credentials", "~/.aws/config", "~/.aws/sso", "~/.aws/cli/cache", "~/.config/gcloud", "~/.azure",
				"~/.config/doctl/config.yaml", "~/snap/doctl/*/.config/doctl/config.yaml", "~/.oci",
				"~/.kube/config",
				"~/.config/hcloud", "~/.linode-cli", "~/.config/linode-cli", "~/.s3cfg", "~/.boto", "~/.config/rclone/rclone.conf",
				"~/.rclone.conf", "~/.terraform.d/credentials.tfrc.json", "~/.vault-token", "~/.fly",
				"~/.config/heroku", "~/.config/op",
			},
		},
		{
			ID: "credentials.registries", Severity: Critical, Mode: Default, Action: Remove, Reason: live,
			Touches: []string{
				"~/.npmrc",
				"~/.yarnrc",
				"~/.yarnrc.yml",
				"~/.pypirc",
				"~/.netrc",
				"~/.gem/credentials",
				"~/.cargo/credentials",
				"~/.cargo/credentials.toml",
				"~/.composer/auth.json",
				"~/.config/composer/auth.json",
				"~/.nuget/NuGet/NuGet.Config",
				"/etc/apt/auth.conf",
				"/etc/apt/auth.conf.d/*",
			},
			Holds: func(i *Image, file string) bool {
				base := path.Base(file)
				return base != ".npmrc" && !strings.HasPrefix(base, ".yarnrc") && base != "NuGet.Config" ||
					containing("_auth", "npmAuthToken", "_password", "Password")(i, file)
			},
		},
		{
			ID: "credentials.containers", Severity: Critical, Mode: Default, Action: Remove, Reason: live,
			Touches: []string{
				"~/.docker/config.json",
				"~/.dockercfg",
				"~/.config/containers/auth.json",
				"/etc/containers/auth.json",
				"/var/lib/kubelet/config.json",
				"/run/containers/0/auth.json",
			},
		},
		{
			ID:       "credentials.mixed",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "it holds a password beside settings",
			Remedy:   "take the password out",
			Touches: []string{
				"~/.m2/settings.xml", "~/.pip/pip.conf", "~/.config/pip/pip.conf", "/etc/pip.conf", "/etc/apt/apt.conf", "/etc/apt/apt.conf.d/*",
				"/etc/yum.conf", "/etc/dnf/dnf.conf", "/etc/environment", "/etc/rancher/k3s/registries.yaml",
				"~/.my.cnf", "~/.mylogin.cnf", "~/.pgpass",
				"/etc/systemd/system/*.d/*.conf", "/etc/wgetrc", "~/.wgetrc", "~/.curlrc",
			},
			Holds: func(i *Image, file string) bool {
				text := i.text(file)
				base := path.Base(file)
				if base == "environment" { // the address of a managed database has an entry of its own
					text = strings.Join(slices.DeleteFunc(i.textLines(file), func(line string) bool { return namesManagedDatabase(i, line) }), "\n")
				}
				return urlWithPassword().MatchString(text) || base == ".mylogin.cnf" || base == ".pgpass" && text != "" ||
					(base == ".my.cnf" || base == "settings.xml" || base == "registries.yaml") &&
						(hasPasswordLine(text) || strings.Contains(text, "<password>"))
			},
		},
		{
			ID:       "credentials.build_proxy",
			Severity: High,
			Mode:     ReportOnly,
			Left:     Warn,
			Reason:   "it sends packages by the build's proxy",
			Remedy:   "remove it",
			Touches: []string{
				"/etc/apt/apt.conf.d/*proxy*", "/etc/systemd/system/*.d/http-proxy.conf",
				"/etc/systemd/system/*.d/*proxy*.conf",
			},
		},
		{
			ID:       "credentials.keyrings",
			Severity: Critical,
			Mode:     ReportOnly,
			Reason:   "private keys or passwords of the builder",
			Remedy:   "remove it",
			Touches: []string{
				"~/.gnupg/private-keys-v1.d/*",
				"~/.gnupg/secring.gpg",
				"~/.password-store/*",
				"~/.age/*",
				"~/.config/sops/age/keys.txt",
				"~/.local/share/keyrings/*",
				"~/.pki/nssdb/key4.db",
			},
		},
		{
			ID:       "credentials.gnupg_seed",
			Severity: Medium,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "the state of a random number generator",
			Touches:  []string{"~/.gnupg/random_seed"},
		},
		{
			ID:       "credentials.world_readable",
			Severity: High,
			Mode:     ReportOnly,
			Reason:   "every account of the machine can read the password in it",
			Remedy:   "chmod 0640 {subject}, and give it to the group that needs it",
			Touches: []string{
				"/etc/**/*.env",
				"/opt/**/.env",
				"/srv/**/.env",
				"/var/www/**/.env",
				"/etc/**/*credential*",
				"/etc/**/*secret*",
				"~/.my.cnf",
				"~/.pgpass",
				"/etc/mysql/debian.cnf",
				"/etc/environment",
			},
			Holds: func(i *Image, file string) bool {
				info, err := i.Files.Lstat(file)
				return err == nil && info.Mode().IsRegular() && worldReadable(info) && hasPasswordLine(i.text(file)) &&
					!i.packages.vouches(file)
			},
		},
	}
}

// urlWithPassword is an address with a user's password or token in it.
var urlWithPassword = pattern.New(`[a-z][a-z0-9+.-]*://[^\s:/@"'<>]*:[^\s/@"'<>{}$]{3,}@`)
