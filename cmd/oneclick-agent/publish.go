package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/publish"
)

// tokenVariables are where the API token is taken from: arguments and files can be read by others.
var tokenVariables = []string{"DIGITALOCEAN_API_TOKEN", "DIGITALOCEAN_TOKEN"}

const maxPackerManifest = 4 << 20

// submission is what publish can be told.
type submission struct {
	publish.Submission
	app, packer, api string
	dryRun           bool
}

func (a *agent) addPublish() {
	var s submission
	command := a.addToTree(commandline.Command{
		Use: "publish", Does: "submit a snapshot to the Marketplace's Vendor Portal", Ends: failedEnd,
		About: "The API token is taken from the environment only: " + tokenVariables[0] + ".",
		Examples: []string{
			"oneclick-agent publish --app 5fc00c0ffee --packer-manifest build/packer-manifest.json --dry-run",
			"oneclick-agent publish --app 5fc00c0ffee --image 123456789 --reason 'security updates'",
		},
		Run: func(ctx context.Context, _ []string) int { return a.publish(ctx, &s) },
	})
	flags := command.Flags()
	flags.StringVar(&s.app, "app", "", "the app's `ID` in the Vendor Portal")
	flags.Int64Var(&s.Image, "image", 0, "the snapshot's `ID`")
	flags.StringVar(&s.packer, "packer-manifest", "", "`FILE` of Packer's manifest post-processor; its last build is the snapshot")
	flags.StringVar(&s.Reason, "reason", "", "why the image is updated")
	flags.StringVar(&s.Version, "app-version", "", "the app's version; the manifest's where nothing is said")
	flags.StringVar(&s.OSVersion, "os-version", "", "the system and its version")
	flags.StringVar(&s.api, "api", publish.API, "`ADDRESS` of the API")
	flags.BoolVar(&s.dryRun, "dry-run", false, "print what would be sent, and send nothing")
}

func (a *agent) publish(ctx context.Context, s *submission) int {
	h, err := a.open()
	if err != nil {
		return a.Fail(err)
	}
	defer h.Close()
	token := cmp.Or(os.Getenv(tokenVariables[0]), os.Getenv(tokenVariables[1]))
	if err := a.completeSubmission(h, s, token != "" || s.dryRun); err != nil {
		return a.Fail(err)
	}
	if s.dryRun {
		return a.WriteJSON(map[string]any{"app": s.app, "submission": s.Submission})
	}
	answer, err := publish.Submit(ctx, h, s.api, token, s.app, s.Submission)
	if err != nil {
		return a.Fail(err)
	}
	if a.JSON {
		return a.WriteJSON(answer)
	}
	fmt.Fprintf(a.Stdout, "image %d is submitted for the app %s: %s\n", s.Image, s.app, problem.OneLine(answer.Status))
	return commandline.ExitDone
}

// completeSubmission takes up what is not said, and finds all that is wrong at once.
func (a *agent) completeSubmission(h *host.Host, s *submission, hasToken bool) error {
	var problems problem.List
	wrong := func(message, hint string) {
		problems = append(problems, problem.Problem{Position: problem.Position{File: "publish"}, Message: message, Hint: hint})
	}
	if s.packer != "" {
		var built publish.Built
		data, err := h.Files.ReadFile(a.inTree(s.packer), maxPackerManifest)
		if err == nil {
			built, err = publish.ReadPackerManifest(data)
		}
		if err != nil {
			wrong(fmt.Sprintf("cannot use %s: %s", s.packer, err), "run packer build with the manifest post-processor")
		} else if s.Image != 0 && s.Image != built.Image {
			wrong(fmt.Sprintf("--image %d is not the snapshot of %s, which is %d", s.Image, s.packer, built.Image), "name one of them")
		}
		s.Image = cmp.Or(s.Image, built.Image)
		s.Version = cmp.Or(s.Version, built.Custom["application_version"])
	}
	if m, err := lint.Read(h, a.manifestPath()); err == nil {
		s.Version = cmp.Or(s.Version, m.App.Version)
	}
	if s.app == "" {
		wrong("the app is missing", "name it with --app; its id stands in the Vendor Portal's address")
	}
	if s.Image == 0 && s.packer == "" {
		wrong("the snapshot is missing", "name it with --image or --packer-manifest")
	}
	if !hasToken {
		wrong("the API token is missing", "set "+tokenVariables[0]+" in the environment")
	}
	return problems.Err()
}
