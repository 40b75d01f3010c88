// Package facts gathers what is true of a Droplet: who it is, its secrets, its database, and what its customer
// answered. It fills the manifest's templates in with them, and knows what was true when they were last used.
package facts

import (
	"context"
	"maps"
	"path"
	"strings"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/droplet"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/secret"
	"oneclick-agent/agent/state"
)

// Facts are what a setup is made from: what the vendor wrote, and what is true of this Droplet.
type Facts struct {
	Host     *host.Host
	Manifest *manifest.Manifest
	// Directory is where the manifest stands; files that it names by relative path lie beside it.
	Directory string
	Droplet   droplet.Droplet
	// Metadata is the address of the metadata service, "" for DigitalOcean's.
	Metadata string
	Store    *secret.Store
	// Redact takes the secrets out of every text that leaves the program.
	Redact *secret.Redactor
	// Answers are what the customer said at first login so far.
	Answers Answers
	// Steps is how the steps that have a name ended, for conditions.
	Steps map[string]journal.StepState

	// Managed is the managed database as its administrator reaches it, nil without one; Keystore a second one.
	// Awaited says why credentials that are wanted cannot be used yet, Unusable why those that are there never can.
	Managed, Keystore *database.Connection
	Awaited           string
	Unusable          error
	// Spaces is the bucket that the customer chose, nil without one.
	Spaces *database.Spaces
	// made names the secrets that were made, by the records of this Droplet. login is how the steps of first login stand.
	made  []string
	login journal.Phase
	// asApplied tells that these are facts with the answers that first login was last carried out with.
	asApplied bool
	// known is what earlier runs found out about the database.
	known knownDatabase
	// then stands for the database where these are the facts of before.
	then *database.Connection
}

// Gather finds out what is true. It changes nothing. A secret that was made and is lost is an error, but for those that are
// to be made anew.
func Gather(ctx context.Context, h *host.Host, m *manifest.Manifest, file, metadata string, anew ...string) (*Facts, error) {
	f, err := gather(ctx, h, m, file, metadata)
	if err == nil {
		err = f.checkLost(anew...)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func gather(ctx context.Context, h *host.Host, m *manifest.Manifest, file, metadata string) (*Facts, error) {
	f := &Facts{Host: h, Manifest: m, Directory: path.Dir(file), Metadata: metadata, Redact: &secret.Redactor{}}
	h.Redact = f.Redact.Redact
	var err error
	if f.Droplet, err = droplet.Identify(ctx, h, metadata); err != nil {
		return nil, err
	}
	if f.Store, err = secret.Open(h.Files); err != nil {
		return nil, err
	}
	return f, f.Refresh()
}

// Refresh takes up what other processes changed since the facts were gathered: secrets, answers, records and the database.
func (f *Facts) Refresh() (err error) {
	if err := f.Store.Reload(); err != nil {
		return err
	}
	f.Redact.AddStore(f.Store)
	if err := f.readRecords(); err != nil {
		return err
	}
	if f.known, err = readKnownDatabase(f.Host.Files); err != nil {
		return err
	}
	for _, before := range []*appliedDatabase{f.known.Applied, f.known.AppliedKeystore} {
		if before != nil {
			f.Redact.Add("database password", secret.New(before.Password))
		}
	}
	if f.Answers, err = ReadAnswers(f.Host.Files); err != nil {
		return err
	}
	f.Managed, f.Keystore, f.Awaited = nil, nil, ""
	f.Unusable = f.findDatabase()
	f.findSpaces()
	return nil
}

// data is what templates see. Asked is called with the name of each secret whose text is asked for.
func (f *Facts) data(asked func(name string)) map[string]any {
	app := f.Manifest.App
	steps := map[string]any{}
	for step := range f.Manifest.Steps() {
		if step.Name != "" {
			steps[step.Name] = string(f.Steps[step.Name])
		}
	}
	data := map[string]any{
		"app":     map[string]any{"name": app.Name, "version": app.Version, "docs": app.Docs},
		"secrets": f.Store.Data(asked), "answers": f.answerData(asked), "droplet": f.Droplet.Data(), "steps": steps,
		"answered": f.Answers.Applied != nil && f.Answers.Choice == Ready,
		"database": database.NoData(f.Manifest.Engine()), "keystore": database.NoData(""),
	}
	if c, ok := f.Database(); ok {
		data["database"] = c.Data(func() { asked("database") })
	}
	if f.Keystore != nil {
		data["keystore"] = f.Keystore.Data(func() { asked("keystore") })
	}
	data["spaces"] = f.Spaces.Data(func() { asked("spaces") })
	data["url"] = f.urlFrom(data)
	return data
}

// URL is the address at which the app is opened, "" for none and where it is not known.
func (f *Facts) URL() string { return f.data(func(string) {})["url"].(string) }

// urlFrom is the app's address as the manifest says, from all other data.
func (f *Facts) urlFrom(data map[string]any) string {
	spec := f.Manifest.App.URL
	switch spec.Text {
	case "":
		return f.Droplet.URL()
	case manifest.NoURL:
		return ""
	}
	parsed, err := render.Parse(spec.Text, f.Manifest.Engine())
	if err != nil {
		return ""
	}
	text, err := parsed.Execute(context.Background(), data, render.MaxActions)
	if text = strings.TrimSpace(text); err != nil || !render.IsWebAddress(text) {
		return ""
	}
	return text
}

// remember is what to do about a damaged file of what was true when everything was last made.
const remember = "remove it, and run: oneclick-agent first-boot"

// Before are the facts that everything was last made with. Changed is false where they are the same as now, or where
// nothing was made yet.
func (f *Facts) Before() (before *Facts, changed bool, err error) {
	then := *f
	then.Steps = maps.Clone(f.Steps) // how they end from now on is of now
	found, err := state.Read(f.Host.Files, state.Droplet, &then.Droplet, remember)
	if err != nil {
		return nil, false, err
	}
	if found && f.Droplet.Moved(then.Droplet) {
		changed = true
	} else {
		then.Droplet = f.Droplet
	}
	if len(f.Store.Changing()) > 0 {
		then.Store, changed = f.Store.Before(), true
	}
	if f.DatabaseChanged() {
		then.Managed, changed = nil, true
		then.then, then.Keystore = f.known.Applied.connection(), f.known.AppliedKeystore.connection()
	}
	if f.spacesChanged() {
		then.Spaces, changed = f.known.AppliedSpaces.spaces(), true
	}
	if f.login.Complete() && f.Answers.Applied != nil && !f.Answers.areApplied() {
		then.Answers.Values, changed = f.Answers.Applied, true
	}
	return &then, changed, nil
}

// Remember keeps the facts as those that everything was made with. The list of secrets for people is brought up to date.
func (f *Facts) Remember() error {
	if err := state.Write(f.Host.Files, state.Droplet, f.Droplet); err != nil {
		return err
	}
	if now, ok := f.Database(); ok && f.Awaited == "" && f.Unusable == nil {
		f.known.Applied = applied(&now)
	}
	if f.Manifest.Database != nil && f.Awaited == "" && f.Unusable == nil {
		f.known.AppliedKeystore = applied(f.Keystore)
	}
	f.known.AppliedSpaces = appliedBucket(f.Spaces)
	if f.Manifest.Database != nil || f.Spaces != nil {
		if err := f.rememberDatabase(); err != nil {
			return err
		}
	}
	return f.Store.Settle(f.Manifest)
}
