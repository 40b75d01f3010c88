// Package agent holds no code of its own; this test holds the table of which of its packages may import which.
package agent

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "oneclick-agent/"

// ours says what each package may import of ours. It is the table of ARCHITECTURE.md.
var ours = map[string][]string{
	"agent/commandline": {"agent/problem"},
	"agent/problem":     {},
	"agent/pattern":     {},
	"agent/render":      {"agent/pattern"},
	"agent/edit":        {"agent/pattern", "agent/render"},
	"agent/manifest":    {"agent/edit", "agent/pattern", "agent/problem", "agent/render"},
	"agent/host":        {"agent/problem"},
	"agent/state":       {"agent/host"},
	"agent/droplet":     {"agent/host"},
	"agent/journal":     {"agent/host", "agent/state"},
	"agent/secret":      {"agent/host", "agent/manifest", "agent/pattern", "agent/render", "agent/state"},
	"agent/database":    {"agent/host", "agent/manifest", "agent/render", "agent/secret", "agent/state"},
	"agent/facts": {
		"agent/database",
		"agent/droplet",
		"agent/host",
		"agent/journal",
		"agent/manifest",
		"agent/pattern",
		"agent/problem",
		"agent/render",
		"agent/secret",
		"agent/state",
	},
	"agent/step":   {"agent/database", "agent/edit", "agent/facts", "agent/host", "agent/journal", "agent/manifest", "agent/state"},
	"agent/plan":   {"agent/database", "agent/facts", "agent/host", "agent/manifest", "agent/state", "agent/step"},
	"agent/engine": {"agent/facts", "agent/host", "agent/journal", "agent/pattern", "agent/plan", "agent/step"},
	"agent/upkeep": {"agent/engine", "agent/facts", "agent/host", "agent/journal", "agent/manifest", "agent/plan", "agent/step"},
	"agent/status": {"agent/facts", "agent/host", "agent/journal", "agent/plan", "agent/problem", "agent/state"},
	"agent/motd":   {"agent/host", "agent/problem", "agent/state"},
	"agent/lint": {
		"agent/commandline",
		"agent/sarif",
		"agent/facts",
		"agent/host",
		"agent/manifest",
		"agent/motd",
		"agent/plan",
		"agent/problem",
		"agent/snapshot",
		"agent/step",
	},
	"agent/firstboot": {
		"agent/database",
		"agent/droplet",
		"agent/engine",
		"agent/facts",
		"agent/host",
		"agent/journal",
		"agent/lint",
		"agent/manifest",
		"agent/motd",
		"agent/plan",
		"agent/problem",
		"agent/state",
		"agent/status",
		"agent/step",
		"agent/upkeep",
	},
	"agent/firstlogin": {
		"agent/droplet",
		"agent/facts",
		"agent/firstboot",
		"agent/host",
		"agent/journal",
		"agent/manifest",
		"agent/motd",
		"agent/plan",
		"agent/problem",
		"agent/secret",
		"agent/state",
		"agent/status",
	},
	"agent/support": {
		"agent/droplet",
		"agent/facts",
		"agent/host",
		"agent/lint",
		"agent/manifest",
		"agent/plan",
		"agent/problem",
		"agent/scan",
		"agent/secret",
		"agent/state",
		"agent/status",
	},
	"agent/trial": {
		"agent/database",
		"agent/facts",
		"agent/firstboot",
		"agent/firstlogin",
		"agent/host",
		"agent/journal",
		"agent/lint",
		"agent/manifest",
		"agent/problem",
		"agent/secret",
		"agent/state",
	},
	"agent/publish":      {"agent/commandline", "agent/host", "agent/problem"},
	"agent/scan":         {"agent/pattern", "agent/scan/archive"},
	"agent/scan/archive": {},
	"agent/sarif":        {},
	"agent/starter":      {},
	"agent/importer":     {"agent/lint", "agent/problem"},
	"agent/disk":         {"agent/host"},
	"agent/rpmdb":        {},
	"agent/snapshot": {
		"agent/disk",
		"agent/host",
		"agent/manifest",
		"agent/pattern",
		"agent/problem",
		"agent/render",
		"agent/rpmdb",
		"agent/sarif",
		"agent/scan",
		"agent/state",
	},
	"cmd/oneclick-agent": {
		"agent/commandline",
		"agent/database",
		"agent/droplet",
		"agent/facts",
		"agent/firstboot",
		"agent/firstlogin",
		"agent/host",
		"agent/journal",
		"agent/lint",
		"agent/manifest",
		"agent/motd",
		"agent/plan",
		"agent/problem",
		"agent/publish",
		"agent/secret",
		"agent/snapshot",
		"agent/state",
		"agent/status",
		"agent/step",
		"agent/support",
	},
	"cmd/oneclick": {
		"agent/commandline",
		"agent/facts",
		"agent/firstlogin",
		"agent/host",
		"agent/importer",
		"agent/lint",
		"agent/plan",
		"agent/problem",
		"agent/publish",
		"agent/starter",
		"agent/status",
		"agent/trial",
		"packaging/lab",
		"packaging/prove",
	},
}

// only says which packages alone may import something.
var only = map[string][]string{
	"os/exec":                                   {"agent/host"},
	"github.com/coreos/go-systemd/v22/dbus":     {"agent/host"},
	"github.com/coreos/go-systemd/v22/journal":  {"agent/host"},
	"github.com/jackc/pgx/v5/pgconn":            {"agent/database"},
	"github.com/go-sql-driver/mysql":            {"agent/database"},
	"github.com/gomodule/redigo/redis":          {"agent/database"},
	"go.mongodb.org/mongo-driver/v2/mongo":      {"agent/database"},
	"github.com/xdg-go/scram":                   {"agent/database"},
	"github.com/sethvargo/go-password/password": {"agent/secret"},
	"go.yaml.in/yaml/v4":                        {"agent/manifest", "agent/edit", "agent/trial", "agent/importer"},
	"github.com/pelletier/go-toml/v2":           {"agent/edit"},
	"gopkg.in/ini.v1":                           {"agent/database", "agent/host"},
	"charm.land/huh/v2":                         {"agent/firstlogin", "cmd/oneclick"},
	"github.com/ulikunitz/xz/lzma":              {"agent/scan/archive"},
	"github.com/klauspost/compress/zstd":        {"agent/scan/archive"},
	"net/http":                                  {"agent/host", "agent/database", "agent/publish"},
	"text/template":                             {"agent/render", "agent/starter"},
	"github.com/spf13/pflag":                    {"agent/commandline", "cmd/oneclick"},
}

func TestPackagesImportOnlyWhatTheTableAllows(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "testdata" {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		directory := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "../")
		if strings.HasPrefix(directory, "packaging") {
			return nil
		}
		allowed, known := ours[directory]
		if !known {
			t.Errorf("%s is not in the table", directory)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if local, ok := strings.CutPrefix(name, module); ok && !slices.Contains(allowed, local) {
				t.Errorf("%s imports %s, which the table does not allow", file, local)
			} else if ok {
				used[directory+" "+local] = true
			}
			if places, restricted := only[name]; restricted && !slices.Contains(places, directory) {
				t.Errorf("%s imports %s, which only %v may", file, name, places)
			}
			if name == "C" || strings.HasSuffix(name, "/sdjournal") {
				t.Errorf("%s imports %s: the program must be one static binary", file, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for directory, allowed := range ours {
		if _, err := os.Stat(filepath.Join("..", directory)); err != nil {
			t.Errorf("the table names %s, which is not there", directory)
		}
		for _, local := range allowed {
			if !used[directory+" "+local] {
				t.Errorf("the table lets %s import %s, which it does not; take it out", directory, local)
			}
		}
	}
}
