package host

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWritersBelowOneMissingDirectoryMakeItTogether(t *testing.T) {
	t.Parallel()
	h, dir := inMemory(t)
	for round := range 1000 {
		var writers sync.WaitGroup
		for n := range 6 {
			writers.Go(func() {
				directory := fmt.Sprintf("/%d/missing/too", round)
				if err := h.Files.MakeDirectory(directory, Mode(0o750)); err != nil {
					t.Error(err)
				}
				if _, err := h.Files.WriteFile(fmt.Sprintf("%s/%d", directory, n), []byte("x"), Attributes{}); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		info, err := os.Stat(filepath.Join(dir, fmt.Sprint(round), "missing/too"))
		if err != nil || info.Mode().Perm() != 0o750 {
			t.Fatalf("%v, %v", info, err)
		}
		os.RemoveAll(filepath.Join(dir, fmt.Sprint(round)))
	}
}

// Whoever asks whether a lock is held does not hold it meanwhile.
func TestAskingForALockTurnsNobodyAway(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	var over atomic.Bool
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for !over.Load() {
				h.Files.Locked("/lock")
			}
		})
	}
	turnedAway := 0
	for range 5000 {
		lock, err := h.Files.Lock("/lock")
		if err != nil {
			turnedAway++
			continue
		}
		unlock(lock)
	}
	over.Store(true)
	askers.Wait()
	if turnedAway > 0 {
		t.Errorf("%d of 5000 were turned away", turnedAway)
	}
}

// unlock lets go of a lock at once. Closing alone would wait for a process that is just being started by another test:
// it has a copy of all open files until it runs its program.
func unlock(lock *os.File) {
	unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK})
	unix.Flock(int(lock.Fd()), unix.LOCK_UN)
	lock.Close()
}

func TestALockOfAnOlderVersionIsALock(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	file, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if h.Files.Locked("/lock") {
		t.Error("it is held before anybody took it")
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Files.Lock("/lock"); !errors.Is(err, ErrLocked) || !h.Files.Locked("/lock") {
		t.Errorf("taking it: %v; it is held: %v", err, h.Files.Locked("/lock"))
	}
	unix.Flock(int(file.Fd()), unix.LOCK_UN)
	lock, err := h.Files.Lock("/lock")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("the older version does not see ours: %v", err)
	}
}

// holdForEver is a process that holds the lock of a tree until it is killed.
func holdForEver(root string) {
	h, err := Open(root)
	fatal(err)
	_, err = h.Files.Lock("/lock")
	fatal(err)
	fmt.Println("held")
	time.Sleep(time.Hour) // and not a select without cases, which the runtime takes for a deadlock
}

func TestAKilledHolderLeavesNoLock(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	holder := process(t, "hold", dir)
	told, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	told.Read(make([]byte, 5))
	if !h.Files.Locked("/lock") {
		t.Error("the lock of another process is not seen")
	}
	holder.Process.Kill()
	holder.Wait()
	lock, err := h.Files.Lock("/lock")
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
}

// content is what the writers of the tests write: one letter, as often as it likes. Nothing else is whole.
func content() []byte {
	letter := byte('a' + rand.IntN(26))
	return bytes.Repeat([]byte{letter}, 1000*int(letter-'a'+1))
}

func isWhole(data []byte) bool {
	return len(data) > 0 && len(data) == 1000*int(data[0]-'a'+1) && bytes.Count(data, data[:1]) == len(data)
}

// writeForEver is a process that writes the same file over and over until it is killed.
func writeForEver(root string) {
	h, err := Open(root)
	fatal(err)
	for {
		_, err := h.Files.WriteFile("/state/file", content(), Mode(0o600))
		fatal(err)
		fatal(h.Files.Symlink(fmt.Sprint(rand.IntN(100)), "/state/link"))
	}
}

// Writers of one file in several processes, half of them killed again and again, never show a reader anything but one
// of the contents; and what the killed ones left is gone with the next write.
func TestManyWritersNeverTearAFile(t *testing.T) {
	t.Parallel()
	h, dir := inMemory(t)
	state := filepath.Join(dir, "state")
	os.Mkdir(state, 0o755)
	if _, err := h.Files.WriteFile("/state/file", content(), Attributes{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := process(t, "write", dir).Start(); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(3 * time.Second)
	var everybody sync.WaitGroup
	for range 2 {
		everybody.Go(func() {
			for time.Now().Before(end) {
				if _, err := h.Files.WriteFile("/state/file", content(), Attributes{}); err != nil {
					t.Error(err)
				}
			}
		})
		everybody.Go(func() {
			for time.Now().Before(end) {
				if data, err := h.Files.ReadFile("/state/file", 1<<20); err != nil || !isWhole(data) {
					t.Errorf("a reader got %d bytes, %.20q…, %v", len(data), data, err)
					return
				}
			}
		})
		everybody.Go(func() {
			for time.Now().Before(end) {
				victim := process(t, "write", dir)
				if err := victim.Start(); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Duration(rand.IntN(int(50 * time.Millisecond))))
				victim.Process.Kill()
				victim.Wait()
			}
		})
	}
	everybody.Wait()
}

func TestWhatAKilledWriterLeftIsRemovedByTheNext(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	litter := func() (names []string) {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), ".oneclick-new") {
				names = append(names, entry.Name())
			}
		}
		return names
	}
	for _, operation := range []string{"write", "fsync", "rename"} {
		h.Files.Before = func(o Operation) error {
			if o.Name == operation {
				return ErrPower
			}
			return nil
		}
		h.Files.Symlink("somewhere", "/link")
		h.Files.WriteFile("/rotation.json", []byte("long gone"), Attributes{})
		h.Files.Before = nil
		os.WriteFile(filepath.Join(dir, ".older.json.oneclick-new"), []byte("of an older version"), 0o600)
		if len(litter()) < 2 {
			t.Fatalf("a cut at %s left only %v", operation, litter())
		}
		os.WriteFile(filepath.Join(dir, ".not-ours"), nil, 0o600)
		if _, err := h.Files.WriteFile("/another", []byte(operation), Attributes{}); err != nil || len(litter()) > 0 {
			t.Errorf("after a cut at %s and another write, %v is left, %v", operation, litter(), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".not-ours")); err != nil {
		t.Error(err)
	}
}

func TestALongNameIsWritten(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	name := "/" + strings.Repeat("n", 255)
	if _, err := h.Files.WriteFile(name, []byte("x"), Attributes{}); err != nil {
		t.Error(err)
	}
	if err := h.Files.Symlink("x", name); err != nil {
		t.Error(err)
	}
}
