package secret

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/bits"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/render"
)

const (
	// leastRedacted is the shortest value looked for wherever it stands, in bytes: shorter ones would be found everywhere.
	leastRedacted = 6
	// leastWord is the shortest value looked for as a word of its own, in bytes.
	leastWord = 3
	// window is the shortest part of a longer value that shows too much of it, in bytes.
	window = 12
	// partsOfOne is about how many parts there are for each byte of a value.
	partsOfOne = 16
)

// Redactor takes known secrets out of text that leaves the program: the journal, reports, the message of the day, what
// commands printed, errors. It finds a value as it is and in the encodings that programs write values in, whole or cut:
// every part of twelve bytes and more. Whoever shortens a text shortens what Redact returns, and not the other way round.
//
// All parts of twelve bytes of all forms are in one table; a part of the text is a secret's where it is in the table. What
// touches belongs together, so a longer part is found by its parts, and the time that this takes depends on the
// length of the text alone.
//
// A value of three to five bytes, as somebody else may have chosen for a database, is replaced where it stands as a word or
// a field of its own: not next to a letter, a digit or an underscore. One of one or two bytes is left: without it, no text
// could be read any more, and it is no secret.
//
// Its methods may be called by several goroutines.
type Redactor struct {
	mu sync.Mutex
	// values are what is known, by name; those that are new are not in the table yet.
	values, fresh []named
	short         []named // the forms of short values
	public        []string
	table         map[string]string // a part, and the name of the secret that it is of
	lengths       [window + 1]bool  // the lengths that parts in the table have
	begins        []uint64          // one bit for each hash of the beginning of a part: most of a text is passed by with it
	shift         int
}

type named struct{ name, value string }

// Add makes the redactor know a value.
func (r *Redactor) Add(name string, value Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := named{name, value.Reveal()}
	switch {
	case len(one.value) < leastWord || slices.Contains(r.values, one):
	case len(one.value) < leastRedacted:
		r.values = append(r.values, one)
		for _, form := range wordForms(one.value) {
			r.short = append(r.short, named{name, form})
		}
	default:
		r.values, r.fresh = append(r.values, one), append(r.fresh, one)
	}
}

// AddStore makes the redactor know everything in a store, the previous values of a change that is under way included.
func (r *Redactor) AddStore(store *Store) {
	for _, secrets := range []map[string]Fields{store.previous, store.secrets} {
		for name, fields := range secrets {
			for field, value := range fields {
				if !slices.Contains(manifest.PublicFields, field) {
					r.Add(name, value)
				} else {
					r.addPublic(value.Reveal())
				}
			}
		}
	}
}

// addPublic makes it leave what anybody may see, although a secret holds it: a private key holds the public one.
func (r *Redactor) addPublic(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.public, text) {
		r.public = append(r.public, text)
	}
}

// Redact replaces everything that shows a secret by the secret's name.
func (r *Redactor) Redact(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.values) == 0 {
		return text
	}
	r.prepare()
	if len(r.table) == 0 {
		return r.redactWords(text)
	}
	padded := append([]byte(text), make([]byte, 8)...) // so that eight bytes can be read at each place
	var out strings.Builder
	written, end := 0, 0
	for i := 0; i+leastRedacted <= len(text); i++ {
		hash := r.hash(padded[i:])
		if r.begins[hash/64]&(1<<(hash%64)) == 0 {
			continue
		}
		length, name := r.longest(text[i:])
		if length == 0 {
			continue
		}
		if i >= end { // nothing that touches it was replaced
			out.WriteString(r.redactWords(text[written:i]))
			out.WriteString("[secret " + name + "]")
		}
		end = max(end, i+length)
		written = end
	}
	rest := r.redactWords(text[written:])
	if written == 0 {
		return rest
	}
	out.WriteString(rest)
	return out.String()
}

// redactWords replaces short values that are words of their own.
func (r *Redactor) redactWords(text string) string {
	if len(r.short) == 0 {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); {
		found := slices.IndexFunc(r.short, func(one named) bool { return isWord(text, i, one.value) })
		if found < 0 {
			out.WriteByte(text[i])
			i++
			continue
		}
		out.WriteString("[secret " + r.short[found].name + "]")
		i += len(r.short[found].value)
	}
	return out.String()
}

// isWord reports whether a word stands at a place of a text by itself.
func isWord(text string, at int, word string) bool {
	end := at + len(word)
	return strings.HasPrefix(text[at:], word) &&
		!(at > 0 && inWord(text[at-1]) && inWord(word[0])) &&
		!(end < len(text) && inWord(text[end]) && inWord(word[len(word)-1]))
}

func inWord(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// wordForms are how a short value reads in what programs print, the longest first.
func wordForms(value string) []string {
	all := append(forms(value), base64.StdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)))
	all = slices.DeleteFunc(all, func(form string) bool { return len(form) < len(value) })
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(all)
}

// Writer redacts each text that is written to w, which must be a whole one.
func (r *Redactor) Writer(w io.Writer) io.Writer { return &writer{r, w} }

type writer struct {
	redactor *Redactor
	to       io.Writer
}

func (w *writer) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.to, w.redactor.Redact(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// longest is the longest part in the table that a text begins with.
func (r *Redactor) longest(text string) (length int, name string) {
	for length := min(window, len(text)); length >= leastRedacted; length-- {
		if !r.lengths[length] {
			continue
		}
		if name, ok := r.table[text[:length]]; ok {
			return length, name
		}
	}
	return 0, ""
}

// hash is where the first six bytes of at least eight have their bit.
func (r *Redactor) hash(text []byte) uint64 {
	const multiplier = 0x9e3779b97f4a7c15 // of Fibonacci hashing
	return binary.LittleEndian.Uint64(text) << 16 * multiplier >> r.shift
}

// prepare brings the table up to date.
func (r *Redactor) prepare() {
	if len(r.fresh) == 0 {
		return
	}
	if r.table == nil {
		length := 0
		for _, one := range r.fresh {
			length += len(one.value)
		}
		r.table = make(map[string]string, length*partsOfOne)
	}
	for _, one := range r.fresh {
		for _, piece := range pieces(one.value) {
			for _, form := range forms(piece) {
				r.add(one.name, form)
			}
		}
	}
	r.fresh = nil
	for _, text := range r.public {
		for i := range max(0, len(text)-window+1) {
			delete(r.table, text[i:i+window])
		}
	}
	// Every sixteenth bit is set at most.
	width := bits.Len(uint(16 * len(r.table)))
	r.begins, r.shift = make([]uint64, 1<<max(0, width-6)), 64-max(6, width)
	for part := range r.table {
		hash := r.hash(append([]byte(part), 0, 0))
		r.begins[hash/64] |= 1 << (hash % 64)
	}
}

// add puts all parts of a form into the table.
func (r *Redactor) add(name, form string) {
	length := min(window, len(form))
	if length < leastRedacted {
		return
	}
	r.lengths[length] = true
	for i := range len(form) - length + 1 {
		r.table[form[i:i+length]] = name
	}
}

// pieces are what must not show of a value: all of it; of a key its lines, without those that say what it is.
func pieces(value string) []string {
	all := []string{value}
	if strings.Contains(value, "-----BEGIN ") {
		all = nil
	}
	if !strings.Contains(value, "\n") {
		return all
	}
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "-----") {
			all = append(all, line)
		}
	}
	return all
}

// forms are how a value reads in what programs print: as it is, and quoted or encoded in the usual ways.
func forms(value string) (all []string) {
	add := func(form string) {
		if !slices.Contains(all, form) {
			all = append(all, form)
		}
	}
	add(value)
	inJSON, _ := json.Marshal(value)
	add(unquoted(string(inJSON)))
	for _, quote := range []func(any) (string, error){
		render.Shell, render.Dotenv, render.JSON, render.YAML, render.INI, render.PHP, render.Nginx, render.XML,
		asIn("mysql"), asIn("postgresql"),
	} {
		if quoted, err := quote(value); err == nil {
			add(unquoted(quoted))
		}
	}
	for _, quoted := range []string{
		strconv.Quote(value), strconv.QuoteToASCII(value), render.JavaScript(value),
		html.EscapeString(value), strings.ReplaceAll(value, "'", "''"), strings.ReplaceAll(value, "'", `'"'"'`),
		url.QueryEscape(value), url.PathEscape(value), url.UserPassword("", value).String()[1:],
	} {
		add(unquoted(quoted))
	}
	for _, format := range []string{"%x", "%X", "% x", "% X"} {
		add(fmt.Sprintf(format, value))
	}
	for _, digits := range []string{"% x", "% X"} { // as in an address where every byte is escaped
		add("%" + strings.ReplaceAll(fmt.Sprintf(digits, value), " ", "%"))
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			add(aligned(encoding, value, before))
		}
	}
	return all
}

// asIn quotes as the SQL of an engine does.
func asIn(engine string) func(any) (string, error) {
	return func(value any) (string, error) { return render.SQL(value, engine) }
}

// unquoted takes off the quotes around a value.
func unquoted(text string) string {
	if n := len(text); n >= 2 && text[0] == text[n-1] && strings.IndexByte(`"'`, text[0]) >= 0 {
		return text[1 : n-1]
	}
	return text
}

// aligned is what base64 makes of a value behind so many other bytes of a group of three, as far as the value alone decides.
func aligned(encoding *base64.Encoding, value string, before int) string {
	encoded := encoding.EncodeToString(append(make([]byte, before), value...))
	return encoded[(8*before+5)/6 : (8*(before+len(value)))/6]
}
