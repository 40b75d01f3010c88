package manifest

import (
	"os"
	"testing"
)

func TestTheManifestOfTheContractHasNoProblems(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, problems := Parse(data, "app.yaml")
	for _, p := range problems {
		t.Errorf("%s (%s)", p, p.Hint)
	}
	if len(m.FirstBoot) != 11 || len(m.Secrets) != 11 {
		t.Errorf("it has %d steps and %d secrets", len(m.FirstBoot), len(m.Secrets))
	}
}
