package host

import (
	"strings"
	"testing"
)

// What a command printed last is kept however much it printed before, and no line around the gap is a part of one.
func TestTheBeginningAndTheEndOfAnOutputAreKept(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("x", 99) + "\n"
	for _, lines := range []int{0, 1, 100, 10485, 10486, 40000} {
		var o output
		for range lines {
			o.Write([]byte(line))
		}
		o.Write([]byte("the cause\n"))
		got := string(o.take())
		if !strings.HasSuffix(got, "\nthe cause\n") && got != "the cause\n" {
			t.Errorf("after %d lines the end is %q", lines, got[max(0, len(got)-200):])
		}
		gap := ""
		for one := range strings.Lines(strings.TrimSuffix(got, "the cause\n")) {
			if one != line {
				gap += one
			}
		}
		want := map[bool]string{true: " bytes are left out here]\n"}[lines*100+10 > MaxOutput]
		if !strings.HasSuffix(gap, want) || want == "" && gap != "" || strings.Count(gap, "\n") > 1 || len(got) > MaxOutput+100 {
			t.Errorf("of %d lines %d bytes are kept, with the gap %q", lines, len(got), gap)
		}
		o.Write([]byte("later"))
		if again := string(o.take()); again != got {
			t.Error("what comes after the end is kept")
		}
	}
}

func TestALineLongerThanWhatIsKeptIsLeftOut(t *testing.T) {
	t.Parallel()
	var o output
	o.Write([]byte(strings.Repeat("x", 3*MaxOutput)))
	if got := string(o.take()); got != "[3145728 bytes are left out here]\n" {
		t.Errorf("%.100q", got)
	}
}

// With Together the two streams stand in the order in which they were written.
func TestBothStreamsStandInTheirOrder(t *testing.T) {
	t.Parallel()
	h, err := Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	const script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done"
	out, err := h.Run(t.Context(), Command{Argv: []string{"sh", "-c", script}, Together: true})
	if want := "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v", out, err)
	}
	_, err = h.Run(t.Context(), Command{Argv: []string{"sh", "-c", "echo err >&2; echo out; exit 3"}})
	failed, ok := err.(*CommandError)
	if !ok || string(failed.Printed) != "out\nerr\n" || failed.Error() != "sh exited with status 3" {
		t.Errorf("%v", err)
	}
}
