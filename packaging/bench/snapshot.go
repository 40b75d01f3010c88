package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"oneclick-agent/packaging/lab"
)

// gitleaks is what the secret scan is measured against, built from its module. Trufflehog would be another, and cannot be
// had as a module.
const gitleaks = "github.com/zricethezav/gitleaks/v8@v8.30.1"

// isRoot reports whether this is root, and says what is left out otherwise.
func isRoot(part string) bool {
	if os.Geteuid() != 0 {
		fmt.Printf("not root: left out %s, which needs a root file system and loop devices\n", part)
		return false
	}
	return true
}

// scans measures what the check costs, on the root file system of a Debian with LAMP.
func scans(program string) {
	if !isRoot("the secret scan") {
		return
	}
	tree, err := os.MkdirTemp("build", "tree-")
	check(err)
	defer os.RemoveAll(tree)
	archive, err := lab.Images()["bookworm"].Archive(context.Background())
	check(err)
	check(exec.Command("tar", "-C", tree, "-xf", archive).Run())
	planted := plantSecrets(tree)
	size := bytesBelow(tree)
	fmt.Printf("a root file system of %.0f MB\n", megabytes(size))

	var quick []time.Duration
	for range 5 {
		quick = append(quick, clock(func() { runCheck(program, tree, "--skip-secret-scan") }))
	}
	fmt.Printf("%-36s %8.2f s\n", "the check without the secret scan", seconds(middle(quick)))
	scansOf(program, tree, size, planted)
}

// erasings measures what cleaning costs, which is the erasure of free space.
func erasings(program string) {
	if !isRoot("erasing") {
		return
	}
	for _, mkfs := range [][]string{{"mkfs.ext4", "-q"}, {"mkfs.xfs", "-q"}} {
		erasing(program, mkfs)
	}
}

// plantSecrets puts secrets into the tree, and returns where.
func plantSecrets(tree string) (names []string) {
	for name, content := range map[string]string{
		"root/deploy.pem": "-----BEGIN RSA PRIVATE " +
			"KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n", 12) + "-----END RSA PRIVATE KEY-----\n",
		"opt/app/config.yml": "token: dop_v1_" + strings.Repeat("0123456789abcdef", 4) + "\n",
		"srv/app/.env": "DATABASE_URL=postgresql://doadmin:AVNS_aB3dE5gH7iJ9kL1" +
			"@db-1.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require\n",
		"var/www/html/deploy.sh":                        "export GITHUB_TOKEN=ghp_aB3dE5gH7iJ9kL1mN3oP5qR7sT9uV1wX3yZ5\n",
		"usr/local/bin/sync":                            "#!/bin/sh\nAWS_KEY=AKIA2E4G6I3K5M7O2QSU\n",
		"etc/app/app.conf":                              "[database]\npassword = gT4kPz81vQmWx7Ra\n",
		"opt/app/docker-compose.yml":                    "services:\n  db:\n    environment:\n      MYSQL_PASSWORD: Zr/8kQw+0mLx2Vb=\n",
		"root/backup/app.tar.gz":                        archived("srv/app/.env", "DO_TOKEN=dop_v1_"+strings.Repeat("89abcdef01234567", 4)+"\n"),
		"usr/lib/python3/dist-packages/planted/test.py": "KEY = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc'\n",
		"opt/app/program": "\x7fELF" + strings.Repeat("\x00\x01", 500) + "glpat-aB3dE5gH7iJ9kL1mN3oP\x00" +
			strings.Repeat("\x00", 500),
	} {
		target := filepath.Join(tree, name)
		check(os.MkdirAll(filepath.Dir(target), 0o755))
		check(os.WriteFile(target, []byte(content), 0o644))
		names = append(names, "/"+name)
	}
	return names
}

// archived is a compressed archive with one file.
func archived(name, content string) string {
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	check(archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}))
	_, err := archive.Write([]byte(content))
	check(err)
	check(archive.Close())
	check(compressed.Close())
	return out.String()
}

func bytesBelow(tree string) (total int64) {
	check(filepath.WalkDir(tree, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			info, err := entry.Info()
			check(err)
			total += info.Size()
		}
		return nil
	}))
	return total
}

// runCheck runs the check and returns the subjects of the secret scan.
func runCheck(program, tree string, more ...string) map[string]bool {
	command := exec.Command(program, append([]string{"pre-snapshot", "--check", "--json", "--root", tree}, more...)...)
	out, err := command.Output()
	if err != nil && command.ProcessState.ExitCode() != 1 {
		check(err)
	}
	var report struct {
		Checks []struct{ ID, Status, Subject string }
	}
	check(json.Unmarshal(out, &report))
	found := map[string]bool{}
	for _, c := range report.Checks {
		if strings.HasPrefix(c.ID, "secrets.") && (c.Status == "fail" || c.Status == "warn") {
			found[c.Subject] = true
		}
	}
	return found
}

// scansOf measures the scan of one tree, against a cold read, ripgrep and gitleaks.
func scansOf(program, tree string, size int64, planted []string) {
	dropCaches()
	read := clock(func() {
		check(exec.Command("sh", "-c", "find "+tree+" -xdev -type f -print0 | xargs -0 -P2 -n200 cat >/dev/null").Run())
	})
	dropCaches()
	cold := clock(func() { runCheck(program, tree) })
	var found map[string]bool
	var warm []time.Duration
	for range 3 {
		warm = append(warm, clock(func() { found = runCheck(program, tree) }))
	}
	report("the secret scan, cold", []time.Duration{cold}, "a cold read of the disk", []time.Duration{read})
	fmt.Printf("%-36s %8.0f MB/s, %d of %d planted secrets found, %d false alarms\n", "the secret scan, warm",
		megabytes(size)/seconds(middle(warm)), count(planted, found), len(planted), len(found)-count(planted, found))

	literals := filepath.Join(tree, "..", "literals")
	check(
		os.WriteFile(
			literals,
			[]byte("dop_v1_\nghp_\nAKIA\nsk_live_\nglpat-\nPRIVATE KEY-----\npostgresql://\nxoxb-\nAVNS_\nhvs.\nnpm_\nSG.\n"),
			0o644,
		),
	)
	defer os.Remove(literals)
	search := clock(func() {
		exec.Command("rg", "--text", "--no-ignore", "--hidden", "--ignore-case", "--fixed-strings", "--count", "--file", literals, tree).Run()
	})
	report("the secret scan, warm", warm, "ripgrep with 12 literals", []time.Duration{search})

	tools, err := filepath.Abs("build/tools")
	check(err)
	install := exec.Command("go", "install", gitleaks)
	install.Env = append(os.Environ(), "GOBIN="+tools)
	check(install.Run())
	result := filepath.Join(tree, "..", "gitleaks.json")
	defer os.Remove(result)
	other := clock(func() {
		exec.Command(
			filepath.Join(tools, "gitleaks"),
			"dir",
			"--no-banner",
			"--exit-code",
			"0",
			"--report-format",
			"json",
			"--report-path",
			result,
			tree,
		).Run()
	})
	report("gitleaks", []time.Duration{other}, "the secret scan, warm", warm)
	data, err := os.ReadFile(result)
	check(err)
	var findings []struct{ File string }
	check(json.Unmarshal(data, &findings))
	theirs := map[string]bool{}
	for _, f := range findings {
		if absolute, err := filepath.Abs(tree); err == nil {
			theirs[strings.TrimPrefix(strings.TrimPrefix(f.File, tree), absolute)] = true
		}
	}
	fmt.Printf("%-36s %d findings, %d of %d planted secrets found, %d files with false alarms\n", "gitleaks",
		len(findings), count(planted, theirs), len(planted), len(theirs)-count(planted, theirs))
}

func count(planted []string, found map[string]bool) (n int) {
	for _, name := range planted {
		if found[name] {
			n++
		}
	}
	return n
}

const (
	eraseDisk   = 8 << 30
	eraseMarker = "MARKER-of-a-deleted-file"
)

// erasing measures erasing the free space of a disk of 8 GB, 1 GB of which held something, against dd.
func erasing(program string, mkfs []string) {
	directory, err := os.MkdirTemp("build", "erase-")
	check(err)
	defer os.RemoveAll(directory)
	image, point := filepath.Join(directory, "disk.img"), filepath.Join(directory, "mounted")
	check(os.Mkdir(point, 0o755))
	prepare := func() {
		os.Remove(image)
		file, err := os.Create(image)
		check(err)
		check(file.Truncate(eraseDisk))
		file.Close()
		check(exec.Command(mkfs[0], append(mkfs[1:], image)...).Run())
		check(exec.Command("mount", "-o", "loop", image, point).Run())
		dirty(point)
	}
	end := func(name string, took time.Duration) {
		check(exec.Command("umount", point).Run())
		var stat syscall.Stat_t
		check(syscall.Stat(image, &stat))
		contents, names := left(image)
		fmt.Printf(
			"  %s %-22s %6.1f s, image %5.2f GB, readable: %d of 100 files, %d of 50 names\n",
			mkfs[0][5:],
			name,
			seconds(took),
			float64(stat.Blocks*512)/1e9,
			contents,
			names,
		)
	}
	prepare()
	dd := clock(func() {
		exec.Command("dd", "if=/dev/zero", "of="+point+"/zerofile", "bs=4096").Run() // ends when the disk is full
		check(exec.Command("rm", point+"/zerofile").Run())
		syscall.Sync()
	})
	end("dd bs=4096", dd)
	prepare()
	ours := clock(func() { exec.Command(program, "pre-snapshot", "--root", point).Run() })
	end("pre-snapshot", ours)
	report("erasing 8 GB, 1 GB dirty, "+mkfs[0][5:], []time.Duration{ours}, "dd", []time.Duration{dd})
}

func dirty(point string) {
	large, err := os.Create(filepath.Join(point, "large"))
	check(err)
	_, err = io.CopyN(large, rand.Reader, 1<<30)
	check(err)
	large.Close()
	for n := range 100 {
		check(
			os.WriteFile(filepath.Join(point, fmt.Sprintf("small%d", n)), bytes.Repeat([]byte(fmt.Sprintf("%s-%d\n", eraseMarker, n)), 140), 0o600),
		)
	}
	check(os.Mkdir(filepath.Join(point, "names"), 0o755))
	for n := range 50 {
		check(os.WriteFile(filepath.Join(point, fmt.Sprintf("names/NAMEOFDELETED%d", n)), nil, 0o600))
	}
	syscall.Sync()
	check(exec.Command("sh", "-c", "cd "+point+" && rm -rf large small* names").Run())
	syscall.Sync()
}

// left counts the deleted files and names that can be read from the raw disk.
func left(image string) (contents, names int) {
	out, _ := exec.Command(
		"grep",
		"--text",
		"--only-matching",
		"--extended-regexp",
		"--no-filename",
		eraseMarker+"-[0-9]+|NAMEOFDELETED[0-9]+",
		image,
	).Output()
	seen := map[string]bool{}
	name := regexp.MustCompile("^NAME")
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if !seen[lines.Text()] {
			seen[lines.Text()] = true
			if name.MatchString(lines.Text()) {
				names++
			} else {
				contents++
			}
		}
	}
	return contents, names
}

func dropCaches() {
	syscall.Sync()
	check(os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0o200))
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

func seconds(d time.Duration) float64 { return d.Seconds() }

func middle(all []time.Duration) time.Duration { return all[len(all)/2] }
