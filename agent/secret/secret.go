// Package secret makes the secrets of a Droplet, once, and keeps them.
package secret

import (
	"fmt"
	"log/slog"
)

// hidden is what stands in place of a secret wherever one would be printed.
const hidden = "[secret]"

// Secret is a value that cannot be printed by accident: fmt, slog, JSON and text encoders all write "[secret]".
// Reveal is the only way to the value, so that a search for it finds every place where one is used.
type Secret struct {
	// A pointer, because fmt prints the content of another struct's unexported field without asking its methods;
	// of a pointer down there it prints only the address.
	value *string
}

// New hides a value.
func New(value string) Secret { return Secret{&value} }

// Reveal returns the value.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

func (s Secret) String() string { return hidden }

// Format writes "[secret]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// LogValue is what slog writes.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON writes "[secret]".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalText writes "[secret]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Fields are the parts of one secret. A plain value has one part, under "".
type Fields map[string]Secret
