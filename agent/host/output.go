package host

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

// output keeps the beginning and the end of what a command prints, until it is taken.
type output struct {
	mu         sync.Mutex
	head, tail []byte
	dropped    int // bytes between the two
	taken      bool
}

// half is how much of the beginning, and how much of the end, is kept.
const half = MaxOutput / 2

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken {
		return len(p), nil
	}
	first := min(len(p), half-len(o.head))
	o.head = append(o.head, p[:first]...)
	o.tail = append(o.tail, p[first:]...)
	if len(o.tail) > 2*half { // now and then, so that each byte is moved once at most
		o.shorten()
	}
	return len(p), nil
}

func (o *output) shorten() {
	if over := len(o.tail) - half; over > 0 {
		o.dropped += over
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
}

// take returns what was printed so far; what comes later goes nowhere. Where something was dropped, only whole lines are
// left around the gap, because a part of a secret would not be recognised as one.
func (o *output) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken = true
	o.shorten()
	if o.dropped == 0 {
		return slices.Concat(o.head, o.tail)
	}
	head, tail := o.head[:bytes.LastIndexByte(o.head, '\n')+1], o.tail[bytes.IndexByte(o.tail, '\n')+1:]
	if bytes.IndexByte(o.tail, '\n') < 0 {
		tail = nil
	}
	gap := o.dropped + len(o.head) - len(head) + len(o.tail) - len(tail)
	return slices.Concat(head, fmt.Appendf(nil, "[%d bytes are left out here]\n", gap), tail)
}
