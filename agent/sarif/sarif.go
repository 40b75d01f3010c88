// Package sarif writes findings for programs that read SARIF 2.1.0 (docs.oasis-open.org/sarif), such as those that show them
// beside the code.
package sarif

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"strings"
)

// Result is one finding.
type Result struct {
	// Rule is the finding's kind, Why what that kind is about, and Severity how grave it is by our own words, "" for none.
	Rule, Why, Severity string
	// Level is error, warning, note or none.
	Level   string
	Message string
	// File is where it is, a path, with a line and a column that count from 1, 0 where it is all of it. Name is what it is about
	// where it is no file.
	File         string
	Line, Column int
	Name         string
	// Accepted is why somebody lets it be, "" where nobody does.
	Accepted string
}

type (
	object = map[string]any
	list   = []any
)

// Write writes the findings of a tool.
func Write(w io.Writer, tool, version string, results []Result) error {
	rules, number, written := list{}, map[string]int{}, list{}
	for _, r := range results {
		if _, known := number[r.Rule]; !known {
			number[r.Rule] = len(rules)
			rule := object{"id": r.Rule, "shortDescription": object{"text": r.Why}}
			if r.Severity != "" {
				rule["properties"] = object{"severity": r.Severity}
			}
			rules = append(rules, rule)
		}
		written = append(written, r.object(number[r.Rule]))
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": list{object{
			"tool":    object{"driver": object{"name": tool, "version": version, "rules": rules}},
			"results": written,
		}},
	})
}

func (r Result) object(rule int) object {
	result := object{"ruleId": r.Rule, "ruleIndex": rule, "level": r.Level, "message": object{"text": r.Message}}
	switch {
	case r.File != "":
		address := url.URL{Path: strings.TrimPrefix(r.File, "/")}
		place := object{"artifactLocation": object{"uri": address.String()}}
		if r.Line > 0 {
			place["region"] = object{"startLine": r.Line, "startColumn": cmp.Or(r.Column, 1)}
		}
		result["locations"] = list{object{"physicalLocation": place}}
	case r.Name != "":
		result["locations"] = list{object{"logicalLocations": list{object{"name": r.Name}}}}
	}
	if r.Accepted != "" {
		result["suppressions"] = list{object{"kind": "external", "justification": r.Accepted}}
	}
	return result
}
