package scan

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/json"
	"io"
	"path"
	"regexp"
	"strings"
	"sync"

	"oneclick-agent/agent/pattern"
)

// ruleSet is made by packaging/rules. It is compressed, so that no text of it stands in the program to be found there.
//
//go:embed rules.bin
var ruleSet []byte

// Certainty says how sure a finding is.
type Certainty string

// The certainties.
const (
	Live     Certainty = "live"     // a secret by its form: a key, a token, the password of an address
	Likely   Certainty = "likely"   // a value that looks like a secret where a secret belongs
	Possible Certainty = "possible" // it depends on what somebody meant by it: the hash of a password
)

// Rule describes one kind of secret.
type Rule struct {
	ID string // database_url
	// Group is the word that findings are accepted by: private_key, token, url_password, own_value, password,
	// default_password.
	Group    string
	What     string   // for people: private key
	Literals []string // one of these stands in every secret of the kind, in any case
	Files    []string // the names of files that the rule reads as a whole; it has no literals then
	// Contextual rules tell a secret only by what stands around it. They are tried where people write.
	Contextual bool
	Certainty  Certainty

	exact   bool // the literals' case counts
	regex   func() *regexp.Regexp
	entropy float64 // the secret's least, in bits a character
	// before and after are how many bytes around the literal may belong to the secret.
	before, after int
	// accept has the last word on what the regular expression found.
	accept func(*language, string) bool
	// look finds the secret where no regular expression can; it is told where the literal begins and ends.
	look func(s *Scanner, around look) (found sighting, ok bool)
}

// look is what stands around a literal.
type look struct {
	data       []byte
	begin, end int // of the literal
	place      place
}

// sighting is a secret that a rule's look found. Its rule is another one where the kind is told by the value.
type sighting struct {
	from, to  int
	rule      *Rule
	certainty Certainty
}

const (
	before    = 128 // how many bytes before a literal may belong to the secret, as a rule
	afterMost = 4096
)

// ruleFile is the rule set as packaging/rules writes it.
type ruleFile struct {
	Rules []struct {
		ID, Group, What, Regex, Accept string
		Literals, Files                []string
		Entropy                        float64
		Before, After                  int
		Contextual, Exact              bool
		Certainty                      Certainty
	}
	Language string
	Words    wordLists
}

// loaded is the rule set; it is read once, when the first scan begins.
var loaded = sync.OnceValue(func() *ruleFile {
	data, err := io.ReadAll(flate.NewReader(bytes.NewReader(ruleSet)))
	set := &ruleFile{}
	if err == nil {
		err = json.Unmarshal(data, set)
	}
	if err != nil {
		panic("the rule set in the program is damaged: " + err.Error())
	}
	return set
})

// words are the lists of words.
func words() *wordLists { return &loaded().Words }

// knowledge is what the scan knows: all kinds of secrets, and how people write.
type knowledge struct {
	rules    []Rule
	language *language
}

// known is what all scanners share.
var known = sync.OnceValue(func() *knowledge {
	k := &knowledge{rules: Builtin(), language: newLanguage(loaded().Language)}
	for _, r := range loaded().Rules {
		k.rules = append(k.rules, Rule{
			ID: r.ID, Group: r.Group, What: r.What, Literals: r.Literals, Files: r.Files, Contextual: r.Contextual, exact: r.Exact,
			Certainty: r.Certainty, regex: pattern.New(r.Regex), entropy: r.Entropy, before: max(r.Before, before), after: r.After,
			accept: acceptances()[r.Accept],
		})
	}
	return k
})

// acceptances are the judgements that rules name, of what their regular expressions found.
func acceptances() map[string]func(*language, string) bool {
	return map[string]func(*language, string) bool{
		"": func(_ *language, secret string) bool {
			return !isPlaceholder(secret) && entropy(secret) >= leastEntropy(secret)
		},
		"any":    func(*language, string) bool { return true },
		"mixed":  func(l *language, secret string) bool { return !isPlaceholder(secret) && l.isToken(secret) },
		"random": func(l *language, secret string) bool { return !isPlaceholder(secret) && l.isRandom(secret, 10) },
		"password": func(_ *language, secret string) bool {
			return isDefault(secret) || !isPlaceholder(secret) && !isReference(secret)
		},
		"url":    func(_ *language, secret string) bool { return !isPlaceholder(secret) && !isReference(secret) },
		"login":  func(_ *language, secret string) bool { return isLogin(secret) },
		"jwt":    func(_ *language, secret string) bool { return isPrivateJWT(secret) },
		"base64": func(_ *language, secret string) bool { return isEncodedToken(secret) },
	}
}

// leastEntropy is what a secret of a rule must have, in bits a character: one letter repeated is a placeholder.
func leastEntropy(secret string) float64 {
	if len(secret) < 20 {
		return 2
	}
	return 2.8
}

// fileRules are the rules that read whole files, by the names of the files; a name with a * is a pattern.
type fileRules struct {
	named    map[string][]*Rule
	patterns map[string][]*Rule
}

func newFileRules(rules []Rule) fileRules {
	f := fileRules{map[string][]*Rule{}, map[string][]*Rule{}}
	for i := range rules {
		for _, name := range rules[i].Files {
			into := f.named
			if strings.Contains(name, "*") {
				into = f.patterns
			}
			into[name] = append(into[name], &rules[i])
		}
	}
	return f
}

// of are the rules for a file.
func (f fileRules) of(file string) (rules []*Rule) {
	base := path.Base(file)
	below := path.Base(path.Dir(file)) + "/" + base
	rules = append(rules, f.named[base]...)
	rules = append(rules, f.named[below]...)
	for name, more := range f.patterns {
		subject := base
		if strings.Contains(name, "/") {
			subject = below
		}
		if ok, _ := path.Match(name, subject); ok {
			rules = append(rules, more...)
		}
	}
	return rules
}

// Builtin are the rules that are code: for settings, and for keys that are no text.
func Builtin() []Rule { return append(settingRules(), binaryRules()...) }
