package firstboot

import (
	"errors"
	"fmt"
	"path"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/step"
)

// GeneratorName is the name under which systemd runs this program as a generator (systemd.generator(7)).
const GeneratorName = "oneclick-gate"

// WriteGates gives each gated unit a condition on its gate file, in the directory that systemd hands its
// generators. A condition, unlike an ordering, cannot deadlock: a unit whose gate is closed is passed over. It
// works on what can be read of a damaged manifest, because holding back too much is better than too little.
func WriteGates(h *host.Host, manifestFile, directory string) error {
	data, err := h.Files.ReadFile(manifestFile, manifest.MaxSize)
	if err != nil {
		return err
	}
	m, problems := lint.Parse(data, manifestFile)
	if m.Gate == nil {
		if len(problems) > 0 {
			return fmt.Errorf("cannot tell from %s what to hold back: %w", manifestFile, problems.Err())
		}
		return nil
	}
	var failures []error
	for _, unit := range m.Gate.Services {
		if path.Base(unit) != unit {
			continue
		}
		folder := path.Join(directory, unit+".d")
		content := "# Held back by oneclick-agent until " + m.Gate.Until + ".\n[Unit]\nConditionPathExists=" + step.GateFile(unit) + "\n"
		err := h.Files.MakeDirectory(folder, host.Attributes{})
		if err == nil {
			_, err = h.Files.WriteFile(path.Join(folder, "50-oneclick-gate.conf"), []byte(content), host.Attributes{})
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}
