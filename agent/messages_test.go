package agent

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// troubleshooting is where people look a message up.
const troubleshooting = "../docs/troubleshooting.md"

// message is a text of the program that a person can meet. What is filled in is "...".
type message struct{ text, place string }

// verb is what Printf fills in.
var verb = regexp.MustCompile(`%[-+# 0]*[0-9]*(\.[0-9]+)?[a-zA-Z]`)

// Every message that people can meet is explained in docs/troubleshooting.md, by itself or with its family.
func TestEveryMessageIsExplained(t *testing.T) {
	t.Parallel()
	patterns := documented(t)
	used := map[string]bool{}
	messages := messagesOf(t)
	for _, m := range messages {
		found := false
		for text, pattern := range patterns {
			if pattern.MatchString(m.text) {
				used[text], found = true, true
			}
		}
		if !found {
			t.Errorf("%s: %q is not explained in %s", m.place, m.text, troubleshooting)
		}
	}
	for text := range patterns {
		if strings.HasPrefix(text, "cannot ") && !used[text] {
			t.Errorf("%s explains %q, which nothing says any more", troubleshooting, text)
		}
	}
	if len(messages) < 250 || len(patterns) < 80 {
		t.Errorf("only %d messages and %d patterns were found: this proves little", len(messages), len(patterns))
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

// documented are the messages in the first columns of the document's tables, in which "..." stands for anything.
func documented(t *testing.T) map[string]*regexp.Regexp {
	data, err := os.ReadFile(troubleshooting)
	if err != nil {
		t.Fatal(err)
	}
	patterns := map[string]*regexp.Regexp{}
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		column, _, _ := strings.Cut(line[2:], " | ")
		for _, match := range quoted.FindAllStringSubmatch(column, -1) {
			patterns[match[1]] = regexp.MustCompile(asPattern(match[1]))
		}
	}
	return patterns
}

// asPattern makes a regular expression of a documented message. At its begin and at its end "..." stands for any words, so that
// it is about a family; inside, only for what is filled in.
func asPattern(text string) string {
	const any = "..."
	before, after := "^", "$"
	if inner, cut := strings.CutPrefix(text, any); cut {
		text, before = inner, "(?s)^.*"
	}
	if inner, cut := strings.CutSuffix(text, any); cut {
		text, after = inner, "(?s:.*)$"
	}
	filled := regexp.QuoteMeta(any)
	return before + strings.ReplaceAll(regexp.QuoteMeta(text), filled, filled+"(:"+filled+")?") + after
}

// messagesOf are the messages in the program's sources: whatever begins with "cannot", what lint reports, the words of
// status, why a database's login failed, what the wizard says to an answer, and how a command is used.
func messagesOf(t *testing.T) (messages []message) {
	for _, top := range []string{".", "../cmd/oneclick-agent"} {
		err := filepath.WalkDir(top, func(file string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && entry.Name() == "testdata" {
				return fs.SkipDir
			}
			if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			r := reader{directory: filepath.ToSlash(filepath.Dir(file))}
			ast.Inspect(parsed, func(node ast.Node) bool {
				text, ok := r.read(node)
				if text = verb.ReplaceAllString(text, "..."); ok && text != "..." {
					messages = append(messages, message{text, set.Position(node.Pos()).String()})
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return messages
}

// reader finds the messages of one file.
type reader struct {
	directory string
	// within are texts that are parts of one that was read already.
	within []ast.Node
}

// reporters are the functions by which lint reports a mistake, and which of their arguments is the message.
var reporters = map[string]int{"report": 2, "Report": 2, "reportAt": 3}

// read is the message that a node is, if it is one.
func (r *reader) read(node ast.Node) (text string, ok bool) {
	switch node := node.(type) {
	case *ast.CallExpr:
		name := called(node)
		if i, reports := reporters[name]; reports && r.directory == "manifest" && i < len(node.Args) {
			return fold(node.Args[i])
		}
		if r.directory == "firstlogin" && (name == "New" || name == "Errorf") && len(node.Args) > 0 {
			text, ok := fold(node.Args[0])
			return text, ok && text[:1] == strings.ToUpper(text[:1]) && text[0] != '%'
		}
	case *ast.CompositeLit:
		if name, is := node.Type.(*ast.Ident); is && name.Name == "LoginError" && len(node.Elts) == 3 {
			if call, is := node.Elts[1].(*ast.CallExpr); is && len(call.Args) > 0 {
				return fold(call.Args[0])
			}
			return fold(node.Elts[1])
		}
	case *ast.BinaryExpr, *ast.BasicLit:
		text, ok := fold(node.(ast.Expr))
		if !ok || slices.Contains(r.within, node) {
			return "", false
		}
		ast.Inspect(node, func(part ast.Node) bool { r.within = append(r.within, part); return true })
		words := len(strings.Fields(text))
		says := strings.HasPrefix(text, "cannot ") || strings.HasPrefix(text, "oneclick-agent: ") ||
			r.directory == "status" && words >= 4 && strings.IndexAny(text, "% ,") != 0
		return text, says
	}
	return "", false
}

// called is the name of the function that is called.
func called(call *ast.CallExpr) string {
	switch function := call.Fun.(type) {
	case *ast.SelectorExpr:
		return function.Sel.Name
	case *ast.Ident:
		return function.Name
	}
	return ""
}

// fold is a text that is written in parts; what is not written down is "...".
func fold(expression ast.Expr) (text string, ok bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil && text != ""
		}
	case *ast.BinaryExpr:
		left, ok := fold(e.X)
		right, okRight := fold(e.Y)
		if !ok {
			left = "..."
		}
		if !okRight {
			right = "..."
		}
		return left + right, e.Op == token.ADD && (ok || okRight)
	}
	return "", false
}
