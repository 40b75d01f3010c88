package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxMatches is how many names a pattern may match, at its end or on its way there.
const maxMatches = 1 << 16

// Glob lists the paths that match a pattern, sorted, as sh(1) does: * and ? and [a-z] and [!a-z] match within one part of
// the path, and a dot at a part's beginning only matches a dot. What matches nothing is no error. A link is listed, but
// what is below it only where nobody but root can have put it there.
func (r *Root) Glob(pattern string) ([]string, error) {
	found := []string{"/"}
	parts := strings.FieldsFunc(pattern, func(c rune) bool { return c == '/' })
	for i, part := range parts {
		var next []string
		for _, directory := range found {
			names, err := r.matches(directory, part)
			if err != nil {
				return nil, fmt.Errorf("cannot look for %s: %w", pattern, err)
			}
			for _, name := range names {
				match := path.Join(directory, name)
				if i < len(parts)-1 && isPattern(part) && !r.isOwnDirectory(match) {
					continue
				}
				next = append(next, match)
			}
			if len(next) > maxMatches {
				return nil, fmt.Errorf("cannot look for %s: more than %d paths match; say more of the path", pattern, maxMatches)
			}
		}
		found = next
	}
	if len(parts) == 0 {
		return nil, nil
	}
	slices.Sort(found)
	return found, nil
}

func isPattern(part string) bool { return strings.ContainsAny(part, `*?[\`) }

// isOwnDirectory reports whether a directory is at path, or a link to one that may be followed.
func (r *Root) isOwnDirectory(path string) bool {
	info, err := r.Stat(path)
	return err == nil && info.IsDir()
}

// matches lists the names in a directory that match one part of a pattern.
func (r *Root) matches(directory, part string) ([]string, error) {
	if !isPattern(part) {
		_, err := r.Lstat(path.Join(directory, part))
		if errors.Is(err, fs.ErrNotExist) || isNoDirectory(err) {
			return nil, nil
		}
		return []string{part}, err
	}
	// In sh(1) a pattern that is none, such as "a[b", matches its own text.
	part = strings.ReplaceAll(part, "[!", "[^")
	if _, err := path.Match(part, ""); err != nil {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "[^", "[!"), "[", `\[`)
	}
	var matching []string
	err := r.at(directory, way{follow: true}, func(p *place) error {
		inside, err := p.enter(0)
		if err != nil {
			return err
		}
		defer inside.close()
		return inside.each(func(entry *place) error {
			if strings.HasPrefix(entry.name, ".") && !strings.HasPrefix(part, ".") {
				return nil
			}
			if ok, _ := path.Match(part, entry.name); ok {
				matching = append(matching, entry.name)
			}
			if len(matching) > maxMatches {
				return fmt.Errorf("more than %d names match in %s; say more of the path", maxMatches, directory)
			}
			return nil
		})
	})
	if errors.Is(err, fs.ErrNotExist) || isNoDirectory(err) {
		return nil, nil
	}
	return matching, err
}
