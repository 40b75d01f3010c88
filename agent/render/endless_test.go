package render

import (
	"context"
	"errors"
	"testing"
)

// Templates that do not end, or that double themselves, are ended by the number of their actions, or by the bound on text.
func TestATemplateThatDoesNotEndIsEnded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a range over a number": `{{ range 9999999999999 }}{{ end }}`,
		"a call of itself":      `{{ define "a" }}{{ range 99 }}{{ template "a" }}{{ end }}{{ end }}{{ template "a" }}`,
		"loops in loops":        `{{ range 99999 }}{{ range 99999 }}{{ range 99999 }}x{{ end }}{{ end }}{{ end }}`,
	} {
		parsed, err := Parse(text, "")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := parsed.Execute(t.Context(), map[string]any{}, MaxActions); err == nil {
			t.Errorf("%s ended well", name)
		}
	}
	parsed, err := Parse(`{{ range 9999999999999 }}{{ end }}`, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := parsed.Execute(ctx, map[string]any{}, MaxActions); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over it is: %v", err)
	}
}
