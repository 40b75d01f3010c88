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
	"square-access-token": {"sq0atp-"},
}

// likeOthers find values that look like much else: hashes, encoded bytes, session tokens.
var likeOthers = []string{"freemius-secret-key", "clickhouse-cloud-api-secret-key"}

// left out because own.toml has a sharper one, or because what they find is not a secret of an image.
var without = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`.*-client-id|.*-pub-key|1password-.*|1password-secret-key|age-secret-key|airtable-personnal-.*|anthropic-.*|`,
	`artifactory-.*|atlassian-.*|aws-access-token|azure-.*|cloudflare-.*|curl-auth-.*|databricks-.*|defined-.*|`,
	`digitalocean-.*|discord-.*|doppler-.*|dropbox-long-.*|dynatrace-.*|facebook-access-token|flutterwave-public-key|`,
	`gcp-.*|generic-api-key|github-.*|`,
	`gitlab-(pat|deploy-token|rrt|runner-.*|cicd-.*|ptt|feed-.*|incoming-.*|kubernetes-.*|oauth-.*|scim-.*)|grafana-.*|`,
	`harness-.*|hashicorp-.*|hashicorp-tf-password|heroku-api-key-v2|huggingface-access-token|intra42-.*|jwt.*|`,
	`kubernetes-secret-yaml|linear-api-key|lob-.*|looker-client-id|microsoft-teams-webhook|new-relic-.*|notion-.*|`,
	`npm-access-token|nuget-.*|nytimes-.*|octopus-.*|openai-.*|perplexity-.*|pkcs12-file|postman-.*|private-key|pulumi-.*|`,
	`pypi-.*|rubygems-.*|sendgrid-.*|sentry-(org|user)-.*|shopify-.*|sidekiq-sensitive-url|slack-.*|sourcegraph-.*|`,
	`stripe-.*|telegram-.*|vault-.*`,
}, "") + `)$`)

// contextual rules find a value only by a word that stands before it.
var contextual = regexp.MustCompile(`^(\(\?i\))?\[\\w\.-\]\{0,50\}\?`)

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

// fetch makes the file of gitleaks' rules from its module.
func fetch(target string) error {
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
	var all []Rule
	for _, r := range config.Rules {
		words, replaced := literals[r.ID]
		if !replaced {
			words = r.Keywords
		}
		tooShort := slices.ContainsFunc(words, func(word string) bool { return len(word) < shortest })
		if r.Regex == "" || len(words) == 0 || tooShort || without.MatchString(r.ID) {
			continue
		}
		all = append(all, Rule{
			ID: strings.ReplaceAll(r.ID, "-", "_"), What: strings.ReplaceAll(r.ID, "-", " "), Regex: anywhere(r.Regex), Literals: words,
			Entropy: r.Entropy, After: 512, Contextual: contextual.MatchString(r.Regex) || slices.Contains(likeOthers, r.ID),
		})
	}
	file := map[string]any{"source": source, "licence": "MIT, Copyright (c) 2019 Zachary Rice", "rules": all}
	encoded, err := json.MarshalIndent(file, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(target, append(encoded, '\n'), 0o644)
}
