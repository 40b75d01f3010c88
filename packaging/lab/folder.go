package lab

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ConfigurationDirectory is where an image has its manifest and what stands beside it.
const ConfigurationDirectory = "/etc/oneclick"

// beside are folders next to a manifest that are no part of an image: they build and test it.
var beside = []string{"test", "packer", "files", "build"}

// Manifest reads a directory with an app.yaml and what it names, as the files of /etc/oneclick.
func Manifest(directory string) (map[string]File, error) {
	return folder(directory, ConfigurationDirectory, func(below string) bool {
		first, _, _ := strings.Cut(below, "/")
		return slices.Contains(beside, first) || strings.HasPrefix(first, ".")
	})
}

// Folder reads the files of a directory as those of a place in an image. One that is not there has none.
func Folder(directory, place string) (map[string]File, error) {
	if _, err := os.Stat(directory); os.IsNotExist(err) {
		return nil, nil
	}
	return folder(directory, place, func(string) bool { return false })
}

func folder(directory, place string, leave func(below string) bool) (map[string]File, error) {
	files := map[string]File{}
	err := filepath.WalkDir(directory, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(directory, name)
		switch {
		case err != nil:
			return err
		case below != "." && leave(below) && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir() || leave(below):
			return nil
		}
		file, err := read(name, entry)
		files[path.Join(place, below)] = file
		return err
	})
	return files, err
}

func read(name string, entry fs.DirEntry) (File, error) {
	info, err := entry.Info()
	switch {
	case err != nil:
		return File{}, err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		return File{target, fs.ModeSymlink}, err
	case !info.Mode().IsRegular():
		return File{}, fmt.Errorf("cannot put %s into the image: it is neither a file nor a link", name)
	}
	data, err := os.ReadFile(name)
	return File{string(data), info.Mode().Perm()}, err
}

// Together are the files of all of these; a later one takes the place of an earlier one.
func Together(all ...map[string]File) map[string]File {
	together := map[string]File{}
	for _, files := range all {
		maps.Copy(together, files)
	}
	return together
}
