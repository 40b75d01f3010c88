package snapshot

import (
	"context"
	"errors"
	"testing"

	"oneclick-agent/agent/host"
)

// Whoever presses Ctrl-C while a package is purged does not wait for the package manager.
func TestAnInterruptEndsThePurgeOfAPackage(t *testing.T) {
	h, err := host.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	h.Files.Before = func(o host.Operation) error {
		if o.Name == "run" && o.Object == "dpkg" {
			interrupt()
		}
		return nil
	}
	p := &packages{image: &Image{Host: h}}
	if err := p.purge(ctx, "no-package-of-this-name"); !errors.Is(err, context.Canceled) {
		t.Errorf("the purge ended with %v", err)
	}
}
