package snapshot

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// defect is one of the list in testdata/defects.txt.
type defect struct {
	name, check, subject string
	status               Status
	files                []defectFile
}

type defectFile struct {
	path, content string
	mode          os.FileMode
}

// defects reads the list.
func defects(t *testing.T) (all []defect) {
	t.Helper()
	data, err := os.ReadFile("testdata/defects.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if head := strings.Split(line, " | "); strings.HasPrefix(line, "# ") && len(head) == 4 {
			all = append(all, defect{name: head[0][2:], check: head[1], status: Status(head[2]), subject: head[3]})
			continue
		}
		fields := strings.SplitN(line, "\t", 3)
		if len(fields) != 3 || len(all) == 0 {
			continue
		}
		var mode uint32
		if _, err := fmt.Sscanf(fields[1], "%o", &mode); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		last := &all[len(all)-1]
		last.files = append(
			last.files,
			defectFile{fields[0], strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t").Replace(fields[2]), modeOf(mode)},
		)
	}
	return all
}

func modeOf(bits uint32) os.FileMode {
	mode := os.FileMode(bits & 0o777)
	if bits&0o4000 != 0 {
		mode |= os.ModeSetuid
	}
	if bits&0o2000 != 0 {
		mode |= os.ModeSetgid
	}
	return mode
}

// plantDefect puts a defect into the tree.
func (tr *tree) plantDefect(d defect) {
	tr.t.Helper()
	for _, f := range d.files {
		if target, ok := strings.CutPrefix(f.content, "@link:"); ok {
			os.MkdirAll(filepath.Dir(tr.path(f.path)), 0o755)
			if err := os.Symlink(target, tr.path(f.path)); err != nil {
				tr.t.Fatal(err)
			}
			continue
		}
		if more, ok := strings.CutPrefix(f.content, "@copy:"); ok {
			program, err := os.ReadFile(more)
			if err != nil {
				tr.t.Fatal(err)
			}
			tr.write(f.path, string(program))
		} else if more, ok := strings.CutPrefix(f.content, "@append:"); ok {
			before, _ := os.ReadFile(tr.path(f.path))
			tr.write(f.path, string(before)+more)
		} else if f.content != "@mode" {
			tr.write(f.path, f.content)
		}
		if err := os.Chmod(tr.path(f.path), f.mode); err != nil {
			tr.t.Fatal(err)
		}
	}
}

// TestEachDefectIsToldByOneCheckWithTheRightVerdict plants each of more than two hundred defects in a tree of its own.
func TestEachDefectIsToldByOneCheckWithTheRightVerdict(t *testing.T) {
	t.Parallel()
	all := defects(t)
	if len(all) < 200 {
		t.Fatalf("only %d defects", len(all))
	}
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			tr.plantDefect(d)
			image := tr.look()
			image.SkipSecrets = true
			report, err := Run(t.Context(), image, Options{CheckOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			worst, subjects := report.verdict(d.check)
			if worst != d.status || !slices.Contains(subjects, d.subject) {
				t.Errorf("%s is %s on %q; want %s on %q", d.check, worst, subjects, d.status, d.subject)
			}
			for _, c := range report.Checks {
				if c.Status == Fail && c.ID != d.check && (c.Subject == d.subject || strings.HasPrefix(c.Subject, d.subject+"/")) {
					t.Errorf("%s tells of it too: %s", c.ID, c.Message)
				}
			}
		})
	}
}

// TestTheTableOfDefectsIsInTheDocs: docs/pre-snapshot-defects.md is made from the list; UPDATE=1 writes it.
func TestTheTableOfDefectsIsInTheDocs(t *testing.T) {
	t.Parallel()
	var page bytes.Buffer
	page.WriteString(
		"# What pre-snapshot finds, and how severe it is\n\nMade by `UPDATE=1 go test ./agent/snapshot -run TableOfDefects` " +
			"from the defects that its tests plant " +
			"(`agent/snapshot/testdata/defects.txt`).\nThe rule behind the verdicts is in " +
			"[pre-snapshot.md](pre-snapshot.md#the-rule-for-verdicts).\n\n| defect | check | verdict |\n| --- | --- | --- |\n",
	)
	all := defects(t)
	slices.SortStableFunc(all, func(a, b defect) int { return cmp.Compare(a.check, b.check) })
	for _, d := range all {
		fmt.Fprintf(&page, "| %s | `%s` | %s |\n", d.name, d.check, d.status)
	}
	const file = "../../docs/pre-snapshot-defects.md"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(file); err != nil || !bytes.Equal(data, page.Bytes()) {
		t.Errorf("%s is not what the defects make: %v; run this with UPDATE=1", file, err)
	}
}
