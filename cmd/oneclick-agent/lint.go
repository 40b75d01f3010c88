package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/snapshot"
	"oneclick-agent/agent/step"
)

func (a *agent) lint(_ context.Context, arguments []string) int {
	rest, code, ok := a.parseUpTo(1, arguments)
	if !ok {
		return code
	}
	file := a.manifestPath()
	if len(rest) > 0 {
		file = a.inTree(rest[0])
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	m, err := lint.Read(h, file)
	if m != nil {
		if wrong := snapshot.CheckManifest(m); len(wrong) > 0 {
			var problems problem.List
			errors.As(err, &problems)
			err = append(problems, wrong...).Err()
		}
	}
	if err != nil {
		return a.fail(err)
	}
	if a.json {
		problem.List{}.WriteJSON(a.stdout)
		return exitDone
	}
	fmt.Fprintf(a.stdout, "%s: no problems\n", file)
	return exitDone
}

func (a *agent) schema(_ context.Context, arguments []string) int {
	markdown := a.flags.Bool("markdown", false, "print the reference of all keys for people instead")
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	if *markdown {
		if code, refused := a.refuseJSON("schema --markdown"); refused {
			return code
		}
		if err := manifest.WriteReference(a.stdout, step.Kinds()); err != nil {
			return a.fail(err)
		}
		return exitDone
	}
	schema, err := manifest.Schema(step.Kinds())
	if err != nil {
		return a.fail(err)
	}
	a.stdout.Write(schema)
	return exitDone
}

// writeJSON prints one indented document.
func (a *agent) writeJSON(document any) int {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return a.fail(err)
	}
	return exitDone
}
