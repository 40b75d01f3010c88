// Command rules makes the rule set of the secret scan, agent/scan/rules.bin: go run ./packaging/rules
//
// It is made of own.toml, of gitleaks.json, of words.toml, and of language.txt: how likely one character follows another in
// what people write. With -fetch, gitleaks.json is made anew from gitleaks itself, and with -language, language.txt. In the program
// the rules are compressed, so that none of their texts stands in it for others, or itself, to find.
package main

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

const (
	ownRules  = "packaging/rules/own.toml"
	gitleaks  = "packaging/rules/gitleaks.json"
	wordLists = "packaging/rules/words.toml"
	languages = "packaging/rules/language.txt"
	reference = "docs/secret-scan.md"
	result    = "agent/scan/rules.bin"
)

// Rule is a rule as the program reads it, and what it must find and must not.
type Rule struct {
	ID         string   `json:"id" toml:"id"`
	Group      string   `json:"group" toml:"group"`
	What       string   `json:"what" toml:"what"`
	Literals   []string `json:"literals,omitempty" toml:"literals"`
	Files      []string `json:"files,omitempty" toml:"files"`
	Regex      string   `json:"regex" toml:"regex"`
	Entropy    float64  `json:"entropy,omitempty" toml:"entropy"`
	Before     int      `json:"before,omitempty" toml:"before"`
	After      int      `json:"after,omitempty" toml:"after"`
	Contextual bool     `json:"contextual,omitempty" toml:"contextual"`
	Certainty  string   `json:"certainty,omitempty" toml:"certainty"`
	// Exact says that the literals stand in a secret as they are written here, capitals and all.
	Exact    bool     `json:"exact,omitempty" toml:"-"`
	Accept   string   `json:"accept,omitempty" toml:"accept"`
	Examples []string `json:"-" toml:"examples"`
	Not      []string `json:"-" toml:"not"`
}

// set is what the program has.
type set struct {
	Rules    []Rule              `json:"rules"`
	Language string              `json:"language"`
	Words    map[string][]string `json:"words"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	for _, argument := range arguments {
		anew := map[string]func() error{
			"-fetch": func() error { return fetch(gitleaks) }, "-language": func() error { return language(languages) },
		}[argument]
		if anew == nil {
			return fmt.Errorf("cannot make sense of %q: there are -fetch and -language", argument)
		}
		if err := anew(); err != nil {
			return err
		}
	}
	packed, err := pack(".")
	if err != nil {
		return err
	}
	all, err := rules(".")
	if err != nil {
		return err
	}
	if err := os.WriteFile(reference, []byte(document(all)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(result, packed, 0o644)
}

// pack makes the rule set from the files below a directory.
func pack(directory string) ([]byte, error) {
	all, err := rules(directory)
	if err != nil {
		return nil, err
	}
	language, err := os.ReadFile(filepath.Join(directory, languages))
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(directory, wordLists))
	if err != nil {
		return nil, err
	}
	var words map[string][]string
	if err := toml.Unmarshal(data, &words); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", wordLists, err)
	}
	encoded, err := json.Marshal(set{all, string(bytes.TrimSpace(language)), words})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	writer, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(encoded); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// rules are our own, then gitleaks'.
func rules(directory string) ([]Rule, error) {
	data, err := os.ReadFile(filepath.Join(directory, ownRules))
	if err != nil {
		return nil, err
	}
	var own struct {
		Rule []Rule `toml:"rule"`
	}
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&own); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", ownRules, err)
	}
	data, err = os.ReadFile(filepath.Join(directory, gitleaks))
	if err != nil {
		return nil, err
	}
	var theirs struct{ Rules []Rule }
	if err := json.Unmarshal(data, &theirs); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", gitleaks, err)
	}
	for i := range own.Rule {
		own.Rule[i].Exact = !strings.Contains(own.Rule[i].Regex, "(?i")
	}
	all := append(own.Rule, theirs.Rules...)
	for i := range all {
		r := &all[i]
		if r.Group == "" {
			r.Group = "token"
		}
		if r.After == 0 {
			r.After = 256
		}
		if r.Certainty == "" {
			r.Certainty = "live"
			if r.Contextual {
				r.Certainty = "likely"
			}
		}
	}
	return all, nil
}
