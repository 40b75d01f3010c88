package publish

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"oneclick-agent/agent/commandline"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/problem"
)

// tokenVariables are where the API token is taken from: arguments and files can be read by others.
var tokenVariables = []string{"DIGITALOCEAN_API_TOKEN", "DIGITALOCEAN_TOKEN"}

const maxPackerManifest = 4 << 20

// Place is where a submission's files are.
type Place struct {
	Host *host.Host
	// Path is a typed path as the host has it.
	Path func(typed string) string
	// Version is the app's, "" where no manifest says it.
	Version string
}

// request is what publish can be told.
type request struct {
	Submission
	app, packer, api string
	dryRun           bool
}

// AddCommand adds the command publish to a program; what open opens is closed here.
func AddCommand(p *commandline.Program, add func(commandline.Command) *cobra.Command, open func() (Place, error)) {
	var r request
	command := add(commandline.Command{
		Use: "publish", Does: "submit a snapshot to the Marketplace's Vendor Portal", Ends: commandline.FailedEnd,
		About: "The API token is taken from the environment only: " + tokenVariables[0] + ".",
		Examples: []string{
			p.Name + " publish --app 5fc00c0ffee --packer-manifest build/packer-manifest.json --dry-run",
			p.Name + " publish --app 5fc00c0ffee --image 123456789 --reason 'security updates'",
		},
		Run: func(ctx context.Context, _ []string) int {
			place, err := open()
			if err != nil {
				return p.Fail(err)
			}
			defer place.Host.Close()
			return r.run(ctx, p, place)
		},
	})
	flags := command.Flags()
	flags.StringVar(&r.app, "app", "", "the app's `ID` in the Vendor Portal")
	flags.Int64Var(&r.Image, "image", 0, "the snapshot's `ID`")
	flags.StringVar(&r.packer, "packer-manifest", "", "`FILE` of Packer's manifest post-processor; its last build is the snapshot")
	flags.StringVar(&r.Reason, "reason", "", "why the image is updated")
	flags.StringVar(&r.Version, "app-version", "", "the app's version; the manifest's where nothing is said")
	flags.StringVar(&r.OSVersion, "os-version", "", "the system and its version")
	flags.StringVar(&r.api, "api", API, "`ADDRESS` of the API")
	flags.BoolVar(&r.dryRun, "dry-run", false, "print what would be sent, and send nothing")
}

func (r *request) run(ctx context.Context, p *commandline.Program, place Place) int {
	token := cmp.Or(os.Getenv(tokenVariables[0]), os.Getenv(tokenVariables[1]))
	if err := r.complete(place, token != "" || r.dryRun); err != nil {
		return p.Fail(err)
	}
	if r.dryRun {
		return p.WriteJSON(map[string]any{"app": r.app, "submission": r.Submission})
	}
	answer, err := Submit(ctx, place.Host, r.api, token, r.app, r.Submission)
	if err != nil {
		return p.Fail(err)
	}
	if p.JSON {
		return p.WriteJSON(answer)
	}
	fmt.Fprintf(p.Stdout, "image %d is submitted for the app %s: %s\n", r.Image, r.app, problem.OneLine(answer.Status))
	return commandline.ExitDone
}

// complete takes up what is not said, and finds all that is wrong at once.
func (r *request) complete(place Place, hasToken bool) error {
	var problems problem.List
	wrong := func(message, hint string) {
		problems = append(problems, problem.Problem{Position: problem.Position{File: "publish"}, Message: message, Hint: hint})
	}
	if r.packer != "" {
		var built Built
		data, err := place.Host.Files.ReadFile(place.Path(r.packer), maxPackerManifest)
		if err == nil {
			built, err = ReadPackerManifest(data)
		}
		if err != nil {
			wrong(fmt.Sprintf("cannot use %s: %s", r.packer, err), "run packer build with the manifest post-processor")
		} else if r.Image != 0 && r.Image != built.Image {
			wrong(fmt.Sprintf("--image %d is not the snapshot of %s, which is %d", r.Image, r.packer, built.Image), "name one of them")
		}
		r.Image = cmp.Or(r.Image, built.Image)
		r.Version = cmp.Or(r.Version, built.Custom["application_version"])
	}
	r.Version = cmp.Or(r.Version, place.Version)
	if r.app == "" {
		wrong("the app is missing", "name it with --app; its id stands in the Vendor Portal's address")
	}
	if r.Image == 0 && r.packer == "" {
		wrong("the snapshot is missing", "name it with --image or --packer-manifest")
	}
	if !hasToken {
		wrong("the API token is missing", "set "+tokenVariables[0]+" in the environment")
	}
	return problems.Err()
}
