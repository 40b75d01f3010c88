package support

import (
	"strings"
	"testing"
)

func TestAJournalThatIsPrintedBackwardsIsPutInOrder(t *testing.T) {
	t.Parallel()
	const backwards = "12:02 app: third\n             of three lines\n             at the end\n12:01 app: second\n12:00 app: fi"
	if got := inOrder(backwards); got != "12:01 app: second\n12:02 app: third\n             of three lines\n             at the end\n" {
		t.Errorf("it is\n%s", got)
	}
	if got := inOrder(""); got != "" {
		t.Errorf("nothing becomes %q", got)
	}
}

func TestOnlyTheNameOfAUnitIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"app.service", "app@one.service", `dev-disk-by\x2dlabel.mount`, "a:b_c-d.timer"} {
		if !isUnit(name) {
			t.Errorf("%s is refused", name)
		}
	}
	for _, name := range []string{"", "*", "app?.service", "[a].service", "../app.service", "app .service", "app\x1b.service",
		"{{ .x }}.service", "äpp.service", strings.Repeat("a", 300)} {
		if isUnit(name) {
			t.Errorf("%q is taken for a unit", name)
		}
	}
}
