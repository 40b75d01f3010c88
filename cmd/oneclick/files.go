package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/starter"
)

// writeNew writes files into a directory that has none of them yet, and returns their names.
func writeNew(directory string, files map[string]starter.File) ([]string, error) {
	var there problem.List
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(directory, name)); !errors.Is(err, fs.ErrNotExist) {
			there = append(there, problem.Problem{Position: problem.Position{File: filepath.Join(directory, name)}, Message: "is there already",
				Hint: "name a directory that is new"})
		}
	}
	if len(there) > 0 {
		return nil, there
	}
	for _, name := range names {
		file := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, files[name].Content, files[name].Mode); err != nil {
			return nil, err
		}
	}
	return names, nil
}
