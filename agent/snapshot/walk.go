package snapshot

import (
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/scan"
)

// The kinds of finding of the one walk over all files, besides the groups of secrets.
const (
	walkSetuid       = "setuid"
	walkWritable     = "writable"
	walkArchitecture = "architecture"
	walkCapability   = "capability"
	walkBuildMachine = "build machine"
	walkUnread       = "unread" // what cannot be looked at, by the walk or by the secret scan
)

// notInSnapshot are directories that the kernel fills, or that are in memory.
var notInSnapshot = []string{"/proc", "/sys", "/dev", "/run"}

// walk is the one visit of every file that goes into the snapshot, for all checks that want one. It goes on beside the
// checks that look at single files.
type walk struct {
	image   *Image
	scanner *scan.Scanner // nil where no secrets are looked for
	buffers sync.Pool     // of *scan.Buffer
	mu      sync.Mutex    // guards found
	found   map[string][]Subject
	done    chan struct{} // closed when found is complete, or err says why it is not
	err     error
}

// startWalk begins the visit, which ends early when the context does.
func (i *Image) startWalk(ctx context.Context) *walk {
	w := &walk{image: i, found: map[string][]Subject{}, done: make(chan struct{})}
	if !i.SkipSecrets {
		w.scanner = scan.New(i.Known)
		w.buffers.New = func() any { return scan.NewBuffer() }
	}
	i.ownWords() // its lists are not for several goroutines
	go w.run(ctx)
	return w
}

func (w *walk) run(ctx context.Context) {
	defer close(w.done)
	w.err = w.image.Files.Walk(ctx, "/", &host.Walk{
		Visit: func(entry *host.Entry) error {
			if slices.Contains(notInSnapshot, entry.Path) {
				return fs.SkipDir
			}
			w.visit(ctx, entry)
			return nil
		},
		Failed: func(path string, err error) {
			w.add(walkUnread, Subject{Name: path, Status: Unknown, Message: "it cannot be looked at: " + err.Error()})
		},
	})
	for _, subjects := range w.found {
		slices.SortFunc(subjects, func(a, b Subject) int { return strings.Compare(a.Name, b.Name) })
	}
}

func (w *walk) visit(ctx context.Context, entry *host.Entry) {
	if kind, subject := w.image.judgeEntry(entry); kind != "" {
		w.add(kind, subject)
	}
	if w.scanner != nil && isScanned(entry) {
		for group, subject := range w.scanFile(ctx, entry) {
			w.add(group, subject)
		}
	}
}

func (w *walk) add(kind string, subject Subject) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found[kind] = append(w.found[kind], subject)
}

// treeFindings are the findings of one kind, when the walk is over. It begins with the first question at the latest.
func (i *Image) treeFindings(ctx context.Context, kind string) ([]Subject, error) {
	if i.walk == nil {
		i.walk = i.startWalk(ctx)
	}
	<-i.walk.done
	if i.walk.err != nil {
		return nil, i.walk.err
	}
	if kind == walkSetuid || kind == walkCapability {
		return i.walk.found[kind], i.packages.unknown()
	}
	return i.walk.found[kind], nil
}

// judgeEntry is what is wrong with a file by its mode, its capabilities and its first bytes: the worst of it, by kind.
func (i *Image) judgeEntry(entry *host.Entry) (kind string, s Subject) {
	if strings.HasPrefix(entry.Path, "/var/lib/docker/") || strings.HasPrefix(entry.Path, "/var/lib/containerd/") || entry.IsLink() {
		return "", s // layers of containers have their own system in them
	}
	s.Name = entry.Path
	mode := entry.Stat.Mode
	executable := entry.IsRegular() && mode&0o111 != 0
	if executable && mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
		if s := i.judgeSetuid(entry); s.Name != "" {
			return walkSetuid, s
		}
	}
	if mode&0o002 != 0 && mode&unix.S_ISVTX == 0 && (entry.IsRegular() || entry.IsDirectory()) && inSearchPath(entry.Path) &&
		!isAccountFile(entry.Path) {
		if executable || entry.IsDirectory() {
			s.Status, s.Message = Fail, "every account can put a program of its own there, which others run"
		}
		return walkWritable, s
	}
	if executable && entry.Stat.Size > 64 {
		if s := i.judgeCapabilities(entry); s.Name != "" {
			return walkCapability, s
		}
	}
	if library := strings.HasSuffix(entry.Path, ".so") || strings.Contains(path.Base(entry.Path), ".so."); entry.IsRegular() &&
		(executable || library) &&
		entry.Stat.Size > 64 &&
		vendorsOwn(entry.Path) {
		if s.Message = i.foreignProgram(entry); s.Message != "" {
			return walkArchitecture, s
		}
	}
	if entry.IsRegular() {
		if s.Message = i.namesBuildMachine(entry); s.Message != "" {
			return walkBuildMachine, s
		}
	}
	return "", Subject{}
}

func inSearchPath(file string) bool {
	return slices.ContainsFunc(
		[]string{"/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/", "/etc/"},
		func(place string) bool { return strings.HasPrefix(file+"/", place) },
	)
}

func vendorsOwn(file string) bool {
	return slices.ContainsFunc(
		[]string{"/opt/", "/usr/local/", "/srv/", "/root/", "/home/", "/var/www/"},
		func(place string) bool { return strings.HasPrefix(file, place) },
	)
}

// foreignProgram reads what a program says that it needs: a processor, and the newer instructions of it. The second is
// in a note that compilers leave where they were told -march (x86-64 psABI, "x86 ISA level").
func (i *Image) foreignProgram(entry *host.Entry) string {
	file, err := entry.Content()
	if err != nil {
		return ""
	}
	head := make([]byte, 4)
	if _, err := file.ReadAt(head, 0); err != nil || string(head) != elf.ELFMAG {
		return ""
	}
	program, err := elf.NewFile(file)
	if err != nil {
		return ""
	}
	if own := i.machine(); own != 0 && program.Machine != own && program.Type != elf.ET_REL {
		return fmt.Sprintf("it is a program for %s, and the image is for %s", program.Machine, own)
	}
	if level := isaLevel(program); level >= 3 {
		return fmt.Sprintf("it needs a processor of level x86-64-v%d; not every Droplet has one", level)
	}
	return ""
}

// machine is the processor that the image's own programs are for, 0 where that cannot be told.
func (i *Image) machine() elf.Machine {
	i.machineOnce.Do(func() {
		for _, name := range []string{"/bin/sh", "/usr/bin/env", "/bin/ls"} {
			if file, err := i.Files.OpenRead(name); err == nil {
				program, err := elf.NewFile(file)
				file.Close()
				if err == nil {
					i.machineIs = program.Machine
					return
				}
			}
		}
	})
	return i.machineIs
}

// isaLevel is the level of x86-64 that a program's note asks for: 1 to 4, 0 for none.
func isaLevel(program *elf.File) int {
	const needed = 0xc0008002 // GNU_PROPERTY_X86_ISA_1_NEEDED
	section := program.Section(".note.gnu.property")
	if program.Machine != elf.EM_X86_64 || section == nil || section.Size > 4096 {
		return 0
	}
	note, err := section.Data()
	if err != nil || len(note) < 16 {
		return 0
	}
	for at := 16; at+8 <= len(note); { // behind the note's header and its name, "GNU"
		kind, size := program.ByteOrder.Uint32(note[at:]), int(program.ByteOrder.Uint32(note[at+4:]))
		if kind == needed && at+12 <= len(note) {
			bits := program.ByteOrder.Uint32(note[at+8:])
			for level := 4; level > 0; level-- {
				if bits&(1<<(level-1)) != 0 {
					return level
				}
			}
		}
		at += 8 + (size+7)/8*8
	}
	return 0
}
