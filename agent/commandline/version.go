package commandline

import (
	"context"
	"fmt"
	"runtime"
)

// BuildVersion and BuildCommit are set by the build, for every program of it.
var (
	BuildVersion = "development"
	BuildCommit  = "unknown"
)

// VersionLine names the program and what it was built from.
func (o *Output) VersionLine() string {
	return fmt.Sprintf("%s %s, commit %s, %s", o.Name, BuildVersion, BuildCommit, runtime.Version())
}

// AddVersion adds the command that tells it.
func (p *Program) AddVersion() {
	command := p.Add(p.root, Command{
		Use: "version", Does: "print version, commit and Go version", Brief: true,
		Run: func(context.Context, []string) int { return p.version() },
	})
	command.Flags().BoolVar(&p.JSON, "json", false, "print one JSON document on standard output")
}

func (p *Program) version() int {
	if p.JSON {
		return p.WriteJSON(map[string]string{"version": BuildVersion, "commit": BuildCommit, "go": runtime.Version()})
	}
	fmt.Fprintln(p.Stdout, p.VersionLine())
	return ExitDone
}
