package trial

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"oneclick-agent/agent/host"
)

// CutPower sets Droplets of the image up whose power goes ahead of change n, for every n, each of which the next boot and the
// next login must make what an undisturbed Droplet is. It returns how many cuts there were. Only changes to the Droplet
// itself count, and what is kept of each until it is recorded, unless every change is asked for.
func (i *Image) CutPower(ctx context.Context, every bool) (cuts int64, err error) {
	undisturbed, err := i.NewDroplet()
	if err != nil {
		return 0, err
	}
	var changes atomic.Int64
	undisturbed.Before = counting(every, func(n int64, _ host.Operation) error { changes.Store(n); return nil })
	if err := undisturbed.SetUp(ctx); err != nil {
		return 0, err
	}
	want, err := undisturbed.Look(ctx)
	if err != nil {
		return 0, err
	}
	for n := int64(1); n <= changes.Load(); n++ {
		if err := i.cut(ctx, n, every, want); err != nil {
			return n, err
		}
	}
	return changes.Load(), nil
}

// cut has the power go ahead of change n, sets the Droplet up again, and compares.
func (i *Image) cut(ctx context.Context, n int64, every bool, want map[string]string) error {
	d, err := i.NewDroplet()
	if err != nil {
		return err
	}
	defer os.RemoveAll(d.Root)
	var at atomic.Value
	d.Before = counting(every, func(now int64, o host.Operation) error {
		if now < n {
			return nil
		}
		at.CompareAndSwap(nil, o)
		return host.ErrPower
	})
	if err := d.SetUp(ctx); err != nil && at.Load() == nil {
		return fmt.Errorf("cannot set the Droplet up before the power cut at %d: %w", n, err)
	}
	d.Before = nil
	if err := d.SetUp(ctx); err != nil {
		return fmt.Errorf("cannot set the Droplet up after a power cut ahead of %v: %w", at.Load(), err)
	}
	got, err := d.Look(ctx)
	if err == nil && !maps.Equal(got, want) {
		err = fmt.Errorf("after a power cut ahead of %v there is, beside an undisturbed Droplet:\n%s", at.Load(), Difference(want, got))
	}
	return err
}

// unseen are the parts of writing a file before it has its name and after: a cut there leaves at most a temporary file.
var unseen = []string{"create", "write", "fsync", "fsync directory"}

// counting calls cut ahead of each change, with the number of those so far that count.
func counting(every bool, cut func(n int64, o host.Operation) error) func(host.Operation) error {
	var count atomic.Int64
	var unrecorded atomic.Bool
	return func(o host.Operation) error {
		counts := every
		switch {
		case o.Name == "append":
			counts = unrecorded.Swap(false) || every
		case slices.Contains(unseen, o.Name):
		case IsRecord("/" + strings.TrimPrefix(o.Object, "/")):
			counts = unrecorded.Load() || every // what a command printed is kept before the step is recorded
		default:
			counts = true
			unrecorded.Store(true)
		}
		if counts {
			return cut(count.Add(1), o)
		}
		return cut(count.Load(), o)
	}
}
