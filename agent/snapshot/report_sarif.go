package snapshot

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"
)

// The parts of SARIF 2.1.0 (docs.oasis-open.org/sarif) that a report needs.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID          string            `json:"id"`
		Description sarifText         `json:"shortDescription"`
		Properties  map[string]string `json:"properties"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifLogical struct {
		Name string `json:"name"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

// sarifLevels are SARIF's words for verdicts. What is unknown may be a failure, and has to be looked at like a warning.
var sarifLevels = map[Status]string{Fail: "error", Warn: "warning", Unknown: "warning", Note: "note", Pass: "none"}

// WriteSARIF prints the findings for programs that read SARIF, such as those that show them beside the code.
func (r *Report) WriteSARIF(w io.Writer, about About) error {
	run := sarifRun{
		Tool:    sarifTool{sarifDriver{Name: "oneclick-agent pre-snapshot", Version: about.Agent, Rules: []sarifRule{}}},
		Results: []sarifResult{},
	}
	number := map[string]int{}
	rule := func(id, reason string, severity Severity) int {
		if at, known := number[id]; known {
			return at
		}
		number[id] = len(run.Tool.Driver.Rules)
		run.Tool.Driver.Rules = append(
			run.Tool.Driver.Rules,
			sarifRule{id, sarifText{reason}, map[string]string{"severity": string(severity)}},
		)
		return number[id]
	}
	for _, check := range r.Checks {
		if check.Status == Pass && check.Accepted == "" {
			continue
		}
		result := sarifResult{
			RuleID:    check.ID,
			RuleIndex: rule(check.ID, check.Why, check.Severity),
			Level:     sarifLevels[check.Status],
			Message:   sarifText{strings.TrimSpace(check.Subject + ": " + check.Message)},
		}
		switch {
		case strings.HasPrefix(check.Subject, "/"):
			location := url.URL{Path: strings.TrimPrefix(check.Subject, "/")}
			result.Locations = []sarifLocation{{Physical: &sarifPhysical{sarifArtifact{location.String()}}}}
		case check.Subject != "":
			result.Locations = []sarifLocation{{Logical: []sarifLogical{{check.Subject}}}}
		}
		if check.Accepted != "" {
			result.Level, result.Suppressions = "warning", []sarifSuppression{{"external", check.Accepted}}
		}
		run.Results = append(run.Results, result)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}
