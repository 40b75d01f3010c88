package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// waiting reports how many stand in the queue of the lock.
func waiting(t *testing.T, h *Host) (count int) {
	t.Helper()
	file, err := h.Files.OpenRead("/lock")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for at := int64(firstTicket); at < firstTicket+100; at++ {
		if locked, _ := lockedBytes(file, at, at+1); locked != nil {
			count++
		}
	}
	return count
}

func TestWhoWaitsForALockIsServedInTurnAndToldWhomItWaitsFor(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	first, err := h.Files.Acquire(t.Context(), "/lock", Wish{Doing: "first boot"})
	if err != nil {
		t.Fatal(err)
	}
	holder, held := h.Files.HolderOf("/lock")
	if !held || holder.PID != os.Getpid() || holder.Doing != "first boot" || time.Since(holder.Since) > time.Minute {
		t.Errorf("the holder is %+v, %v", holder, held)
	}
	var order []int
	var told []string
	var mu sync.Mutex
	var everybody sync.WaitGroup
	for n := range 5 {
		everybody.Go(func() {
			wish := Wish{Doing: fmt.Sprint("waiter ", n), Within: time.Minute, Told: func(holder Holder) {
				mu.Lock()
				defer mu.Unlock()
				if n == 4 {
					told = append(told, holder.Doing)
				}
			}}
			lock, err := h.Files.Acquire(t.Context(), "/lock", wish)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, n)
			mu.Unlock()
			for last := n == 4; !last; { // long enough for the last one to see it
				mu.Lock()
				last = len(told) > n+1
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
			lock.Close()
		})
		for waiting(t, h) <= n {
			time.Sleep(time.Millisecond)
		}
	}
	for seen := false; !seen; time.Sleep(time.Millisecond) {
		mu.Lock()
		seen = len(told) > 0
		mu.Unlock()
	}
	first.Close()
	everybody.Wait()
	if fmt.Sprint(order) != "[0 1 2 3 4]" {
		t.Errorf("they were served in the order %v", order)
	}
	if got := strings.Join(told, ", "); got != "first boot, waiter 0, waiter 1, waiter 2, waiter 3" {
		t.Errorf("the last one was told to wait for %s", got)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "lock")); len(data) > 0 || err != nil {
		t.Errorf("the free lock's file holds %q, %v", data, err)
	}
}

func TestWaitingForALockEnds(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	holder, err := h.Files.Acquire(t.Context(), "/lock", Wish{Doing: "rotate \x1b[31mdb_password"})
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	_, err = h.Files.Acquire(t.Context(), "/lock", Wish{Within: 30 * time.Millisecond})
	since := time.Now().UTC().Format(time.TimeOnly)
	want := fmt.Sprintf("another process is at work: process %d (rotate \\x1b[31mdb_password) since %s holds /lock", os.Getpid(), since)
	withoutSeconds := want[:len(want)-len("05 holds /lock")]
	if !errors.Is(err, ErrLocked) || !strings.HasPrefix(err.Error(), withoutSeconds) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = h.Files.Acquire(ctx, "/lock", Wish{Within: time.Hour})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	if waiting(t, h) != 0 {
		t.Error("who gave up still stands in the queue")
	}
	if _, err := h.Files.LockWithin("/lock", time.Millisecond); !errors.Is(err, ErrLocked) {
		t.Errorf("the short way: %v", err)
	}
}

// Who asks for a lock without waiting, and who waits, keep each other out; and a count that both raise is right.
func TestOneAtATimeHoldsALock(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	counter := filepath.Join(dir, "counter")
	var everybody sync.WaitGroup
	const each = 40
	for n := range 8 {
		everybody.Go(func() {
			for range each {
				if n%2 == 0 {
					lock, err := h.Files.Acquire(t.Context(), "/lock", Wish{Doing: "count", Within: time.Minute})
					if err != nil {
						t.Error(err)
						return
					}
					data, _ := os.ReadFile(counter)
					os.WriteFile(counter, append(data, '.'), 0o600)
					lock.Close()
				} else if lock, err := h.Files.Lock("/lock"); err == nil {
					data, _ := os.ReadFile(counter)
					os.WriteFile(counter, data, 0o600)
					unlock(lock)
				} else if !errors.Is(err, ErrLocked) {
					t.Error(err)
				}
			}
		})
	}
	everybody.Wait()
	if data, err := os.ReadFile(counter); len(data) != 4*each || err != nil {
		t.Errorf("%d of %d were counted, %v", len(data), 4*each, err)
	}
}

func TestAKilledWaiterLeavesTheQueue(t *testing.T) {
	t.Parallel()
	h, dir := open(t)
	first, err := h.Files.Acquire(t.Context(), "/lock", Wish{})
	if err != nil {
		t.Fatal(err)
	}
	victim := process(t, "wait", dir)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	for waiting(t, h) == 0 {
		time.Sleep(time.Millisecond)
	}
	victim.Process.Kill()
	victim.Wait()
	first.Close()
	lock, err := h.Files.Acquire(t.Context(), "/lock", Wish{})
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
}

// waitForEver is a process that waits for the lock of a tree until it is killed.
func waitForEver(root string) {
	h, err := Open(root)
	fatal(err)
	_, err = h.Files.Acquire(context.Background(), "/lock", Wish{Doing: "wait", Within: time.Hour})
	fatal(err)
}
