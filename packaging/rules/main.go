// Command rules makes agent/scan/rules.json from the rule set of gitleaks: go run ./packaging/rules
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// source is where the rules come from; its licence (MIT) is named in packaging/copyright.
const source = "github.com/zricethezav/gitleaks/v8@v8.30.1"

// shortest is the shortest literal that the scan looks for, in bytes.
const shortest = 4

// literals replaces a rule's keywords where they are too short to look for.
var literals = map[string][]string{
	"aws-access-token":    {"AKIA", "ASIA", "ABIA", "ACCA"},
	"vault-service-token": {"hvs."},
	"sendgrid-api-token":  {`"SG.`, "'SG.", "=SG.", ":SG.", " SG.", "\nSG."},
	"jwt":                 {"eyJh", "eyJ0", "eyJr", "eyJ4", "eyJj", "eyJ6", "eyJl", "eyJp"},
	"slack-app-token":     {"xapp-"},
	"square-access-token": {"sq0atp-"},
}

// likeOthers find values that look like much else: hashes, encoded bytes, session tokens.
var likeOthers = []string{"facebook-access-token", "freemius-secret-key", "kubernetes-secret-yaml", "jwt", "clickhouse-cloud-api-secret-key",
	"artifactory-reference-token", "artifactory-api-key", "sendgrid-api-token"}

// left out because scan.Own has a sharper one, or because what they find is not a secret of an image.
var without = []string{"private-key", "generic-api-key", "curl-auth-header", "curl-auth-user", "jwt-base64", "digitalocean-access-token",
	"digitalocean-pat", "digitalocean-refresh-token", "age-secret-key", "pkcs12-file", "1password-secret-key",
	"flutterwave-public-key", "hashicorp-tf-password"}

// contextual rules find a value only by a word that stands before it.
var contextual = regexp.MustCompile(`^(\(\?i\))?\[\\w\.-\]\{0,50\}\?`)

type rule struct {
	ID         string   `json:"id"`
	What       string   `json:"what"`
	Regex      string   `json:"regex"`
	Literals   []string `json:"literals"`
	Entropy    float64  `json:"entropy,omitempty"`
	Contextual bool     `json:"contextual,omitempty"`
}

// tail is how most rules end: with what ends a value in source code.
const tail = `(?:[\x60'"\s;]|\\[nr]|$)`

// anywhere takes the boundaries of source code off a rule: in a database or a program, a value stands between any bytes.
func anywhere(regex string) string {
	if contextual.MatchString(regex) {
		return regex
	}
	regex = strings.Replace(regex, tail, `(?:[^\w-]|\\[nr]|$)`, 1)
	for _, head := range []string{"", "(?i)"} {
		if rest, ok := strings.CutPrefix(regex, head+`\b(`); ok {
			return head + "(" + rest
		}
	}
	return regex
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(1)
	}
}

func run() error {
	out, err := exec.Command("go", "mod", "download", "-json", source).Output()
	if err != nil {
		return fmt.Errorf("cannot download %s: %w", source, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(module.Dir, "config", "gitleaks.toml"))
	if err != nil {
		return err
	}
	var config struct {
		Rules []struct {
			ID, Description, Regex string
			Keywords               []string
			Entropy                float64
		}
	}
	if err := toml.Unmarshal(data, &config); err != nil {
		return err
	}
	var rules []rule
	for _, r := range config.Rules {
		words, replaced := literals[r.ID]
		if !replaced {
			words = r.Keywords
		}
		tooShort := slices.ContainsFunc(words, func(word string) bool { return len(word) < shortest && !replaced })
		if r.Regex == "" || len(words) == 0 || tooShort || slices.Contains(without, r.ID) {
			continue
		}
		what := strings.ReplaceAll(r.ID, "-", " ")
		rules = append(rules, rule{r.ID, what, anywhere(r.Regex), words, r.Entropy, contextual.MatchString(r.Regex) || slices.Contains(likeOthers, r.ID)})
	}
	encoded, err := json.MarshalIndent(map[string]any{"source": source, "licence": "MIT, Copyright (c) 2019 Zachary Rice", "rules": rules}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile("agent/scan/rules.json", append(encoded, '\n'), 0o644)
}
