// Command vulnerabilities makes the files that govulncheck reads from the reports of the Go vulnerability database, so that
// it needs no server: go run ./packaging/vulnerabilities REPORTS DIRECTORY. The layout is that of
// https://go.dev/doc/security/vuln/database.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is the part of a report that the indexes repeat.
type report struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Aliases  []string  `json:"aliases"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Events []struct {
				Fixed string `json:"fixed"`
			} `json:"events"`
		} `json:"ranges"`
	} `json:"affected"`
}

type affecting struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Fixed    string    `json:"fixed,omitempty"`
}

type module struct {
	Path  string      `json:"path"`
	Vulns []affecting `json:"vulns"`
}

type entry struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Aliases  []string  `json:"aliases,omitempty"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "vulnerabilities: name the directory of the reports, and the one to write")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "vulnerabilities: %v\n", err)
		os.Exit(1)
	}
}

func write(reports, to string) error {
	files, err := filepath.Glob(filepath.Join(reports, "*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("cannot find reports in %s: %v", reports, err)
	}
	modules := map[string]*module{}
	var entries []entry
	var latest time.Time
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var r report
		if err := json.Unmarshal(data, &r); err != nil {
			return fmt.Errorf("cannot read %s: %w", file, err)
		}
		if r.Modified.After(latest) {
			latest = r.Modified
		}
		entries = append(entries, entry{r.ID, r.Modified, r.Aliases})
		for _, affected := range r.Affected {
			name := affected.Package.Name
			if modules[name] == nil {
				modules[name] = &module{Path: name}
			}
			fixed := ""
			for _, span := range affected.Ranges {
				for _, event := range span.Events {
					fixed = cmp.Or(strings.TrimPrefix(event.Fixed, "v"), fixed)
				}
			}
			modules[name].Vulns = append(modules[name].Vulns, affecting{r.ID, r.Modified, fixed})
		}
		if err := put(filepath.Join(to, "ID", r.ID+".json"), json.RawMessage(data)); err != nil {
			return err
		}
	}
	var list []*module
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		list = append(list, modules[name])
	}
	for name, document := range map[string]any{"modules": list, "vulns": entries, "db": map[string]time.Time{"modified": latest}} {
		if err := put(filepath.Join(to, "index", name+".json"), document); err != nil {
			return err
		}
	}
	return nil
}

func put(file string, document any) error {
	data, err := json.Marshal(document)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
