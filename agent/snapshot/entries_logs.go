package snapshot

import (
	"context"
	"path"
	"strings"
	"time"

	"oneclick-agent/agent/disk"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/pattern"
)

// rotatedName is how rotation names older logs: by number, by date, and compressed.
var rotatedName = pattern.New(`(\.[0-9]{1,3}|-[0-9]{8}(-[0-9]{2,10})?|\.old|~)(\.(gz|xz|bz2|zst|lz4))?$|\.(gz|xz|bz2|zst|lz4)$`)

// otherLog are the files in /var/log that have an entry of their own.
var otherLog = pattern.New(
	`^/var/log/((wtmp|btmp|lastlog|faillog|tallylog|bootstrap\.log)$|wtmp\.db|` +
		`(sa|sysstat)/sa|account/pacct|(anaconda|installer|dump)/|droplet_agent\.install\.log$)`,
)

func logEntries() []Entry {
	const why = "what happened on the build machine: addresses, names, and what programs printed"
	return []Entry{
		{
			ID:       "logs.journal",
			Severity: High,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Left:     Warn,
			Reason:   why,
			Touches:  []string{"/var/log/journal/*", "/run/log/journal/*"},
			Prepare:  letGoOfJournal, Holds: func(i *Image, file string) bool { return !i.Live() || strings.HasPrefix(file, "/var/") },
		},
		{
			ID:       "logs.rotated",
			Severity: High,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "older logs of the build machine",
			Touches:  []string{"/var/log/**/*"},
			Holds:    func(i *Image, file string) bool { return rotatedName().MatchString(path.Base(file)) && i.isLog(file) },
		},
		{
			ID:       "logs.installer",
			Severity: Critical,
			Mode:     Default,
			Action:   Remove,
			Reason:   "an installer's record, which can hold root's password",
			Touches: []string{
				"/root/anaconda-ks.cfg", "/root/original-ks.cfg", "/root/initial-setup-ks.cfg", "/root/install.log*", "/var/log/anaconda/*",
				"/var/log/installer/*", "/var/log/bootstrap.log", "/root/.packer*",
			},
		},
		{
			ID:       "logs.logins",
			Severity: High,
			Mode:     Default,
			Action:   Empty,
			Returns:  true,
			Left:     Warn,
			Reason:   "who logged in to the build machine, and from where",
			Touches: []string{
				"/var/log/wtmp",
				"/var/log/btmp",
				"/var/log/lastlog",
				"/var/log/faillog",
				"/var/log/tallylog",
			}, Holds: filled,
		},
		{
			ID:       "logs.login_databases",
			Severity: High,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Left:     Warn,
			Reason:   "who logged in to the build machine, and from where",
			Touches:  []string{"/var/lib/wtmpdb/wtmp.db*", "/var/lib/lastlog/lastlog2.db*", "/var/log/wtmp.db*"}, Holds: regular,
		},
		{
			ID:       "logs.accounting",
			Severity: Low,
			Mode:     Default,
			Action:   Empty,
			Returns:  true,
			Reason:   "figures of the build machine",
			Touches:  []string{"/var/account/pacct*", "/var/log/account/pacct*", "/var/log/sa/sa*", "/var/log/sysstat/sa*"},
			Holds:    filled,
		},
		{
			ID:       "logs.text",
			Severity: High,
			Mode:     Default,
			Action:   Empty,
			Returns:  true,
			Left:     Warn,
			Reason:   why,
			Touches:  []string{"/var/log/**/*"},
			Holds: func(i *Image, file string) bool {
				return !rotatedName().MatchString(path.Base(file)) && !otherLog().MatchString(file) && i.hasContent(file) && i.isLog(file)
			},
		},
		{
			ID:       "logs.other_files",
			Severity: Medium,
			Mode:     ReportOnly,
			Reason:   "it is no log, so that it is left as it is: data has its place in /var/lib",
			Touches:  []string{"/var/log/**/*"},
			Remedy:   "move it, name it in pre_snapshot.remove, or accept it", Holds: func(i *Image, file string) bool {
				return i.belowLogs(file) && i.hasContent(file) && !otherLog().MatchString(file) && !i.isLog(file) &&
					!i.packages.owns(file)
			},
		},
		{
			ID:       "logs.state",
			Severity: Low,
			Mode:     Default,
			Action:   Remove,
			Returns:  true,
			Reason:   "how far logs were rotated and shipped",
			Touches: []string{
				"/var/lib/logrotate/status", "/var/lib/logrotate/logrotate.status",
				"/var/lib/logrotate.status", "/var/lib/rsyslog/imjournal.state",
			},
		},
		{
			ID:       "logs.deleted",
			Severity: Medium,
			Mode:     Default,
			Action:   Zero,
			LiveOnly: true,
			Reason:   "a log that was deleted while a program still writes to it: it is still on the disk",
			Touches:  []string{"/proc/*/fd"},
			Find:     findDeletedLogs,
			Clean:    func(_ context.Context, i *Image, file string) error { return disk.EmptyDeleted(i.Host, file) },
		},
	}
}

// belowLogs is a regular file where logs are, apart from those that fsck and the journal have there.
func (i *Image) belowLogs(file string) bool {
	return regular(i, file) && !strings.HasPrefix(file, "/var/log/lost+found/") && !strings.HasPrefix(file, "/var/log/journal/")
}

// isLog tells a log from what else programs keep in /var/log: by its name, whether it is rotated or not, and by its
// first bytes, unless it is compressed. What is no log is neither emptied nor removed.
func (i *Image) isLog(file string) bool {
	if !i.belowLogs(file) {
		return false
	}
	name := strings.ToLower(path.Base(file))
	compressed := compressedName().MatchString(name)
	name = rotatedName().ReplaceAllString(compressedName().ReplaceAllString(name, ""), "")
	if strings.HasPrefix(name, ".") || notLog().MatchString(name) {
		return false
	}
	if compressed {
		return true
	}
	head, err := i.Files.ReadHead(file, 512)
	return err == nil && !isData(head, strings.Contains(name, "log"))
}

var (
	compressedName = pattern.New(`\.(gz|xz|bz2|zst|lz4)$`)
	// notLog are the names of data, pages, settings, keys, programs and archives.
	notLog = pattern.New(
		`\.(db3?|sqlite3?|sqlite3?-(wal|shm|journal)|mdb|ldb|sst|rdb|aof|ibd|frm|myd|myi|wsp|rrd|parquet|` +
			`s?html?|css|m?js|php|svg|png|jpe?g|gif|ico|webp|pdf|woff2?|` +
			`conf|cfg|cnf|ini|toml|ya?ml|xml|key|pem|crt|cer|p12|pfx|jks|asc|gpg|` +
			`sh|py|pl|rb|go|jar|war|so|deb|rpm|tar|tgz|zip|7z|sql|dump|bak|md|swf)$`,
	)
)

// isData reports whether the first bytes are a database's, a picture's, a program's or another kind of data. What
// follows holes is no text either, but a log whose writer went on after it was emptied begins with them.
func isData(head []byte, calledLog bool) bool {
	for _, magic := range []string{
		"SQLite format 3\x00", "\x7fELF", "\x89PNG", "\xff\xd8\xff", "GIF8", "%PDF-", "PK\x03\x04",
		"ustar", "REDIS0", "-----BEGIN ", "<!DOCTYPE", "<html", "<?php", "\x00\x01\x00\x00Standard",
	} {
		if strings.HasPrefix(string(head), magic) {
			return true
		}
	}
	text := strings.TrimLeft(string(head), "\x00")
	return strings.Contains(text, "\x00") && !calledLog
}

const journalWithin = time.Minute

// letGoOfJournal has systemd's journal go on in memory only, so that its files can be removed and stay so.
func letGoOfJournal(ctx context.Context, i *Image) {
	ctx, cancel := context.WithTimeout(ctx, journalWithin)
	defer cancel()
	for _, arguments := range [][]string{{"--rotate"}, {"--vacuum-time=1s"}, {"--relinquish-var"}} {
		i.Run(ctx, host.Command{Argv: append([]string{"journalctl", "--quiet"}, arguments...)}) // an old one may lack an option
	}
	stopping("auditd.service", "rsyslog.service", "syslog-ng.service")(ctx, i)
}

func findDeletedLogs(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, file := range disk.DeletedFiles(i.Host, "/var/log/") {
		subjects = append(subjects, Subject{Name: file})
	}
	return subjects, nil
}
