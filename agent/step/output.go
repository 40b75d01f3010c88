package step

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/state"
)

// Printed is the error of a step whose cause stands in what a program printed.
type Printed struct {
	Err error
	// Text is what it printed. It may hold secrets.
	Text []byte
	// File keeps all of that without secrets; "" where it could not be kept.
	File string
}

// Error says how the program ended, and nothing of what it printed.
func (p *Printed) Error() string { return p.Err.Error() }
func (p *Printed) Unwrap() error { return p.Err }

// printedBy is what a command that failed printed.
func printedBy(err error) []byte {
	var failed *host.CommandError
	if errors.As(err, &failed) {
		return append([]byte{}, failed.Printed...)
	}
	return nil
}

// keepOutput writes what a step's program printed, without secrets, to where people look for it, and returns that file.
// The step does not fail by it, but for a power cut.
func keepOutput(h *host.Host, id string, printed []byte) (file string, err error) {
	file = path.Join(state.Output, outputName(id))
	if err = h.Files.MakeDirectory(state.Output, private()); err == nil {
		err = writeOutput(h, file, h.Redacted(string(printed)))
	}
	if err != nil && !errors.Is(err, host.ErrPower) {
		h.ReportStep("warning: cannot keep what it printed: "+err.Error(), id)
		return "", nil
	}
	return file, err
}

func writeOutput(h *host.Host, name, text string) error {
	file, err := h.Files.Create(name)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// longestName is how many bytes of a step's id its file is named by.
const longestName = 60

// outputName turns a step's id into a file name. Where a part of the id is left out, its checksum tells it from others.
func outputName(id string) string {
	sum := ""
	if len(id) > longestName {
		digest := sha256.Sum256([]byte(id))
		id, sum = id[:longestName], "-"+hex.EncodeToString(digest[:4])
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, id) + sum
}
