package edit

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// simpleName is a name that every format has.
var simpleName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

func randomName(random *rand.Rand) string {
	if random.IntN(3) > 0 {
		return string(rune('a'+random.IntN(26))) + fmt.Sprint(random.IntN(50))
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, randomText(random))
}

// randomKey is a key that a file of the format could have, every part quoted, so that it means what it says.
func randomKey(random *rand.Rand, format string, file marked, unique string) Key {
	part := func() Part { return Part{randomName(random), true} }
	switch format {
	case "dotenv", "environment":
		return Key{part()}
	case "ini", "python", "mysql", "systemd", "php.ini":
		section := part()
		if headers := iniSections(file.text); len(headers) > 0 && random.IntN(3) > 0 {
			section.Name = headers[random.IntN(len(headers))]
		}
		return Key{section, part()}
	case "php":
		switch name, _, _ := strings.Cut(file.key, "."); {
		case strings.Contains(file.text, "return ["):
			return Key{{"database", true}, part()}[random.IntN(2):]
		case name == "$t":
			return Key{{"$t", true}}
		case name[0] == '$':
			return Key{{name, true}, part(), part()}[:2+random.IntN(2)]
		}
		return Key{{unique + fmt.Sprint(random.IntN(9)), true}}
	}
	key, _ := ParseKey(strings.ReplaceAll(file.key, "@", unique))
	return append(key[:random.IntN(len(key)):len(key)], part(), part())[:]
}

func iniSections(text string) []string {
	var names []string
	for _, line := range strings.Split(text, "\n") {
		if match := iniHeader().FindStringSubmatch(body(line)); match != nil {
			names = append(names, match[1])
		}
	}
	return names
}

func TestAnyKeyIsAddedReadBackAndTakenOutAgain(t *testing.T) {
	t.Parallel()
	for format, files := range markedFiles(t) {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			r := startReaders(t)
			count, made := *cases, 0
			if format == "mysql" {
				count /= 4 // a process for each section of a file
			}
			for n := range count {
				random := rand.New(rand.NewPCG(*seed, uint64(n)))
				unique := fmt.Sprintf("K%d_", n)
				file := files[n%len(files)]
				added, ok := checkNewKey(t, r, format, file, randomKey(random, format, file, unique), randomText(random), unique)
				if !ok {
					t.Fatalf("repeat with -seed %d, case %d", *seed, n)
				}
				if added {
					made++
				}
			}
			if made < count/5 {
				t.Errorf("only %d of %d keys were written", made, count)
			}
		})
	}
}

func checkNewKey(t *testing.T, r *readers, format string, file marked, key Key, value, unique string) (added, ok bool) {
	t.Helper()
	before := []byte(strings.NewReplacer("@", unique, "⟦", "", "⟧", "").Replace(file.text))
	after, err := Apply(format, before, Change{Set: map[string]any{key.String(): value}})
	if err != nil {
		simple := carries(format, value) && !strings.Contains(err.Error(), "is a single value") &&
			!strings.Contains(err.Error(), "has a list") && !strings.Contains(err.Error(), "&x")
		for _, part := range key {
			simple = simple && (simpleName.MatchString(part.Name) && !phpWord().MatchString(part.Name) ||
				slices.Contains(iniSections(file.text), part.Name))
		}
		if simple {
			t.Errorf("%q: %s: %q is refused: %v", before, key, value, err)
		}
		return false, !simple
	}
	parsed, err := ParseKey(key.String())
	if err != nil || !reflect.DeepEqual(parsed.Names(), key.Names()) {
		t.Errorf("%s is read as the key %v, %v", key, parsed, err)
		return false, false
	}
	gone, err := Apply(format, after, Change{Unset: []string{key.String()}})
	if err != nil && !strings.Contains(err.Error(), "a list there") {
		t.Errorf("%q: %s cannot be taken out of %q: %v", before, key, after, err)
		return true, false
	}
	if again, err := Apply(format, gone, Change{Unset: []string{key.String()}}); err != nil || string(again) != string(gone) {
		t.Errorf("%q: %s is taken out of %q, then of %q: %v", before, key, after, gone, err)
		return true, false
	}
	name := key[len(key)-1].Name
	if !strings.HasSuffix(file.key, name) && !inOrder(before, after) {
		t.Errorf("%s: more than an entry is new:\n%q\n%q", key, before, after)
		return true, false
	}
	return true, checkRead(t, r, format, before, after, parsed, value, unique)
}

// inOrder reports whether the lines of before, but for one, are in after in their order.
func inOrder(before, after []byte) bool {
	have, missing := lines(after), 0
	for _, line := range lines(before) {
		found := false
		for i := range have {
			if body(have[i]) == body(line) {
				have, found = have[i+1:], true
				break
			}
		}
		if !found {
			missing++
		}
	}
	return missing <= 1
}
