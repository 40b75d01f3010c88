package manifest

import (
	"strconv"
	"strings"
)

// Command is a program and its arguments; each argument is a template.
type Command []Template

// Line is the command as a plan shows it.
func (c Command) Line(p Preview) string {
	parts := make([]string, len(c))
	for i, argument := range c {
		parts[i] = p.Show(argument)
		if strings.ContainsAny(parts[i], " \t\n\"'") || parts[i] == "" {
			parts[i] = strconv.Quote(parts[i])
		}
	}
	return strings.Join(parts, " ")
}

// Process is how a command is run; a run step and a tty step share it.
type Process struct {
	As      string              `yaml:"as" doc:"User to run as."`
	Dir     Template            `yaml:"dir" for:"name" doc:"Working directory."`
	Env     map[string]Template `yaml:"env" for:"input" doc:"Environment beside PATH, HOME, USER and LANG."`
	Creates Template            `yaml:"creates" for:"name" doc:"Not run where this path exists."`
	Unless  Command             `yaml:"unless" for:"argument" doc:"Not run where this command succeeds."`
}

func (p *Process) validate(v *Validation) {
	if !p.Dir.IsZero() {
		v.Path("dir", p.Dir)
	}
	if !p.Creates.IsZero() {
		v.Path("creates", p.Creates)
	}
	if v.Wrote("unless") {
		v.Command("unless", p.Unless)
	}
	for _, name := range sortedKeys(p.Env) {
		if !environmentName().MatchString(name) {
			v.Report(join("env", name), "", "is not the name of an environment variable: %q", name)
		}
	}
}

// Run runs a command.
type Run struct {
	Command   Command `yaml:"run" kind:"run" for:"argument" doc:"Runs this command, without a shell."`
	Process   `yaml:",inline"`
	Stdin     *Template         `yaml:"stdin" for:"input" doc:"Standard input; the place for a secret."`
	Passwords map[string]string `yaml:"passwords" doc:"Constants for the environment, listed for people beside the secrets."`
	Capture   []Capture         `yaml:"capture" doc:"Secrets read from what the command prints."`
}

// Capture reads one secret from a command's output.
type Capture struct {
	Secret  string `yaml:"secret" required:"true" doc:"The captured secret that it fills."`
	Pattern string `yaml:"pattern" doc:"Regular expression; its first group is the value."`
	JSON    string `yaml:"json" doc:"Path in a JSON output: .key.0.key"`
}

// Subject is the command.
func (r *Run) Subject(p Preview) string { return shorten(r.Command.Line(p)) }

// Summary says what is run, and as whom.
func (r *Run) Summary(p Preview) string {
	summary := "run " + r.Command.Line(p)
	if r.As != "" {
		summary += " as " + r.As
	}
	return summary
}

// Effects of a command can be anything; known are the secrets that it gives out.
func (r *Run) Effects() Effects {
	e := Effects{Acts: true, Lists: r.Passwords}
	for _, capture := range r.Capture {
		e.Captures = append(e.Captures, capture.Secret)
	}
	return e
}

// Validate checks the command and what is captured.
func (r *Run) Validate(v *Validation) {
	v.Command("run", r.Command)
	r.Process.validate(v)
	r.validatePasswords(v)
	for i, capture := range r.Capture {
		here := index("capture", i)
		if secret, ok := v.Manifest.Secrets[capture.Secret]; !ok {
			v.Report(here+".secret", "add it to secrets with captured: true", "there is no secret %q", capture.Secret)
		} else if !secret.Captured {
			v.Report(here+".secret", "add captured: true to it", "the secret %q is generated, not captured", capture.Secret)
		}
		if (capture.Pattern == "") == (capture.JSON == "") {
			v.Report(here, "", "needs either pattern or json")
		}
		if compiled := v.Regexp(here+".pattern", capture.Pattern); capture.Pattern != "" && compiled != nil && compiled.NumSubexp() != 1 {
			v.Report(here+".pattern", `such as token: (\S+)`, "must have exactly one group, the value")
		}
		if capture.JSON != "" && !strings.HasPrefix(capture.JSON, ".") {
			v.Report(here+".json", "such as .root_token", "must begin with a dot")
		}
	}
}

// validatePasswords wants constants that stand beside the secrets in one file, whatever the Droplet.
func (r *Run) validatePasswords(v *Validation) {
	if v.Conditional && len(r.Passwords) > 0 {
		v.Report("passwords", "move them to a step without a condition", "people would find them on Droplets that this step does not apply to")
	}
	taken := map[string]bool{}
	for name := range v.Manifest.Secrets {
		taken[strings.ToUpper(name)] = true
	}
	if v.Manifest.FirstLogin != nil {
		for _, question := range v.Manifest.FirstLogin.Questions {
			taken[strings.ToUpper(question.Name)] = true
		}
	}
	for _, name := range sortedKeys(r.Passwords) {
		here := join("passwords", name)
		_, twice := r.Env[name]
		switch {
		case !environmentName().MatchString(name):
			v.Report(here, "", "is not the name of an environment variable: %q", name)
		case taken[name]:
			v.Report(here, "give it another name", "a secret or an answer has this name in /root/.digitalocean_passwords")
		case twice:
			v.Report(here, "keep one of the two", "stands in env, too")
		case strings.ContainsFunc(r.Passwords[name], func(c rune) bool { return c < ' ' || c == 0x7f }):
			v.Report(here, "", "must be one line of text")
		}
	}
}
