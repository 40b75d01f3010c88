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

var (
	// libraries are directories of what was downloaded and not written; their names anywhere in a path count.
	libraries = []string{"node_modules", "site-packages", "dist-packages", "bower_components", "vendor/bundle", "vendor/composer", "go/pkg/mod", ".cargo/registry", "__pycache__", ".venv/lib", "venv/lib",
		"i18n", "locale", "locales", "l10n", "translations", "lang", "languages"}
	proseEnds = []string{".md", ".rst", ".html", ".htm", ".xhtml", ".tex", ".adoc", ".po", ".pot", ".texi", ".info", ".svg", ".css", ".scss", ".less", ".map", ".ipynb", ".log", ".1", ".3", ".5", ".7", ".8", ".csv", ".ics", ".dtd", ".xsd", ".xsl", ".xslt", ".rng", ".wsdl", ".mib", ".eml"}
	codeEnds  = []string{".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".vue", ".svelte", ".php", ".phtml", ".inc", ".rb", ".erb", ".go", ".java", ".kt", ".scala", ".groovy", ".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".rs", ".pl", ".pm", ".lua", ".ex", ".exs", ".erl", ".hrl", ".clj", ".swift", ".m", ".r", ".jsp", ".aspx", ".tcl", ".awk", ".el", ".vim", ".t", ".proto", ".graphql", ".jinja", ".j2", ".tmpl", ".tpl", ".mustache", ".hbs", ".twig", ".template"}
	// settingsWords in the name of source code say that it holds settings.
	settingsWords = []string{"config", "setting", "secret", "credential", "local", "env", "database", "password", "db_", "constants", "parameters", "gitlab.rb", "deploy"}
	// settingsEnds are settings among the programs in /usr, too.
	settingsEnds = []string{".conf", ".cnf", ".cfg", ".ini", ".env", ".yml", ".yaml", ".toml", ".service", ".socket", ".config", ".inc.php"}
	// documents are directories of what is only read.
	documents = []string{"share/doc/", "share/man/", "share/info/", "share/locale/", "share/help/", "share/i18n/", "share/zoneinfo/", "share/perl", "share/mime/", "share/icons/", "share/fonts/", "share/terminfo/"}
)

// placeOf tells where a file is. The path may be that of a file in an archive, or in a layer of a container.
func placeOf(file string) place {
	file = withinLayer(file)
	if slices.ContainsFunc(libraries, func(name string) bool { return strings.Contains("/"+file, "/"+name+"/") }) {
		return library
	}
	base, end := strings.ToLower(path.Base(file)), strings.ToLower(path.Ext(file))
	where := strings.TrimPrefix(file, "/")
	for _, only := range []string{"usr/", "lib/", "boot/", "bin/", "sbin/"} {
		rest, inside := strings.CutPrefix(where, only)
		if !inside || strings.HasPrefix(where, "usr/local/") || strings.HasPrefix(where, "usr/src/") {
			continue
		}
		asSettings := slices.Contains(settingsEnds, end) || strings.HasPrefix(base, "config.") || strings.HasPrefix(base, "settings.")
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
	case slices.Contains(codeEnds, end):
		if slices.ContainsFunc(settingsWords, func(word string) bool { return strings.Contains(base, word) }) {
			return codeSettings
		}
		return code
	case slices.Contains(proseEnds, end), strings.HasPrefix(base, "readme"), strings.HasPrefix(base, "changelog"), strings.HasPrefix(base, "license"), strings.HasPrefix(base, "copying"), strings.HasPrefix(base, "news"):
		return prose
	case strings.HasSuffix(base, ".min.js"):
		return library
	}
	return settings
}

func inDocuments(rest string) bool {
	return slices.ContainsFunc(documents, func(directory string) bool { return strings.HasPrefix(rest, directory) })
}

// withinLayer is a path in the file system of a container, where the file lies in one of its layers.
func withinLayer(file string) string {
	for _, engine := range []string{"/var/lib/docker/", "/var/lib/containerd/", "/var/lib/containers/", "/var/lib/rancher/", "/.local/share/containers/", "/.local/share/docker/"} {
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
