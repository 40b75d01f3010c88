// Command bench measures what oneclick-agent costs, as ratios within one run: go run ./packaging/bench PROGRAM [PART...]
// Without parts, all of them are measured: boot, motd, login, scan, erase.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	files = 25 // files written, and as many edited
	runs  = 15
)

// parts are what can be measured alone, in the order in which all of it is.
var parts = []struct {
	name    string
	measure func(program string)
}{{"boot", boots}, {"motd", messages}, {"login", logins}, {"scan", scans}, {"erase", erasings}}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "bench: name the program to measure")
		os.Exit(2)
	}
	program, err := filepath.Abs(os.Args[1])
	check(err)
	info, err := os.Stat(program)
	check(err)
	fmt.Printf("binary size                          %8.2f MB\n", float64(info.Size())/1e6)
	for _, part := range parts {
		if len(os.Args) == 2 || slices.Contains(os.Args[2:], part.name) {
			part.measure(program)
		}
	}
}

// boots measures first boot, and what each later boot costs.
func boots(program string) {
	var floor, agent, shell, noop, nothing []time.Duration
	var memory int64
	for range runs {
		root := plant()
		floor = append(floor, clock(func() { writeFloor(root) }))
		os.RemoveAll(root)

		root = plant()
		shell = append(shell, clock(func() { check(exec.Command("sh", "-c", shellScript(root)).Run()) }))
		os.RemoveAll(root)

		root = plant()
		boot := exec.Command(program, "first-boot", "--root", root)
		agent = append(agent, clock(func() { check(boot.Run()) }))
		memory = max(memory, boot.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
		again := exec.Command(program, "first-boot", "--root", root)
		noop = append(noop, clock(func() { check(again.Run()) }))
		nothing = append(nothing, clock(func() { check(exec.Command("/bin/true").Run()) }))
		os.RemoveAll(root)
	}
	fmt.Printf("peak memory                          %8.2f MB\n", float64(memory)/1000)
	report("first boot of 50 files and edits", agent, "the bare fsync floor", floor)
	report("first boot of 50 files and edits", agent, "a shell script with sed", shell)
	report("a finished instance's run", noop, "/bin/true", nothing)
}

// messages measures what each login of everybody costs.
func messages(program string) {
	check(os.MkdirAll("/run/oneclick", 0o755))
	if _, err := os.Stat("/run/oneclick/motd"); err != nil {
		check(os.WriteFile("/run/oneclick/motd", []byte(strings.Repeat("Sample 1.0  -  http://203.0.113.10\n", 12)), 0o644))
		defer os.Remove("/run/oneclick/motd")
	}
	var hook, command, nothing []time.Duration
	for range 20 * runs {
		nothing = append(nothing, clock(func() { check(exec.Command("/bin/true").Run()) }))
		hook = append(hook, clock(func() { check(exec.Command("/bin/sh", "motd/99-one-click").Run()) }))
		command = append(command, clock(func() { check(exec.Command(program, "motd").Run()) }))
	}
	report("the MOTD hook", hook, "/bin/true", nothing)
	report("oneclick-agent motd", command, "/bin/true", nothing)
}

func report(what string, a []time.Duration, against string, b []time.Duration) {
	slices.Sort(a)
	slices.Sort(b)
	x, y := a[len(a)/2], b[len(b)/2]
	fmt.Printf("%-36s %8.2f ms, %s %.2f ms: ratio %.2f\n", what, ms(x), against, ms(y), float64(x)/float64(y))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func clock(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func name(root, kind string, n int) string {
	return filepath.Join(root, "etc", fmt.Sprintf("%s%d.env", kind, n))
}

const content = "NAME=value\nOTHER=value\nURL=http://203.0.113.10\n"

// plant makes a tree on this directory's disk: the temporary directory may be in memory.
func plant() string {
	check(os.MkdirAll("build", 0o755))
	root, err := os.MkdirTemp("build", "bench-")
	check(err)
	for _, directory := range []string{"etc/oneclick", "run/cloud-init", "root", "var/lib"} {
		check(os.MkdirAll(filepath.Join(root, directory), 0o755))
	}
	write := func(file, text string) { check(os.WriteFile(filepath.Join(root, file), []byte(text), 0o644)) }
	write("etc/passwd", "root:x:0:0::/root:\n")
	write("etc/group", "root:x:0:\n")
	write("run/cloud-init/instance-data.json", `{"v1": {"instance_id": "1"}}`)
	var manifest strings.Builder
	manifest.WriteString("version: 1\napp: {name: Bench}\nfirst_boot:\n")
	for n := range files {
		fmt.Fprintf(&manifest, "- {file: /etc/new%d.env, content: %q}\n- {edit: /etc/old%d.env, set: {NAME: changed}}\n", n, content, n)
		check(os.WriteFile(name(root, "old", n), []byte(content), 0o644))
	}
	write("etc/oneclick/app.yaml", manifest.String())
	syscall.Sync()
	return root
}

// writeFloor is what durable writes of the same files cost at least: write, fsync, rename, fsync of the directory.
func writeFloor(root string) {
	for n := range files {
		for _, kind := range []string{"new", "old"} {
			target := name(root, kind, n)
			file, err := os.Create(target + ".tmp")
			check(err)
			_, err = file.WriteString(content)
			check(err)
			check(file.Sync())
			check(file.Close())
			check(os.Rename(target+".tmp", target))
			directory, err := os.Open(filepath.Dir(target))
			check(err)
			check(directory.Sync())
			check(directory.Close())
		}
	}
}

// shellScript does the same as images do it today, without any durability.
func shellScript(root string) string {
	var script strings.Builder
	for n := range files {
		fmt.Fprintf(
			&script,
			"cat >%s <<'END'\n%sEND\nsed -i 's|^NAME=.*|NAME=changed|' %s\n",
			name(root, "new", n),
			content,
			name(root, "old", n),
		)
	}
	return script.String()
}
