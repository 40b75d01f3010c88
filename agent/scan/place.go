package scan

import (
	"path"
	"slices"
	"strings"
)

// place is what people put where a file is: it decides how much a value must look like a secret.
type place int

// The places.
const (
	library      place = iota // programs and what comes with them: only secrets that are told by their form alone
	prose                     // documents: only values that a generator made
	code                      // source code: quoted values
	codeSettings              // source code that holds settings: quoted values
	settings                  // where people write passwords
)

var ()

// placeOf tells where a file is. The path may be that of a file in an archive, or in a layer of a container.
func placeOf(file string) place {
	file = withinLayer(file)
	if slices.ContainsFunc(words().Libraries, func(name string) bool { return strings.Contains("/"+file, "/"+name+"/") }) {
		return library
	}
	base, end := strings.ToLower(path.Base(file)), strings.ToLower(path.Ext(file))
	where := strings.TrimPrefix(file, "/")
	for _, only := range []string{"usr/", "lib/", "boot/", "bin/", "sbin/"} {
		rest, inside := strings.CutPrefix(where, only)
		if !inside || strings.HasPrefix(where, "usr/local/") || strings.HasPrefix(where, "usr/src/") {
			continue
		}
		named := strings.HasPrefix(base, "config.") || strings.HasPrefix(base, "settings.")
		asSettings := named || slices.Contains(words().SettingsEnds, end)
		if !asSettings || strings.HasPrefix(rest, "include/") || inDocuments(rest) {
			return library
		}
	}
	for _, only := range []string{"var/lib/dpkg/", "var/lib/apt/", "var/cache/", "var/lib/rpm/", "var/lib/dnf/", "var/lib/snapd/"} {
		if strings.HasPrefix(where, only) {
			return library
		}
	}
	switch {
	case slices.Contains(words().CodeEnds, end):
		if slices.ContainsFunc(words().SettingsWords, func(word string) bool { return strings.Contains(base, word) }) {
			return codeSettings
		}
		return code
	case slices.Contains(words().ProseEnds, end), beginsLike(base, "readme", "changelog", "license", "copying", "news"):
		return prose
	case strings.HasSuffix(base, ".min.js"):
		return library
	}
	return settings
}

func beginsLike(name string, heads ...string) bool {
	return slices.ContainsFunc(heads, func(head string) bool { return strings.HasPrefix(name, head) })
}

func inDocuments(rest string) bool {
	return slices.ContainsFunc(words().Documents, func(directory string) bool { return strings.HasPrefix(rest, directory) })
}

// withinLayer is a path in the file system of a container, where the file lies in one of its layers.
func withinLayer(file string) string {
	for _, engine := range words().ContainerEngines {
		if !strings.Contains(file, engine) {
			continue
		}
		for _, top := range []string{"/diff/", "/fs/", "/merged/", "/rootfs/"} {
			if _, inside, ok := strings.Cut(file, top); ok {
				return "/" + inside
			}
		}
	}
	return file
}
