package step

import (
	"reflect"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/manifest"
)

// Kind is one kind of step: how it is described in a manifest, and how it is carried out.
type Kind interface {
	manifest.Kind
	Traits() Traits
	// Build makes the step from its description, with the templates in that filled in.
	Build(manifest.Spec, *facts.Filling) (Step, error)
}

// Traits are what the steps of a kind have in common.
type Traits struct {
	// Within is how long a step may take where the manifest does not say.
	Within time.Duration
	// Tries is how often a step is tried where the manifest does not say.
	Tries int
	// Terminal tells whether it needs a person at a terminal.
	Terminal bool
}

// kinds has one method for each kind of step. A kind's own file has that method, so there is no list of kinds that a new
// one would have to be entered in.
type kinds struct{}

// Kinds are all kinds of steps, for reading manifests.
func Kinds() (all []manifest.Kind) {
	methods := reflect.ValueOf(kinds{})
	for i := range methods.NumMethod() {
		all = append(all, methods.Method(i).Call(nil)[0].Interface().(Kind))
	}
	return all
}

// kind ties the description of a kind to what makes its steps.
type kind[S any, P interface {
	*S
	manifest.Spec
}] struct {
	traits Traits
	build  func(P, *facts.Filling) (Step, error)
}

// as makes a Kind.
func as[S any, P interface {
	*S
	manifest.Spec
}](traits Traits, build func(P, *facts.Filling) (Step, error)) Kind {
	return kind[S, P]{traits, build}
}

func (k kind[S, P]) New() manifest.Spec { return P(new(S)) }

func (k kind[S, P]) Traits() Traits { return k.traits }

func (k kind[S, P]) Build(spec manifest.Spec, f *facts.Filling) (Step, error) {
	return k.build(spec.(P), f)
}
