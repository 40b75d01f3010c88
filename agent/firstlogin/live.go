package firstlogin

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// region is the last lines of a terminal, drawn again in place.
type region struct {
	out   io.Writer
	drawn int // lines that stand there
	width int // of the window, when they were drawn
}

// draw puts lines in the place of those that stand there, in one write, so that nothing flickers. In a window that has
// become narrower the old ones may have been wrapped, so they are left, and the new ones begin below.
func (r *region) draw(lines []string, columns int) {
	if columns < r.width {
		r.drawn = 0
	}
	r.width = columns
	var b strings.Builder
	if r.drawn > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA", r.drawn)
	}
	for _, line := range lines {
		b.WriteString("\r" + line + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	r.drawn = len(lines)
	io.WriteString(r.out, b.String())
}

// clear takes the lines away.
func (r *region) clear() {
	if r.drawn > 0 {
		fmt.Fprintf(r.out, "\r\x1b[%dA\x1b[J", r.drawn)
	}
	r.drawn = 0
}

const (
	spinEvery = 100 * time.Millisecond
	// spinAfter is from when on waiting is worth a word.
	spinAfter = 150 * time.Millisecond
)

// spin turns a spinner before a text until the returned function is called.
func spin(out io.Writer, s Screen, text string) (done func()) {
	stop := make(chan struct{})
	var turning sync.WaitGroup
	turning.Go(func() {
		r := region{out: out}
		defer r.clear()
		wait := time.After(spinAfter)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-wait:
				wait = time.After(spinEvery)
			}
			line := margin + s.accent(s.spinner[i%len(s.spinner)]) + " " + cut(text, s.width()-2)
			r.draw([]string{"", line}, s.Columns)
		}
	})
	return func() {
		close(stop)
		turning.Wait()
	}
}
