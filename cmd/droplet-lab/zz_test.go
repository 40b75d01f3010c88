package main
import ("testing";"oneclick-agent/packaging/lab";"context")
func TestMake(t *testing.T){ for _, n := range []string{"bookworm","trixie"} { if a, err := lab.Images()[n].Archive(context.Background()); err != nil { t.Error(err) } else { t.Log(a) } } }
