package firstboot

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"oneclick-agent/agent/edit"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/step"
)

// maxSource is the largest template or copied file, in bytes.
const maxSource = 16 << 20

// ttyWithin is how long a program may have the terminal: as long as a person needs.
const ttyWithin = 12 * time.Hour

// manifestItem makes the plan's item from a step of the manifest.
func (s *Setup) manifestItem(m *manifest.Step, at string) Item {
	item := Item{
		Digest: s.Manifest.Digest(at), When: m.When, Optional: m.Optional, Uses: s.Manifest.Uses(s.stepTemplates(m)...),
		Within: cmp.Or(m.Within.Duration(), step.QuickWithin),
	}
	path := func(kind string, target manifest.Template) {
		text := string(target)
		if filled, err := s.evaluate(target, s.PreviewData()); err == nil {
			text = filled
		}
		item.ID, item.Paths = kind+" "+text, []string{text}
	}
	switch m.Kind() {
	case "file":
		path("file", m.File)
		item.Summary = s.fileSummary(m, item.Paths[0])
		item.Build = func(data map[string]any) (step.Step, error) { return s.file(m, data) }
	case "edit":
		path("edit", m.Edit)
		item.Summary = "edit " + item.Paths[0] + ": " + editSummary(m)
		item.ID += " " + shorten(editSummary(m))
		item.Build = func(data map[string]any) (step.Step, error) { return s.edit(m, data) }
	case "directory":
		path("directory", m.Directory)
		item.Summary = "make the directory " + item.Paths[0] + owned(m, "0755")
		if m.Recursive {
			item.Paths = nil // it touches everything below
		}
		item.Build = func(data map[string]any) (step.Step, error) {
			target, err := s.evaluate(m.Directory, data)
			return &step.Directory{Path: target, Owner: m.Owner, Mode: (*fs.FileMode)(m.Mode), Recursive: m.Recursive}, err
		}
	case "link":
		path("link", m.Link)
		item.Summary = fmt.Sprintf("link %s to %s", item.Paths[0], m.To)
		item.Build = func(data map[string]any) (step.Step, error) {
			target, err := s.evaluate(m.Link, data)
			if err != nil {
				return nil, err
			}
			to, err := s.evaluate(m.To, data)
			return &step.Link{Path: target, To: to}, err
		}
	case "remove":
		path("remove", m.Remove)
		item.Summary = "remove " + item.Paths[0]
		item.Build = func(data map[string]any) (step.Step, error) {
			target, err := s.evaluate(m.Remove, data)
			return &step.Remove{Path: target}, err
		}
	default:
		s.actionItem(m, &item)
	}
	return item
}

// actionItem fills in the steps that do more than write files: they run alone, and are recorded at once.
func (s *Setup) actionItem(m *manifest.Step, item *Item) {
	item.Durable, item.Tries = true, 3
	switch m.Kind() {
	case "run":
		line := commandLine(m.Run)
		item.ID, item.Summary = "run "+shorten(line), "run "+line
		if m.As != "" {
			item.Summary += " as " + m.As
		}
		item.Within = cmp.Or(m.Within.Duration(), step.RunWithin)
		id := item.ID
		item.Build = func(data map[string]any) (step.Step, error) { return s.run(m, m.Run, id, data) }
	case "tty":
		line := commandLine(m.TTY)
		item.ID, item.Summary = "tty "+shorten(line), "hand the terminal to "+line
		item.Within, item.Tries = cmp.Or(m.Within.Duration(), ttyWithin), 1
		item.Terminal = true
		id := item.ID
		item.Build = func(data map[string]any) (step.Step, error) {
			run, err := s.run(m, m.TTY, id, data)
			if err != nil {
				return nil, err
			}
			return &step.TTY{Run: *run}, nil
		}
	case "service":
		item.ID = "service " + m.Service + " " + strings.Join(m.Do, " ")
		item.Summary = strings.Join(m.Do, " and ") + " " + m.Service
		item.Within = cmp.Or(m.Within.Duration(), step.ServiceWithin)
		item.Build = ready(s.service(m))
	case "wait":
		item.Tries = 1
		item.ID = "wait " + waitName(m.Wait)
		item.Summary = "wait for " + waitName(m.Wait)
		item.Within = cmp.Or(m.Within.Duration(), step.WaitWithin)
		item.Build = func(data map[string]any) (step.Step, error) { return s.wait(m.Wait, data) }
	case "firewall":
		item.ID, item.Summary = "firewall "+strings.Join(m.Firewall, ", "), "open "+strings.Join(m.Firewall, ", ")+" in the firewall"
		item.Within = cmp.Or(m.Within.Duration(), step.ServiceWithin)
		firewall := &step.Firewall{}
		for _, text := range m.Firewall {
			if rule, err := manifest.ParseRule(text); err == nil {
				firewall.Rules = append(firewall.Rules, rule)
			}
		}
		item.Build = ready(firewall)
	}
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:57]) + "..."
	}
	return text
}

func commandLine(command manifest.Command) string {
	parts := make([]string, len(command))
	for i, argument := range command {
		parts[i] = string(argument)
		if strings.ContainsAny(parts[i], " \t\n\"'") || parts[i] == "" {
			parts[i] = strconv.Quote(parts[i])
		}
	}
	return strings.Join(parts, " ")
}

func waitName(w *manifest.Wait) string {
	for _, name := range []manifest.Template{w.HTTP, w.TCP, w.Unix, manifest.Template(w.Unit), w.DNS, manifest.Template(w.Container)} {
		if name != "" {
			return string(name)
		}
	}
	return commandLine(w.Command)
}

func owned(m *manifest.Step, fallback string) string {
	mode := fallback
	if m.Mode != nil {
		mode = fmt.Sprintf("%04o", uint32(fs.FileMode(*m.Mode).Perm()))
	}
	return " " + cmp.Or(m.Owner, "root:root") + " " + mode
}

func (s *Setup) fileSummary(m *manifest.Step, target string) string {
	source := "content"
	if m.Template != "" {
		source = "template " + m.Template
	} else if m.Copy != "" {
		source = "copy of " + m.Copy
	}
	return fmt.Sprintf("write %s%s (%s)", target, owned(m, fmt.Sprintf("%04o", uint32(s.newMode(s.source(m))))), source)
}

func editSummary(m *manifest.Step) string {
	switch {
	case m.Line != nil:
		return "line " + m.Line.Match
	case m.Block != nil:
		return "block"
	}
	var keys []string
	for key := range m.Set {
		keys = append(keys, key)
	}
	keys = append(keys, m.Unset...)
	slices.Sort(keys)
	return strings.Join(keys, ", ")
}

// source is the template text that a file's content comes from; "" for a copy.
func (s *Setup) source(m *manifest.Step) string {
	switch {
	case m.Content != nil:
		return string(*m.Content)
	case m.Template != "":
		data, _ := s.Host.Files.ReadFile(beside(s.Directory, m.Template), maxSource)
		return string(data)
	}
	return ""
}

// newMode is the mode of a new file: private when a secret is in it.
func (s *Setup) newMode(templates ...string) fs.FileMode {
	for _, text := range templates {
		if s.Manifest.HoldsSecret(text) {
			return 0o600
		}
	}
	return 0o644
}

func (s *Setup) file(m *manifest.Step, data map[string]any) (step.Step, error) {
	target, err := s.evaluate(m.File, data)
	if err != nil {
		return nil, err
	}
	f := &step.File{Path: target, Owner: m.Owner, Mode: (*fs.FileMode)(m.Mode)}
	if m.Copy != "" {
		f.NewMode = 0o644
		f.Content, err = s.Host.Files.ReadFile(beside(s.Directory, m.Copy), maxSource)
		return f, err
	}
	source := s.source(m)
	f.NewMode = s.newMode(source)
	content, err := s.evaluate(manifest.Template(source), data)
	if err != nil {
		return nil, fmt.Errorf("cannot fill in the template of %s: %w", target, err)
	}
	f.Content = []byte(content)
	return f, nil
}

func (s *Setup) edit(m *manifest.Step, data map[string]any) (step.Step, error) {
	target, err := s.evaluate(m.Edit, data)
	if err != nil {
		return nil, err
	}
	e := &step.Edit{Path: target, Format: m.EditFormat(), NewMode: s.newMode(editTemplates(m)...)}
	switch {
	case m.Line != nil:
		if e.Pattern, err = regexp.Compile(m.Line.Match); err == nil {
			e.Line, err = s.evaluate(m.Line.Set, data)
		}
	case m.Block != nil:
		var block string
		block, err = s.evaluate(*m.Block, data)
		e.Block = &block
	default:
		execute := func(t manifest.Template) (string, error) { return s.evaluate(t, data) }
		e.Change = edit.Change{Set: map[string]any{}, Unset: m.Unset}
		for key, value := range m.Set {
			if e.Change.Set[key], err = value.Fill(execute); err != nil {
				return nil, fmt.Errorf("cannot set %s: %w", key, err)
			}
		}
	}
	return e, err
}

func (s *Setup) run(m *manifest.Step, argv manifest.Command, id string, data map[string]any) (*step.Run, error) {
	r := &step.Run{ID: id, As: m.As, Captured: s.Store.Capture}
	var err error
	command := func(templates manifest.Command) (out []string) {
		for _, t := range templates {
			var text string
			if text, err = s.evaluate(t, data); err != nil {
				return nil
			}
			out = append(out, text)
		}
		return out
	}
	if r.Command.Argv = command(argv); err != nil {
		return nil, err
	}
	if r.Unless = command(m.Unless); err != nil {
		return nil, err
	}
	if r.Creates, err = s.evaluate(m.Creates, data); err != nil {
		return nil, err
	}
	if r.Command.Dir, err = s.evaluate(m.Dir, data); err != nil {
		return nil, err
	}
	r.Command.Env = map[string]string{}
	for name, value := range m.Env {
		if r.Command.Env[name], err = s.evaluate(value, data); err != nil {
			return nil, err
		}
	}
	if m.Stdin != nil {
		text, err := s.evaluate(*m.Stdin, data)
		if err != nil {
			return nil, err
		}
		r.Command.Stdin = []byte(text)
	}
	for _, capture := range m.Capture {
		_, have := s.Store.Get(capture.Secret)
		c := step.Capture{Secret: capture.Secret, JSON: capture.JSON, Have: have}
		if capture.Pattern != "" {
			c.Pattern = regexp.MustCompile(capture.Pattern)
		}
		r.Capture = append(r.Capture, c)
	}
	return r, nil
}

func (s *Setup) service(m *manifest.Step) *step.Service {
	service := &step.Service{Unit: m.Service}
	for _, verb := range m.Do {
		service.Do = append(service.Do, host.Verb(verb))
	}
	if gate := s.Manifest.Gate; gate != nil {
		for _, unit := range gate.Services {
			service.Gated = service.Gated || unit == m.Service
		}
	}
	return service
}

func (s *Setup) wait(m *manifest.Wait, data map[string]any) (step.Step, error) {
	w := &step.WaitFor{Unit: m.Unit, Container: m.Container}
	for _, field := range []struct {
		to   *string
		from manifest.Template
	}{{&w.HTTP, m.HTTP}, {&w.TCP, m.TCP}, {&w.Unix, m.Unix}, {&w.DNS, m.DNS}, {&w.Is, m.Is}} {
		text, err := s.evaluate(field.from, data)
		if err != nil {
			return nil, err
		}
		*field.to = text
	}
	for _, argument := range m.Command {
		text, err := s.evaluate(argument, data)
		if err != nil {
			return nil, err
		}
		w.Command = append(w.Command, text)
	}
	return w, nil
}

// editTemplates are the templates in what an edit writes.
func editTemplates(m *manifest.Step) []string {
	var all []string
	for _, value := range m.Set {
		all = append(all, value.Templates()...)
	}
	if m.Line != nil {
		all = append(all, string(m.Line.Set))
	}
	if m.Block != nil {
		all = append(all, string(*m.Block))
	}
	return all
}

// stepTemplates are all templates whose values a step puts to use.
func (s *Setup) stepTemplates(m *manifest.Step) []string {
	all := append(editTemplates(m), s.source(m), string(m.To))
	for _, argument := range m.Run {
		all = append(all, string(argument))
	}
	for _, value := range m.Env {
		all = append(all, string(value))
	}
	if m.Stdin != nil {
		all = append(all, string(*m.Stdin))
	}
	return all
}

// overlaps reports whether one path is the other, or lies below it.
func overlaps(a, b string) bool {
	a, b = path.Clean(a)+"/", path.Clean(b)+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
