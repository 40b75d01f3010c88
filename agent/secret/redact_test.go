package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"oneclick-agent/agent/render"
)

// odd is a password with what each format quotes in another way.
const odd = `p"a's<s>&w\o/r+d=%ü$ 1!-Zq7`

func TestWholeValuesAreRedactedInEveryUsualEncoding(t *testing.T) {
	t.Parallel()
	var r Redactor
	r.Add("odd", New(odd))
	quoted, _ := json.Marshal(odd)
	var inXML strings.Builder
	xml.EscapeText(&inXML, []byte(odd))
	shell, _ := render.Shell(odd)
	yaml, _ := render.YAML(odd)
	for name, text := range map[string]string{
		"plain": odd, "json": string(quoted), "xml": inXML.String(), "html": html.EscapeString(odd), "shell": shell, "yaml": yaml,
		"yaml, single": "'" + strings.ReplaceAll(odd, "'", "''") + "'", "go": strconv.Quote(odd), "ascii": strconv.QuoteToASCII(odd),
		"query": url.QueryEscape(odd), "path": url.PathEscape(odd), "url": url.UserPassword("user", odd).String()[len("user:"):],
		"hex": hex.EncodeToString([]byte(odd)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(odd))), "bytes": fmt.Sprintf("% x", odd),
		"shell, double": `'` + strings.ReplaceAll(odd, "'", `'"'"'`) + `'`,
	} {
		inside := strings.Trim(text, `"'`)
		if got := r.Redact("before " + inside + " after"); got != "before [secret odd] after" {
			t.Errorf("%s: %s becomes %s", name, text, got)
		}
	}
}

func TestBase64IsRedactedWhereverTheValueStandsInWhatIsEncoded(t *testing.T) {
	t.Parallel()
	for _, value := range []string{odd, "sixsix", "0123456789ab"} {
		var r Redactor
		r.Add("odd", New(value))
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
			for before := range 7 {
				for after := range 7 {
					text := encoding.EncodeToString([]byte(strings.Repeat("u", before) + value + strings.Repeat("v", after)))
					if got := r.Redact(text); !strings.Contains(got, "[secret odd]") || len(got) > len("[secret odd]")+(before+after)*4/3+8 {
						t.Errorf("%q behind %d and before %d bytes: %s becomes %s", value, before, after, text, got)
					}
				}
			}
		}
	}
}

// Parts of a long value are redacted from twelve bytes on, and shorter ones are left: they are found in any text.
func TestPartsOfTwelveBytesAreRedacted(t *testing.T) {
	t.Parallel()
	const value = "Zx81Qm0PvT4hJr92WnLc6sYbKd3GfEuA"
	var r Redactor
	r.Add("key", New(value))
	for from := range value {
		for to := from + 1; to <= len(value); to++ {
			text := "cut: " + value[from:to] + "..."
			want := text
			if to-from >= 12 {
				want = "cut: [secret key]..."
			}
			if got := r.Redact(text); got != want {
				t.Fatalf("%s becomes %s, and not %s", text, got, want)
			}
		}
	}
}

func TestShortValuesAreRedactedWholeAndOnlyWhole(t *testing.T) {
	t.Parallel()
	for length := 1; length < 12; length++ {
		value := "q7!Rt2#Lm9Z"[:length]
		var r Redactor
		r.Add("short", New(value))
		text := "it is " + value + "."
		want := text
		if length >= 3 {
			want = "it is [secret short]."
		}
		if got := r.Redact(text); got != want {
			t.Errorf("%s becomes %s", text, got)
		}
		if part := value[:length-1]; r.Redact("a part: "+part) != "a part: "+part {
			t.Errorf("a part of %s is redacted", value)
		}
	}
}

// A short value is redacted as a word or a field of its own, however it is encoded, and never inside of another word.
func TestAValueOfThreeToFiveBytesIsRedactedAsAWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"abcd":                                "[secret database password]",
		"password=abcd":                       "password=[secret database password]",
		"postgresql://app:abcd@db:5432/app":   "postgresql://app:[secret database password]@db:5432/app",
		`{"password":"abcd","user":"abcde"}`:  `{"password":"[secret database password]","user":"abcde"}`,
		"abcdef xabcd ABCD abcd_ äabcd 1abcd": "abcdef xabcd ABCD abcd_ äabcd 1abcd",
		"abcd\nabcd, (abcd)":                  "[secret database password]\n[secret database password], ([secret database password])",
		"61626364 YWJjZA== YWJjZA 661626364":  "[secret database password] [secret database password] [secret database password] 661626364",
		"abcdefghijkl! abcd":                  "[secret one]! [secret database password]",
		"p$q! is not p$q":                     "[secret odd] is not p$q",
		"so is ab":                            "so is ab",
	} {
		var r Redactor
		r.Add("database password", New("abcd"))
		r.Add("one", New("abcdefghijkl"))
		r.Add("odd", New("p$q!"))
		r.Add("two bytes", New("ab"))
		if got := r.Redact(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

// A key is redacted line by line, however it is indented, and the public key beside it, which is a part of it, is not.
func TestKeysAreRedactedAndPublicKeysAreNot(t *testing.T) {
	t.Parallel()
	store, _, _ := ensured(t)
	var r Redactor
	r.AddStore(store)
	for _, name := range []string{"ed", "rsa", "ca", "server"} {
		for field, value := range store.secrets[name] {
			text := "  " + strings.ReplaceAll(value.Reveal(), "\n", "\n  ")
			got := r.Redact(text)
			switch field {
			case "public", "ssh_public", "cert", "chain":
				if got != text {
					t.Errorf("%s.%s is redacted: %s", name, field, got)
				}
			default:
				for line := range strings.Lines(text) {
					line = strings.TrimSpace(line)
					if len(line) < 6 || strings.HasPrefix(line, "-----") || isPublic(store.secrets[name], line) {
						continue
					}
					if strings.Contains(got, line) {
						t.Errorf("%s.%s shows %s", name, field, line)
					}
				}
			}
		}
	}
}

// isPublic reports whether a line of a private key is one of the public key: the modulus of an RSA key is.
func isPublic(fields Fields, line string) bool {
	return strings.Contains(fields["public"].Reveal()+fields["ssh_public"].Reveal(), line[:min(len(line), 12)])
}

func TestThePreviousValuesOfAChangeAreRedactedToo(t *testing.T) {
	t.Parallel()
	store, m, _ := ensured(t)
	old := store.plain("plain")
	if err := store.Replace(m, []string{"plain"}, false, time.Now(), fill); err != nil {
		t.Fatal(err)
	}
	again, err := Open(store.files)
	if err != nil {
		t.Fatal(err)
	}
	var r Redactor
	r.AddStore(again)
	if got := r.Redact(old + " " + again.plain("plain")); got != "[secret plain] [secret plain]" {
		t.Errorf("they become %s", got)
	}
}

// The oracle is the definition: no part of twelve bytes of a value is left, and what is not a part of one is.
func TestRedactionAgreesWithItsDefinition(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		var r Redactor
		var values []string
		for i := range 1 + random.IntN(4) {
			values = append(values, letters(random, 6+random.IntN(30)))
			r.Add(fmt.Sprint(i), New(values[i]))
		}
		var text strings.Builder
		for range random.IntN(12) {
			value := values[random.IntN(len(values))]
			from := random.IntN(len(value))
			text.WriteString(value[from : from+random.IntN(len(value)-from+1)])
			text.WriteString(letters(random, random.IntN(4)))
		}
		got := r.Redact(text.String())
		for _, value := range values {
			for i := 0; i+min(12, len(value)) <= len(value); i++ {
				if part := value[i : i+min(12, len(value))]; strings.Contains(got, part) {
					t.Fatalf("%q is left of %q in %q, which was %q", part, value, got, text.String())
				}
			}
		}
		if r.Redact("nothing of them: 0123456789!") != "nothing of them: 0123456789!" {
			t.Fatal("what is no part of a value is redacted")
		}
	}
}

// letters are random letters of a small alphabet, so that parts repeat.
func letters(random *rand.Rand, length int) string {
	text := make([]byte, length)
	for i := range text {
		text[i] = "abc"[random.IntN(3)]
	}
	return string(text)
}

func manySecrets() *Redactor {
	r := &Redactor{}
	for i := range 50 {
		value, _ := Random()
		r.Add(fmt.Sprint(i), New(value))
	}
	return r
}

func BenchmarkPrepareFiftySecrets(b *testing.B) {
	values := manySecrets().values
	for b.Loop() {
		r := Redactor{values: values, fresh: values}
		r.Redact("a line of text")
	}
}

// BenchmarkRedactOneMegabyte compares fifty secrets in a megabyte of a log with one secret in it: the time must not
// depend on their number. The last one is the worst text there is.
func BenchmarkRedactOneMegabyte(b *testing.B) {
	log := strings.Repeat("Nov 24 10:00:00 sample app[123]: GET /index.html 200 from 203.0.113.10 in 12 ms\n", 1<<20/80)
	one := &Redactor{}
	one.Add("one", New("Zx81Qm0PvT4hJr92WnLc6sYbKd3GfEuA"))
	worst := &Redactor{}
	worst.Add("worst", New(strings.Repeat("a", 4096)))
	for name, test := range map[string]struct {
		r    *Redactor
		text string
	}{
		"1 secret": {one, log}, "50 secrets": {manySecrets(), log},
		"only secrets": {one, strings.Repeat("Zx81Qm0PvT4hJr92WnLc6sYbKd3GfEuA", 1<<15)},
		"worst":        {worst, strings.Repeat("a", 1<<20)},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(test.text)))
			for b.Loop() {
				test.r.Redact(test.text)
			}
		})
	}
}

func TestASecretWithAnEmptyLineIsRedactedLineByLine(t *testing.T) {
	t.Parallel()
	redactor := &Redactor{}
	redactor.Add("key", New("the first of them\n\nthe last of them\n"))
	if got := redactor.Redact("it says: the last of them"); got != "it says: [secret key]" {
		t.Errorf("got %q", got)
	}
}
