package host

import "github.com/coreos/go-systemd/v22/journal"

// MessageID marks our lines in the systemd journal: journalctl MESSAGE_ID=1c9e2b8f6a5d4f0e8b7c3d2a1f0e9d8c.
const MessageID = "1c9e2b8f6a5d4f0e8b7c3d2a1f0e9d8c"

// Log writes one line to the systemd journal, with the step it is about. It reports false where there is no
// journal to write to. A tree that is not this machine's root is never logged.
func (h *Host) Log(line, step string) bool {
	if !h.Live() || !journal.Enabled() {
		return false
	}
	return journal.Send(line, journal.PriInfo, map[string]string{
		"MESSAGE_ID": MessageID, "ONECLICK_STEP": step, "SYSLOG_IDENTIFIER": "oneclick-agent",
	}) == nil
}
