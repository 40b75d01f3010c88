package scan

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
)

// expand puts random characters where a planted text says so.
func expand(random *rand.Rand, text string) string {
	sets := map[string]string{
		"hex":   "0123456789abcdef",
		"digit": numbers,
		"AZ2":   capitals + "234567",
		"alnum": capitals + letters + numbers,
		"url":   capitals + letters + numbers + "-_",
		"b64":   capitals + letters + numbers + "+/",
		"sym":   capitals + letters + numbers + "!#%&*+-/:;<=>?@^_|~",
	}
	for mark, inner := range map[string]string{"{base64pem}": "-----BEGIN EC PRIVATE " +
		"KEY-----\n{b64:64}\n{b64:64}\n{b64:36}\n-----END EC PRIVATE KEY-----\n",
		"{base64env}": "#!/bin/sh\nexport TOKEN=dop_v1_{hex:64}\nexport A=b\n"} {
		if strings.Contains(text, mark) {
			text = strings.ReplaceAll(text, mark, base64.StdEncoding.EncodeToString([]byte(expand(random, inner))))
		}
	}
	return regexp.MustCompile(`\{(\w+):(\d+)\}`).ReplaceAllStringFunc(text, func(mark string) string {
		name, number, _ := strings.Cut(strings.Trim(mark, "{}"), ":")
		var count int
		fmt.Sscan(number, &count)
		out := make([]byte, count)
		for i := range out {
			out[i] = sets[name][random.IntN(len(sets[name]))]
			if i == 0 || i == count-1 {
				out[i] = letters[random.IntN(len(letters))]
			}
			if name == "AZ2" || name == "hex" || name == "digit" {
				out[i] = sets[name][random.IntN(len(sets[name]))]
			}
		}
		return string(out)
	})
}

// TestWhatPeopleLeaveIsFound plants each line of testdata/planted.txt, and holds the kind and the certainty of the finding.
func TestWhatPeopleLeaveIsFound(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/planted.txt")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(13, 13))
	scanner, planted := New(nil), 0
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if strings.HasPrefix(line, "# ") {
			continue
		}
		planted++
		for range 10 {
			text := expand(random, strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(fields[2]))
			found := find(t, scanner, strings.NewReader(text), fields[0])
			worst := ""
			for _, f := range found {
				if told := f.Rule.Group + " " + string(f.Certainty); worst == "" || told == fields[1] {
					worst = told
				}
			}
			if worst != fields[1] {
				t.Errorf("%s: in %q it is %q, and not %q", fields[0], text, worst, fields[1])
				break
			}
		}
	}
	if planted < 150 {
		t.Errorf("only %d are planted", planted)
	}
}
