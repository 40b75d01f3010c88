package manifest

import (
	"maps"
	"slices"
	"strings"
)

// secretNeeds is what must be there before a secret can be made.
type secretNeeds struct {
	// direct are the secrets that it names itself; captures are those that a command fills, among these and among what they
	// need in turn.
	direct   []string
	captures map[string]bool
	// answers and captured tell whether it waits for the answers of first login, or for what a command prints.
	answers, captured bool
}

// link finds what each secret needs, each once, and the first cycle that each secret is part of.
func (m *Manifest) link() (cycles map[string][]string) {
	m.graph, cycles = map[string]secretNeeds{}, map[string][]string{}
	urlNeedsAnswers := m.urlNeedsAnswers()
	var trail []string
	var visit func(name string) secretNeeds
	visit = func(name string) secretNeeds {
		if done, ok := m.graph[name]; ok {
			return done
		}
		if i := slices.Index(trail, name); i >= 0 {
			cycle := slices.Clone(trail[i:])
			cycles[slices.Min(cycle)] = cycle
			return secretNeeds{}
		}
		spec, ok := m.Secrets[name]
		if !ok || spec == nil {
			return secretNeeds{}
		}
		trail = append(trail, name)
		needs := spec.needs(urlNeedsAnswers)
		for _, other := range needs.direct {
			below := visit(other)
			if spec := m.Secrets[other]; spec != nil && spec.Captured {
				needs.captures[other] = true
			}
			maps.Copy(needs.captures, below.captures)
			needs.answers, needs.captured = needs.answers || below.answers, needs.captured || below.captured
		}
		trail = trail[:len(trail)-1]
		m.graph[name] = needs
		return needs
	}
	for _, name := range sortedKeys(m.Secrets) {
		visit(name)
	}
	return cycles
}

// needs is what a secret's own description names.
func (s *Secret) needs(urlNeedsAnswers bool) secretNeeds {
	needs := secretNeeds{captured: s.Captured, captures: map[string]bool{}}
	add := func(name string) {
		if name != "" && !slices.Contains(needs.direct, name) {
			needs.direct = append(needs.direct, name)
		}
	}
	add(s.From)
	add(s.SignedBy)
	for _, template := range s.Templates() {
		for _, reference := range references(template.Text) {
			switch {
			case reference.Path[0] == "answers", reference.Path[0] == "url" && urlNeedsAnswers:
				needs.answers = true
			case reference.Path[0] == "secrets" && len(reference.Path) > 1:
				add(reference.Path[1])
			}
		}
	}
	return needs
}

// SecretDependencies are the secrets that must be there before this one can be made.
func (m *Manifest) SecretDependencies(name string) []string { return m.graph[name].direct }

// NeedsAnswers reports whether a secret waits for the answers of first login, itself or by what it is made from.
func (m *Manifest) NeedsAnswers(name string) bool { return m.graph[name].answers }

func (m *Manifest) validateCycles(d *decoder, cycles map[string][]string) {
	for _, name := range sortedKeys(cycles) {
		cycle := cycles[name]
		start := slices.Index(cycle, name)
		cycle = slices.Concat(cycle[start:], cycle[:start], []string{name})
		d.report(join("secrets", name), "", "is made from itself: %s", strings.Join(cycle, " from "))
	}
}
