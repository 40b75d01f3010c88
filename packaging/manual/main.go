// Command manual makes the manual pages: one for the program, one for each of its commands, one for the manifest.
//
//	PROGRAM reference | manual PROGRAM SECTION DIRECTORY [MANIFEST-REFERENCE]
package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
)

// files is the part of the agent's page that no command tells.
//
//go:embed files.md
var files string

func main() {
	if len(os.Args) < 4 {
		fail(fmt.Errorf("usage: PROGRAM reference | manual PROGRAM SECTION DIRECTORY [MANIFEST-REFERENCE]"))
	}
	program, manual, directory := os.Args[1], os.Args[2], os.Args[3]
	reference, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		fail(err)
	}
	sections := strings.Split("\n"+string(reference), "\n## ")
	whole := page{name: program, section: manual, does: program, usage: program + " COMMAND [flags]", body: overview(sections[0])}
	if _, does, ok := strings.Cut(sections[0], program+" "); ok {
		whole.does, _, _ = strings.Cut(does, ".\n")
	}
	if len(os.Args) > 4 {
		whole.body += "\n" + files
		manifest, err := os.ReadFile(os.Args[4])
		if err != nil {
			fail(err)
		}
		_, text, _ := strings.Cut(string(manifest), "\n## ")
		page{name: "oneclick-app.yaml", section: "5", does: "the manifest of a Marketplace image", usage: "/etc/oneclick/app.yaml",
			body: "# " + strings.ReplaceAll(text, "\n## ", "\n# ")}.write(directory)
	}
	whole.write(directory)
	for _, section := range sections[1:] {
		commandPage(section, manual).write(directory)
	}
}

// page is one page of the manual.
type page struct{ name, section, does, usage, body string }

// overview is what the program's own page says of its commands.
func overview(text string) string {
	_, table, _ := strings.Cut(text, "\n| command")
	return "# COMMANDS\n\n| command" + link.ReplaceAllString(table, "$1")
}

var link = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)

// lists writes each table as a list of terms: on a terminal a table's lines hide what it says.
func lists(markdown string) string {
	var out strings.Builder
	lines := strings.SplitAfter(markdown, "\n")
	for i, line := range lines {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		heads := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "| ---")
		switch {
		case !strings.HasPrefix(line, "| "):
			out.WriteString(line)
		case heads || strings.HasPrefix(line, "| ---"):
		default:
			term := "**" + strings.Trim(strings.TrimSpace(cells[0]), "`") + "**"
			if len(cells) > 2 {
				term += " (" + cells[1] + ")"
			}
			fmt.Fprintf(&out, "%s\n\n: %s\n\n", term, strings.TrimSpace(cells[len(cells)-1]))
		}
	}
	return out.String()
}

// commandPage makes a page of one section of the reference.
func commandPage(section, manual string) page {
	path, rest, _ := strings.Cut(section, "\n")
	usage, rest, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	rest = strings.TrimSpace(rest)
	does, _, _ := strings.Cut(rest, ".")
	headings := strings.NewReplacer(
		"\nFlags:\n", "\n# FLAGS\n", "\nFlags of most commands:\n", "\n# FLAGS OF MOST COMMANDS\n",
		"\nExamples:\n", "\n# EXAMPLES\n", "\nExit codes:\n", "\n# EXIT STATUS\n",
	)
	return page{
		name: strings.ReplaceAll(path, " ", "-"), section: manual, does: strings.ToLower(does[:1]) + does[1:], usage: strings.TrimSpace(usage),
		body: "# DESCRIPTION\n\n" + headings.Replace("\n"+rest),
	}
}

func (p page) write(directory string) {
	markdown := fmt.Sprintf("%% %q %q \"\" \"oneclick-agent\" \"System Administration\"\n# NAME\n\n%s - %s\n\n# SYNOPSIS\n\n%s\n\n%s\n",
		strings.ToUpper(p.name), p.section, p.name, p.does, p.usage, lists(p.body))
	file := filepath.Join(directory, p.name+"."+p.section)
	if err := os.WriteFile(file, md2man.Render([]byte(markdown)), 0o644); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "manual:", err)
	os.Exit(1)
}
