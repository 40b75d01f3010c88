// Package pattern holds regular expressions that are compiled when they are first used. Compiled where they stand,
// they would cost every start of the program a quarter of a millisecond, the message of the day included.
package pattern

import (
	"regexp"
	"sync"
)

// New returns the regular expression; it is compiled at the first call. A malformed one panics then.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
