// Package firstboot turns a manifest into a plan and carries it out: in order, once, resumed after any
// interruption.
package firstboot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/problem"
	"oneclick-agent/agent/secret"
)

// ManifestPath is where a vendor's manifest stands.
const ManifestPath = "/etc/oneclick/app.yaml"

// Setup is everything that a plan is made from: what the vendor wrote, and who the Droplet is.
type Setup struct {
	Host     *host.Host
	Manifest *manifest.Manifest
	// Directory is where the manifest stands; files that it names by relative path lie beside it.
	Directory string
	Droplet   droplet.Droplet
	// Metadata is the address of the metadata service, "" for DigitalOcean's.
	Metadata string
	Store    *secret.Store
	// Managed is the managed database as its administrator reaches it, nil without one; Keystore a second one.
	// Awaited says why credentials that are wanted cannot be used yet, Unusable why those that are there never can.
	Managed, Keystore *database.Connection
	Awaited           string
	Unusable          error
	// known is what earlier runs found out about the database.
	known knownDatabase
	// override stands for the database where a setup is one of before.
	override *database.Connection
	Redact   secret.Redactor
	// Answers are what the customer said at first login so far.
	Answers Answers
}

// ReadManifest reads a manifest and everything it names. All problems are returned at once.
func ReadManifest(h *host.Host, file string) (*manifest.Manifest, error) {
	data, err := h.Files.ReadFile(file, manifest.MaxSize+1)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "write the image's manifest there, or name another with --manifest"
		}
		return nil, problem.List{{Position: problem.Position{File: file}, Message: err.Error(), Hint: hint}}
	}
	m, problems := manifest.Parse(data, file)
	problems = append(problems, checkNamedFiles(h, m, path.Dir(file))...)
	return m, problems.Err()
}

// checkNamedFiles reads the templates and copies that steps name.
func checkNamedFiles(h *host.Host, m *manifest.Manifest, directory string) (problems problem.List) {
	check := func(list string, steps []manifest.Step) {
		for i := range steps {
			at := fmt.Sprintf("%s[%d]", list, i)
			for key, name := range map[string]string{"template": steps[i].Template, "copy": steps[i].Copy} {
				if name == "" {
					continue
				}
				file := beside(directory, name)
				text, err := h.Files.ReadFile(file, maxSource)
				if err != nil {
					problems = append(problems, problem.Problem{Position: m.Position(at + "." + key), Path: at + "." + key, Message: err.Error()})
				} else if key == "template" {
					for _, p := range m.CheckTemplate(at+".content", string(text), captures(m)) {
						p.File = file
						problems = append(problems, p)
					}
				}
			}
		}
	}
	check("first_boot", m.FirstBoot)
	if m.FirstLogin != nil {
		check("first_login.steps", m.FirstLogin.Steps)
	}
	return problems
}

// captures says which step of first boot fills which secret.
func captures(m *manifest.Manifest) map[string]string {
	by := map[string]string{}
	for i, s := range m.FirstBoot {
		for _, capture := range s.Capture {
			by[capture.Secret] = fmt.Sprintf("first_boot[%d]", i)
		}
	}
	return by
}

func beside(directory, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(directory, name)
}

// Prepare gathers what a plan is made from. It changes nothing.
func Prepare(ctx context.Context, h *host.Host, m *manifest.Manifest, file, metadata string) (*Setup, error) {
	s := &Setup{Host: h, Manifest: m, Directory: path.Dir(file), Metadata: metadata}
	var err error
	if s.Droplet, err = droplet.Identify(ctx, h, metadata); err != nil {
		return nil, err
	}
	if s.Store, err = secret.Open(h.Files); err != nil {
		return nil, err
	}
	s.Redact.AddStore(s.Store)
	if s.known, err = readKnownDatabase(h.Files); err != nil {
		return nil, err
	}
	if s.Answers, err = readAnswers(h.Files); err != nil {
		return nil, err
	}
	s.Unusable = s.findDatabase()
	return s, nil
}

// Data is what templates see. It reveals the secrets.
func (s *Setup) Data() map[string]any {
	data := map[string]any{
		"app":     map[string]any{"name": s.Manifest.App.Name, "version": s.Manifest.App.Version, "docs": s.Manifest.App.Docs},
		"secrets": s.Store.Data(),
		"answers": s.answerData(),
		"droplet": s.Droplet.Data(),
		"url":     s.Droplet.URL(),
	}
	data["database"], data["keystore"] = database.NoData(s.Manifest.Engine()), database.NoData("")
	if c, ok := s.Database(); ok {
		data["database"] = c.Data()
	}
	if s.Keystore != nil {
		data["keystore"] = s.Keystore.Data()
	}
	return data
}

// PreviewData is Data with names in the place of secrets, for plans that are shown.
func (s *Setup) PreviewData() map[string]any {
	data := s.Data()
	secrets := map[string]any{}
	for name, spec := range s.Manifest.Secrets {
		if fields := spec.Fields(); fields != nil {
			parts := map[string]any{}
			for _, field := range fields {
				parts[field] = "[secret " + name + "." + field + "]"
			}
			secrets[name] = parts
		} else {
			secrets[name] = "[secret " + name + "]"
		}
	}
	data["secrets"] = secrets
	for _, kind := range []string{"database", "keystore"} {
		db := data[kind].(map[string]any)
		db["password"], db["url"] = "[secret "+kind+" password]", "[secret "+kind+" url]"
	}
	return data
}
