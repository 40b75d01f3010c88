package status

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// album compares texts with those of a golden file, by their titles. UPDATE=1 writes it.
func album(t *testing.T, name string) func(title, text string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	data, _ := os.ReadFile(file)
	want := map[string]string{}
	for _, entry := range strings.Split(string(data), "=== ")[1:] {
		title, text, _ := strings.Cut(entry, "\n")
		want[title] = text
	}
	var mu sync.Mutex
	got := map[string]string{}
	t.Cleanup(func() {
		if os.Getenv("UPDATE") != "" {
			var b strings.Builder
			for _, title := range slices.Sorted(maps.Keys(got)) {
				b.WriteString("=== " + title + "\n" + got[title])
			}
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Error(err)
			}
		} else if len(got) != len(want) {
			t.Errorf("%s has %d texts, and there are %d", file, len(want), len(got))
		}
	})
	return func(title, text string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if got[title] = text; os.Getenv("UPDATE") == "" && text != want[title] {
			t.Errorf("%s: got\n%s\nwant\n%s", title, text, want[title])
		}
	}
}
