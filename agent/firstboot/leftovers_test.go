package firstboot

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

// A kill at any operation of whatever changes a Droplet leaves no temporary file and no lock behind the next run.
func TestAKillAtAnyOperationLeavesNothingBehindTheNextRun(t *testing.T) {
	t.Parallel()
	needRoot(t)
	ready := func(uses ...func(*facts.Facts) (journal.Phase, error)) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			if phase, err := boot(t, root, nil); !phase.Complete() {
				t.Fatalf("first boot is %s: %v", phase, err)
			}
			for _, use := range uses {
				do(t, root, use)
			}
		}
	}
	for name, work := range map[string]struct {
		before func(*testing.T, string)
		use    func(*facts.Facts) (journal.Phase, error)
	}{
		"first boot": {func(*testing.T, string) {}, func(f *facts.Facts) (journal.Phase, error) {
			return Run(context.Background(), f, false)
		}},
		"first login":   {ready(), answeringWith("an-answer")},
		"rotation":      {ready(answeringWith("an-answer")), rotating("one", "two")},
		"asking anew":   {ready(answeringWith("an-answer")), forget},
		"other answers": {ready(answeringWith("an-answer")), answeringWith("other-answer")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			root := newTree(t, accounts, appYAML(damagedSetup))
			work.before(t, root)
			on(t, root, func(host.Operation) error { calls.Add(1); return nil }, work.use)
			if calls.Load() < 5 {
				t.Fatalf("only %d operations were seen; the sweep would prove little", calls.Load())
			}
			for n := int64(1); n <= calls.Load(); n++ {
				root := newTree(t, accounts, appYAML(damagedSetup))
				work.before(t, root)
				var count atomic.Int64
				on(t, root, func(host.Operation) error {
					if count.Add(1) >= n {
						return host.ErrPower
					}
					return nil
				}, work.use)
				if phase, err := on(t, root, nil, work.use); !phase.Complete() {
					t.Errorf("cut at operation %d, the next run is %s: %v", n, phase, err)
				}
				for _, left := range leftBehind(t, root) {
					t.Errorf("cut at operation %d, this is left behind the next run: %s", n, left)
				}
			}
		})
	}
}

// leftBehind are the temporary files and the held locks of a tree.
func leftBehind(t *testing.T, root string) (left []string) {
	t.Helper()
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, lock := range []string{state.Lock, state.SecretsLock, state.AnswersLock} {
		if h.Files.Locked(lock) {
			left = append(left, "the lock "+lock)
		}
	}
	filepath.WalkDir(root, func(name string, entry fs.DirEntry, _ error) error {
		if strings.HasSuffix(entry.Name(), ".oneclick-new") {
			left = append(left, fmt.Sprint("the file ", strings.TrimPrefix(name, root)))
		}
		return nil
	})
	return left
}
