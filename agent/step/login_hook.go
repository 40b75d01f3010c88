package step

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"

	"oneclick-agent/agent/host"
)

const (
	// bashrcPath is read by bash for root's interactive shells, and by Debian's bash even for "ssh host command".
	bashrcPath = "/root/.bashrc"
	maxBashrc  = 4 << 20

	hookBegin = "# BEGIN oneclick-agent: first login"
	hookEnd   = "# END oneclick-agent: first login"
)

// hookLines is the block that starts the wizard. It is quiet and quick wherever no person sits at a terminal, and
// where the program is gone; the program itself decides the rest.
var hookLines = []string{
	hookBegin,
	"case $- in *i*) [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && [ -x /usr/bin/oneclick-agent ] && /usr/bin/oneclick-agent first-login --from-bashrc || : ;; esac",
	hookEnd,
}

// Hook adds our block to the text of a .bashrc, in the text's own kind of line end, and keeps every byte of it.
func Hook(text []byte) []byte {
	if bytes.Contains(text, []byte(hookBegin)) {
		return text
	}
	end := "\n"
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		end = "\r\n"
	}
	block := strings.Join(hookLines, end) + end
	if len(text) > 0 && text[len(text)-1] != '\n' {
		block = end + strings.TrimSuffix(block, end) // so that the last line is without its end again afterwards
	}
	return append(bytes.Clone(text), block...)
}

// Unhook takes our block out again. A block that somebody edited is theirs: the text comes back as it is, with false.
func Unhook(text []byte) (without []byte, whole bool) {
	for _, end := range []string{"\n", "\r\n"} {
		block := strings.Join(hookLines, end)
		i := bytes.Index(text, []byte(block))
		if i < 0 || i > 0 && text[i-1] != '\n' {
			continue
		}
		before, after := text[:i], text[i+len(block):]
		if len(after) == 0 {
			before = bytes.TrimSuffix(before, []byte(end)) // it was added to a last line without an end
		} else if cut, ok := bytes.CutPrefix(after, []byte(end)); ok {
			after = cut
		} else {
			continue
		}
		return append(bytes.Clone(before), after...), true
	}
	return text, !bytes.Contains(text, []byte(hookBegin))
}

// LoginHook adds the block to root's .bashrc.
type LoginHook struct{}

// Check looks for the block.
func (LoginHook) Check(_ context.Context, h *host.Host) (State, error) {
	text, err := readBashrc(h)
	if err != nil || !bytes.Contains(text, []byte(hookBegin)) {
		return Unmet, err
	}
	return Met, nil
}

// Apply adds it.
func (LoginHook) Apply(_ context.Context, h *host.Host) error {
	text, err := readBashrc(h)
	if err != nil {
		return err
	}
	_, err = h.Files.WriteFile(bashrcPath, Hook(text), host.Attributes{})
	return err
}

func readBashrc(h *host.Host) ([]byte, error) {
	text, err := h.Files.ReadFile(bashrcPath, maxBashrc)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// RemoveLoginHook takes the block out. One that was edited stays, and does no harm: the program ends at once.
func RemoveLoginHook(h *host.Host) error {
	text, err := readBashrc(h)
	if err != nil || text == nil {
		return err
	}
	without, _ := Unhook(text)
	if bytes.Equal(without, text) {
		return nil
	}
	_, err = h.Files.WriteFile(bashrcPath, without, host.Attributes{})
	return err
}
