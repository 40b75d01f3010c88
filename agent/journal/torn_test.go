package journal

import (
	"testing"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
)

// A disk that is full takes half of a line. What is added once there is room again can be read all the same.
func TestALineThatAFullDiskTookHalfOfIsTakenOff(t *testing.T) {
	t.Parallel()
	h, err := host.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	j, err := Open(h, "/var/lib/oneclick/journal.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	full := false
	h.Files.Before = func(host.Operation) error {
		if full {
			return unix.ENOSPC
		}
		return nil
	}
	for _, step := range []string{"one", "two", "three"} {
		full = step == "two"
		if err := j.Append(Event{Event: Accomplished, Step: step}, true); (err != nil) != full {
			t.Fatalf("%s: %v", step, err)
		}
	}
	read, err := Read(h.Files, "/var/lib/oneclick/journal.jsonl")
	if err != nil || len(read.Steps) != 2 || read.Steps[0].ID != "one" || read.Steps[1].ID != "three" {
		t.Errorf("it reads as %+v, %v", read.Steps, err)
	}
}
