package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/publish"
)

// tokenVariables are where the API token is taken from: arguments and files can be read by others.
var tokenVariables = []string{"DIGITALOCEAN_API_TOKEN", "DIGITALOCEAN_TOKEN"}

const maxPackerManifest = 4 << 20

func (a *agent) publish(ctx context.Context, arguments []string) int {
	var s publish.Submission
	app := a.flags.String("app", "", "the app's id in the Vendor Portal")
	a.flags.Int64Var(&s.Image, "image", 0, "the snapshot's id")
	packer := a.flags.String("packer-manifest", "", "file of Packer's manifest post-processor; its last build is the snapshot")
	a.flags.StringVar(&s.Reason, "reason", "", "why the image is updated")
	a.flags.StringVar(&s.Version, "app-version", "", "the app's version; the manifest's where nothing is said")
	a.flags.StringVar(&s.OSVersion, "os-version", "", "the system and its version")
	api := a.flags.String("api", publish.API, "address of the API")
	dryRun := a.flags.Bool("dry-run", false, "print what would be sent, and send nothing")
	if code, ok := a.parseFlags(arguments); !ok {
		return code
	}
	h, err := a.open()
	if err != nil {
		return a.fail(err)
	}
	defer h.Close()
	token := cmp.Or(os.Getenv(tokenVariables[0]), os.Getenv(tokenVariables[1]))
	if err := a.completeSubmission(h, &s, *app, *packer, token != "" || *dryRun); err != nil {
		return a.fail(err)
	}
	if *dryRun {
		return a.writeJSON(map[string]any{"app": *app, "submission": s})
	}
	answer, err := publish.Submit(ctx, h, *api, token, *app, s)
	if err != nil {
		return a.fail(err)
	}
	if a.json {
		return a.writeJSON(answer)
	}
	fmt.Fprintf(a.stdout, "image %d is submitted for the app %s: %s\n", s.Image, *app, problem.OneLine(answer.Status))
	return exitDone
}

// completeSubmission takes up what is not said, and finds all that is wrong at once.
func (a *agent) completeSubmission(h *host.Host, s *publish.Submission, app, packer string, hasToken bool) error {
	var problems problem.List
	wrong := func(message, hint string) {
		problems = append(problems, problem.Problem{Position: problem.Position{File: "publish"}, Message: message, Hint: hint})
	}
	if packer != "" {
		var built publish.Built
		data, err := h.Files.ReadFile(a.inTree(packer), maxPackerManifest)
		if err == nil {
			built, err = publish.ReadPackerManifest(data)
		}
		if err != nil {
			wrong(fmt.Sprintf("cannot use %s: %s", packer, err), "run packer build with the manifest post-processor")
		} else if s.Image != 0 && s.Image != built.Image {
			wrong(fmt.Sprintf("--image %d is not the snapshot of %s, which is %d", s.Image, packer, built.Image), "name one of them")
		}
		s.Image = cmp.Or(s.Image, built.Image)
		s.Version = cmp.Or(s.Version, built.Custom["application_version"])
	}
	if m, err := lint.Read(h, a.manifestPath()); err == nil {
		s.Version = cmp.Or(s.Version, m.App.Version)
	}
	if app == "" {
		wrong("the app is missing", "name it with --app; its id stands in the Vendor Portal's address")
	}
	if s.Image == 0 && packer == "" {
		wrong("the snapshot is missing", "name it with --image or --packer-manifest")
	}
	if !hasToken {
		wrong("the API token is missing", "set "+tokenVariables[0]+" in the environment")
	}
	return problems.Err()
}
