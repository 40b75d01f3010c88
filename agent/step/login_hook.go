package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"case $- in *i*) [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && [ -x /usr/bin/oneclick-agent ] && " +
		"/usr/bin/oneclick-agent first-login --from-bashrc || : ;; esac",
	hookEnd,
}

// Hook adds our block to the text of a .bashrc and keeps every byte of it. The block's own lines end as bash wants them,
// whatever the others end with: a carriage return behind "esac" is a syntax error. A block that is not so is made anew.
func Hook(text []byte) []byte {
	if bytes.Contains(text, []byte(hookBegin)) {
		if !bytes.Contains(text, []byte(strings.Join(hookLines, "\r\n"))) {
			return text
		}
		without, whole := Unhook(text)
		if !whole {
			return text
		}
		text = without
	}
	block := strings.Join(hookLines, "\n") + "\n"
	if len(text) > 0 && text[len(text)-1] != '\n' {
		block = "\n" + strings.TrimSuffix(block, "\n") // so that the last line is without its end again afterwards
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

// LoginHook adds the block to root's .bashrc. Where that is no file that can be edited, the Droplet does without: its
// error is a Degraded.
type LoginHook struct{}

// Check looks for the block.
func (LoginHook) Check(_ context.Context, h *host.Host) (State, error) {
	text, err := readBashrc(h)
	if err != nil {
		return Unmet, noHook(err)
	}
	if !bytes.Equal(Hook(text), text) {
		return Unmet, nil
	}
	return Met, nil
}

// Apply adds it.
func (LoginHook) Apply(_ context.Context, h *host.Host) error {
	text, err := readBashrc(h)
	if err == nil {
		_, err = h.Files.WriteFile(bashrcPath, Hook(text), host.Attributes{})
	}
	if err != nil {
		return noHook(err)
	}
	return nil
}

// noHook says what does not work now, and what works instead.
func noHook(err error) error {
	if errors.Is(err, host.ErrPower) {
		return err
	}
	return &Degraded{fmt.Errorf("cannot offer the setup at the first login: %w; mend the file, or start "+
		"the setup by hand with oneclick-agent first-login", err)}
}

func readBashrc(h *host.Host) ([]byte, error) {
	text, err := h.Files.ReadFile(bashrcPath, maxBashrc)
	if errors.Is(err, fs.ErrNotExist) {
		if target, linkErr := h.Files.Readlink(bashrcPath); linkErr == nil {
			return nil, fmt.Errorf("cannot read %s: it is a link to %s, which is not there", bashrcPath, target)
		}
		return nil, nil
	}
	return text, err
}

// RemoveLoginHook takes the block out. One that was edited stays, and does no harm: the program ends at once. So it is
// with a .bashrc that we could not have written: there is no block of ours in it.
func RemoveLoginHook(h *host.Host) error {
	info, err := h.Files.Stat(bashrcPath)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() > maxBashrc) {
		return nil
	}
	text, err := readBashrc(h)
	if err != nil {
		return err
	}
	without, _ := Unhook(text)
	if bytes.Equal(without, text) {
		return nil
	}
	_, err = h.Files.WriteFile(bashrcPath, without, host.Attributes{})
	return err
}
