package manifest

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"oneclick-agent/agent/problem"
)

// MaxAnswers is the largest file of answers, in bytes.
const MaxAnswers = 1 << 20

// GivenAnswer is one line of a file of answers.
type GivenAnswer struct {
	Name, Value string
	Position    problem.Position
}

// ParseAnswers reads a file of answers: a mapping of question names to words, numbers and truth values. What is wrong
// with its form is returned as problems; none of them quotes a value, which may be a password.
func ParseAnswers(data []byte, file string) ([]GivenAnswer, problem.List) {
	fail := func(line, column int, message, hint string) problem.List {
		return problem.List{{Position: problem.Position{File: file, Line: line, Column: column}, Message: message, Hint: hint}}
	}
	if len(data) > MaxAnswers {
		return nil, fail(0, 0, "is too large", "")
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fail(1, 1, "is not YAML", "write one answer a line: name: value")
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fail(top.Line, top.Column, "is not a list of answers", "write one answer a line: name: value")
	}
	var answers []GivenAnswer
	var problems problem.List
	seen := map[string]bool{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		at := problem.Position{File: file, Line: key.Line, Column: key.Column}
		switch {
		case key.Kind != yaml.ScalarNode || value.Kind != yaml.ScalarNode:
			problems = append(problems, problem.Problem{Position: at, Message: "an answer must be a single value"})
		case seen[key.Value]:
			problems = append(problems, problem.Problem{Position: at, Message: fmt.Sprintf("%q is answered twice", key.Value)})
		default:
			text := value.Value
			if value.Tag == "!!null" {
				text = ""
			}
			answers = append(answers, GivenAnswer{key.Value, text, at})
		}
		seen[key.Value] = true
	}
	return answers, problems
}
