package scan

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// packages is where packaging/fetch-server-packages unpacks the packages of usual servers.
const packages = "../../build/testdata/server-packages"

// trueFindings are what packages really have: keys and passwords that everybody knows. On a machine where the packages
// are installed, their checksums vouch for them.
var trueFindings = []string{
	"/usr/share/doc/openvpn/examples/", // private keys for trying it out
	"/usr/share/doc/prometheus-alertmanager/examples/ha/tls/certs/",
	"/usr/share/doc/cloud-init/examples/",
	// password = "password", and SQL for an account of that kind
	"/etc/freeradius/3.0/mods-available/", "/etc/freeradius/3.0/mods-config/sql/",
	"/etc/freeradius/3.0/policy.d/cui ",             // cui_hash_key = "changeme"
	"/etc/prometheus/alertmanager.yml ",             // smtp_auth_password: 'password'
	"/usr/share/doc/coturn/examples/var/db/turndb ", // hashes of an administrator's password
	"/etc/mosquitto/pwfile.example ",                // hashes of passwords for trying it out
}

// TestThePackagesOfUsualServersHaveNoSecrets scans the settings and documents of Debian's packages as if nobody vouched
// for them.
func TestThePackagesOfUsualServersHaveNoSecrets(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("../../packaging/fetch-server-packages").CombinedOutput(); err != nil {
		t.Fatalf("cannot fetch the packages: %v: %s", err, out)
	}
	scanner := New(nil)
	var mu sync.Mutex
	var told []string
	files := make(chan string)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			buffer := NewBuffer()
			for name := range files {
				found := scanPackageFile(t.Context(), scanner, buffer, name)
				mu.Lock()
				told = append(told, found...)
				mu.Unlock()
			}
		})
	}
	count := 0
	err := filepath.WalkDir(packages, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && !strings.HasPrefix(name, packages+"/archives/") {
			count++
			files <- name
		}
		return err
	})
	close(files)
	workers.Wait()
	if err != nil || count < 5000 {
		t.Fatalf("only %d files of packages were looked at: %v", count, err)
	}
	slices.Sort(told)
	for _, finding := range told {
		if !slices.ContainsFunc(trueFindings, func(known string) bool { return strings.HasPrefix(finding, known) }) {
			t.Error(finding)
		}
	}
}

func scanPackageFile(ctx context.Context, scanner *Scanner, buffer *Buffer, name string) (told []string) {
	file, err := os.Open(name)
	if err != nil {
		return []string{err.Error()}
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return []string{err.Error()}
	}
	inside, _ := filepath.Rel(packages, name)
	_, path, _ := strings.Cut(inside, "/")
	err = scanner.Scan(ctx, File{Path: "/" + path, Reader: file, At: file, Size: info.Size(),
		Report: func(f Finding) {
			told = append(told, fmt.Sprintf("/%s %s line %d %s %s (%s)", path, f.Inside, f.Line, f.Rule.ID, f.Sample, f.Certainty))
		},
		Unread: func(inside, why string) {
			told = append(told, fmt.Sprintf("/%s %s is not read: %s", path, inside, why))
		},
	}, buffer)
	if err != nil {
		told = append(told, err.Error())
	}
	return told
}
