package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// corpus is where people's words are read: settings and documents of Debian's packages, fetched by
// packaging/fetch-server-packages.
const corpus = "build/testdata/server-packages"

const (
	mostCorpus  = 1 << 20 // bytes of one file
	symbols     = 59      // see symbol
	unit        = 6.0     // a step of the table, in parts of a nat
	digitsAfter = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"
)

// symbol numbers the characters of a word: letters one by one, the others by their kind.
func symbol(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a')
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 26
	case c >= '0' && c <= '9':
		return 52
	case strings.IndexByte("_-./", c) >= 0:
		return 53 + strings.IndexByte("_-./", c)
	}
	return 57
}

const boundary = 58

func endsWord(r rune) bool {
	return strings.ContainsRune("\"'=:;,()[]{}<>#*|`$&!?\\+~^@%", r) || r > '~'
}

// language makes the table of how seldom one character follows another in what people write: a digit for each pair.
func language(target string) error {
	files := map[string]int{} // a word to how many files have it
	err := filepath.WalkDir(corpus, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(name, ".svg") {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil || len(data) > mostCorpus || !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
			return err
		}
		seen := map[string]bool{}
		words := bufio.NewScanner(bytes.NewReader(data))
		words.Buffer(nil, mostCorpus)
		for words.Split(bufio.ScanWords); words.Scan(); {
			for word := range strings.FieldsFuncSeq(words.Text(), endsWord) {
				word = strings.Trim(word, ".-_/")
				if len(word) >= 3 && len(word) <= 40 && !seen[word] {
					seen[word] = true
					files[word]++
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var counts [symbols][symbols]float64
	for word, n := range files {
		if n < 3 {
			continue
		}
		last := boundary
		for i := range len(word) {
			now := symbol(word[i])
			counts[last][now]++
			last = now
		}
		counts[last][boundary]++
	}
	var out strings.Builder
	for _, row := range counts {
		total := 0.0
		for _, n := range row {
			total += n + 0.5
		}
		for _, n := range row {
			out.WriteByte(digitsAfter[min(len(digitsAfter)-1, int(math.Round(-math.Log((n+0.5)/total)*unit)))])
		}
		out.WriteByte('\n')
	}
	return os.WriteFile(target, []byte(out.String()), 0o644)
}
