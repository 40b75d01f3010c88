package lint

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// largest is the size of a manifest that is read within a second on any Droplet, in bytes.
const largest = 64 << 10

// patience is how many times as long as the yardstick reading a manifest may take. The worst that is known takes some ten times
// as long; what the bound is to find grows with the square or worse, and takes thousands.
const patience = 50

// yardstick is the processor time that reading a plain manifest of the greatest size takes on this machine.
var yardstick = sync.OnceValue(func() time.Duration {
	return processorTime(repeated("version: 1\napp: {name: x}\nfirst_boot:\n", func(n int) string {
		return fmt.Sprintf("- {file: /etc/%d.conf, content: 'plain', mode: '0600'}\n", n)
	}))
})

// processorTime is how much time of the processors reading a text takes. Other programs on a busy machine do not count.
func processorTime(text string) time.Duration {
	before := spent()
	Parse([]byte(text), "app.yaml")
	return spent() - before
}

// spent is the processor time that this process has used.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// repeated writes lines until a manifest is as large as it may be, or has as many entries in one mapping.
func repeated(head string, line func(n int) string) string {
	var b strings.Builder
	b.WriteString(head)
	for n := range 1000 {
		next := line(n)
		if b.Len()+len(next) > largest {
			break
		}
		b.WriteString(next)
	}
	return b.String()
}

// worst are the manifests that took longest: each has much of one thing that names, or is compared with, much of another.
func worst() map[string]string {
	const head = "version: 1\napp: {name: x}\n"
	var claims strings.Builder
	claims.WriteString(head + "secrets:\n  s0: {}\n  s1: {}\n")
	for n := 2; n < 42; n++ {
		fmt.Fprintf(&claims, "  s%d: {derive: jwt-hs256, from: s0, claims: {a: '{{ .secrets.s%d }}', b: '{{ .secrets.s%d }}'}}\n", n, n-1, n-2)
	}
	secrets := repeated(head+"secrets:\n", func(n int) string { return fmt.Sprintf("  s%d: {}\n", n) })
	return map[string]string{
		"40 chained jwt secrets": claims.String(),
		"a chain of secrets": repeated(head+"secrets:\n  s0: {}\n", func(n int) string {
			return fmt.Sprintf("  s%d: {derive: sha256, from: s%d}\n", n+1, n)
		}),
		"many secrets and many templates": repeated(
			secrets+"first_boot:\n",
			func(n int) string { return fmt.Sprintf("- {file: /%d, content: '{{.url}}'}\n", n) },
		),
		"many unknown secrets": repeated(
			secrets+"motd: |\n",
			func(n int) string { return fmt.Sprintf("   {{.secrets.t%d}}{{.secrets.u%d}}\n", n, n) },
		),
		"many steps with names": repeated(
			head+"first_boot:\n",
			func(n int) string { return fmt.Sprintf("- {remove: /%d, name: n%d}\n", n, n) },
		),
		"many steps for one path": repeated(head+"first_boot:\n", func(int) string { return "- {remove: /a}\n" }),
		"many unknown keys":       repeated(head, func(n int) string { return fmt.Sprintf("k%d: x\n", n) }),
		"loops in loops":          repeated(head+"motd: |\n", func(int) string { return "   {{range 99}}{{range 99}}{{end}}{{end}}\n" }),
		"loops in many templates": repeated(head+"first_boot:\n", func(n int) string {
			return fmt.Sprintf("- {file: /%d, content: '{{range 9999}}{{end}}'}\n", n)
		}),
		"endless templates": repeated(
			head+"motd: |\n",
			func(int) string { return "   {{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}\n" },
		),
		"wide columns": repeated(head+"motd: |\n", func(int) string { return "   {{printf \"%0999999d\" 1}}\n" }),
		"one text many times": repeated(
			head+"motd: |\n   {{$x := printf \"%0999d\" 1}}\n",
			func(int) string { return "   {{$x = printf \"%s%s\" $x $x}}\n" },
		),
		"large patterns": repeated(head+"first_login:\n  questions:\n", func(n int) string {
			return fmt.Sprintf("  - {name: n%d, ask: A, pattern: '(x{1000})(y{1000})(z{1000})'}\n", n)
		}),
		"nested lists": repeated(head+"motd: ", func(int) string { return "[" }),
	}
}

func readSoon(t *testing.T, text string) {
	t.Helper()
	ratio := float64(processorTime(text)) / float64(yardstick())
	t.Logf("reading %d bytes takes %.1f times as long as a plain manifest", len(text), ratio)
	if ratio > patience {
		t.Errorf("reading %d bytes takes %.0f times as long as a plain manifest", len(text), ratio)
	}
}

// Nothing that fits into 64 KB keeps whoever reads it busy.
func TestAnyManifestIsReadSoon(t *testing.T) {
	for name, text := range worst() {
		t.Run(name, func(t *testing.T) { readSoon(t, text) })
	}
}

// FuzzTime looks for manifests that take long, from the worst that are known.
func FuzzTime(f *testing.F) {
	for _, text := range worst() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { readSoon(t, string(data[:min(len(data), largest)])) })
}
