package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"oneclick-agent/agent/scan"
)

const root = "../.."

// seed makes the examples' random parts; a failure is repeated by the same ones.
const seed = 20261124

func TestTheProgramHasTheRulesOfTheFiles(t *testing.T) {
	t.Parallel()
	packed, err := pack(root)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(root + "/" + result)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(packed, have) {
		t.Errorf("%s is not made of the files; run: go run ./packaging/rules", result)
	}
}

func TestTheReferenceIsMadeOfTheRules(t *testing.T) {
	t.Parallel()
	all, err := rules(root)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(root + "/" + reference)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != document(all) {
		t.Errorf("%s is not made of the rules; run: go run ./packaging/rules", reference)
	}
}

var sets = map[string]string{
	"hex": "0123456789abcdef", "digit": "0123456789", "lower": "abcdefghijklmnopqrstuvwxyz", "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	"AZ2":  "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
	"az09": "abcdefghijklmnopqrstuvwxyz0123456789", "alnum": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	"url": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
	"b64": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
}

// expand puts random characters where an example says so.
func expand(random *rand.Rand, example string) string {
	return regexp.MustCompile(`\{(\w+):(\d+)\}`).ReplaceAllStringFunc(example, func(mark string) string {
		var count int
		name, number, _ := strings.Cut(strings.Trim(mark, "{}"), ":")
		fmt.Sscan(number, &count)
		set, ok := sets[name]
		if !ok {
			return mark
		}
		out := make([]byte, count)
		for i := range out {
			out[i] = set[random.IntN(len(set))]
		}
		if out[0] == '-' {
			out[0] = 'a'
		}
		if last := len(out) - 1; out[last] == '-' {
			out[last] = 'a'
		}
		return string(out)
	})
}

// found are the rules that find something in a text.
func found(t *testing.T, scanner *scan.Scanner, path, text string) (ids []string) {
	t.Helper()
	file := scan.File{Path: path, Reader: strings.NewReader(text), Report: func(f scan.Finding) { ids = append(ids, f.Rule.ID) }}
	if err := scanner.Scan(t.Context(), file, scan.NewBuffer()); err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestEveryRuleFindsItsExamplesAndNothingElse: our own rules by the examples beside them, which each must have; gitleaks'
// by texts that are made of their expressions, and by the same with a placeholder for the secret.
func TestEveryRuleFindsItsExamplesAndNothingElse(t *testing.T) {
	t.Parallel()
	all, err := rules(root)
	if err != nil {
		t.Fatal(err)
	}
	scanner := scan.New(nil)
	for _, rule := range all {
		t.Run(rule.ID, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, uint64(len(rule.Regex))))
			own := len(rule.Examples)+len(rule.Not) > 0
			if !own {
				rule.Examples, rule.Not = madeOf(t, rule, random)
			}
			if len(rule.Examples) == 0 || len(rule.Not) == 0 {
				t.Fatal("the rule has no example, or nothing that it must not find")
			}
			path := "/opt/app/settings.conf"
			if len(rule.Files) > 0 {
				path = "/etc/" + strings.ReplaceAll(rule.Files[0], "*", "x")
			}
			for range 20 {
				for _, example := range rule.Examples {
					text := expand(random, example)
					if ids := found(t, scanner, path, text); !slices.ContainsFunc(
						ids,
						func(id string) bool { return id == rule.ID || !strings.HasPrefix(id, "setting") },
					) &&
						(own || len(ids) == 0) {
						t.Fatalf("in %q are only %v", text, ids)
					}
				}
			}
			for _, not := range rule.Not {
				text := expand(random, not)
				if ids := found(t, scanner, path, text); slices.Contains(ids, rule.ID) {
					t.Errorf("%q is taken for one", text)
				}
			}
		})
	}
}

// madeOf makes texts that a rule's expression matches, and the same with the secret left out.
func madeOf(t *testing.T, rule Rule, random *rand.Rand) (examples, not []string) {
	t.Helper()
	parsed, err := syntax.Parse(rule.Regex, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	expression := regexp.MustCompile(rule.Regex)
	for range 200 {
		text := "\n" + sample(parsed.Simplify(), random) + "\n"
		low := strings.ToLower(text)
		match := expression.FindStringSubmatchIndex(text)
		if match == nil ||
			!slices.ContainsFunc(rule.Literals, func(literal string) bool { return strings.Contains(low, strings.ToLower(literal)) }) {
			continue
		}
		examples = append(examples, text)
		if len(examples) == 3 {
			break
		}
	}
	for _, literal := range rule.Literals {
		not = append(not, literal+" = your-key-here\n", "the word "+literal+" alone\n")
	}
	return examples, not
}

// sample is a text that an expression matches.
func sample(re *syntax.Regexp, random *rand.Rand) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		var printable []rune
		for i := 0; i < len(re.Rune); i += 2 {
			for r := max(' '+1, re.Rune[i]); r <= min(re.Rune[i+1], '~'); r++ {
				printable = append(printable, r)
			}
		}
		if len(printable) == 0 {
			return string(re.Rune[0])
		}
		return string(printable[random.IntN(len(printable))])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return string(sets["alnum"][random.IntN(len(sets["alnum"]))])
	case syntax.OpCapture:
		return sample(re.Sub[0], random)
	case syntax.OpConcat:
		var out strings.Builder
		for _, sub := range re.Sub {
			out.WriteString(sample(sub, random))
		}
		return out.String()
	case syntax.OpAlternate:
		return sample(re.Sub[random.IntN(len(re.Sub))], random)
	case syntax.OpQuest, syntax.OpStar:
		return ""
	case syntax.OpPlus:
		return sample(re.Sub[0], random)
	}
	return ""
}
