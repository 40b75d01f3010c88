package firstlogin

import (
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"oneclick-agent/agent/manifest"
)

const (
	maxAnswer          = 4096 // characters, where the manifest says nothing
	shortestPassword   = 8    // characters, where the manifest says nothing
	longestDomain      = 253
	platformDomain     = ".ondigitalocean.app"
	documentationNames = "example."
)

// Validate turns what was entered into the answer that is kept, or says what is wrong with it.
func Validate(q manifest.Question, entered string, options []string) (string, error) {
	if !utf8.ValidString(entered) || strings.ContainsFunc(entered, untypable) {
		return "", errors.New("The answer holds characters that cannot be typed. Enter plain text.")
	}
	answer := entered
	if q.Type != "password" {
		answer = strings.TrimSpace(entered)
	}
	if answer == "" {
		if q.Optional {
			return "", nil
		}
		return "", errors.New("An answer is needed here.")
	}
	answer, err := validateType(q, answer, options)
	if err != nil {
		return "", err
	}
	if q.Pattern != "" {
		pattern, err := regexp.Compile(`^(?:` + q.Pattern + `)$`)
		if err != nil || !pattern.MatchString(answer) {
			return "", fmt.Errorf("The answer does not have the form that is wanted here (%s).", q.Pattern)
		}
	}
	return answer, nil
}

// untypable tells control characters; they would do something to the terminal or the file that they end in.
func untypable(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }

func validateType(q manifest.Question, answer string, options []string) (string, error) {
	switch q.Type {
	case "domain":
		return validateDomain(answer)
	case "email":
		return validateEmail(answer)
	case "url":
		return validateURL(answer)
	case "number":
		return validateNumber(q, answer)
	case "confirm":
		switch strings.ToLower(answer) {
		case "yes", "y", "true":
			return "true", nil
		case "no", "n", "false":
			if q.MustBeYes {
				return "", errors.New("It goes on only with yes.")
			}
			return "false", nil
		}
		return "", errors.New("Answer yes or no.")
	case "choice":
		if !slices.Contains(options, answer) {
			return "", fmt.Errorf("That is not one of the choices: %s.", strings.Join(options, ", "))
		}
		return answer, nil
	}
	return validateLength(q, answer)
}

func validateLength(q manifest.Question, answer string) (string, error) {
	least, most, length := q.Min, q.Max, utf8.RuneCountInString(answer)
	if least == 0 && q.Type == "password" {
		least = shortestPassword
	}
	if most == 0 {
		most = maxAnswer
	}
	if length < least {
		return "", fmt.Errorf("That is too short: it has %d characters and needs at least %d.", length, least)
	}
	if length > most {
		return "", fmt.Errorf("That is too long: it has %d characters and may have %d.", length, most)
	}
	return answer, nil
}

func validateNumber(q manifest.Question, answer string) (string, error) {
	number, err := strconv.Atoi(answer)
	if err != nil {
		return "", errors.New("That is not a whole number.")
	}
	if number < q.Min {
		return "", fmt.Errorf("That is too small: the least is %d.", q.Min)
	}
	if q.Max > 0 && number > q.Max {
		return "", fmt.Errorf("That is too large: the most is %d.", q.Max)
	}
	return strconv.Itoa(number), nil
}

func validateDomain(answer string) (string, error) {
	if strings.Contains(answer, "://") || strings.ContainsAny(answer, "/:@ ") {
		return "", errors.New("Enter the name alone, without http://, a port or a path: shop.example.org")
	}
	if _, err := netip.ParseAddr(answer); err == nil {
		return "", errors.New("That is an IP address. Enter a domain name: shop.example.org")
	}
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(answer, "."))
	switch {
	case err != nil || len(name) > longestDomain:
		return "", errors.New("That is not a domain name. Use letters, digits, - and dots: shop.example.org")
	case !strings.Contains(name, "."):
		return "", errors.New("That name has no ending. Enter the whole name: shop.example.org")
	case strings.HasPrefix(name, documentationNames) || strings.HasSuffix(name, ".example") || strings.HasSuffix(name, ".test") ||
		strings.HasSuffix(name, ".invalid"):
		return "", errors.New("That name is only for examples. Enter a name that is yours.")
	case strings.HasSuffix(name, platformDomain):
		return "", errors.New("Names under ondigitalocean.app belong to App Platform. Enter a name that is yours.")
	}
	return name, nil
}

func validateEmail(answer string) (string, error) {
	wrong := errors.New("That is not an email address: name@example.org")
	parsed, err := mail.ParseAddress(answer)
	if err != nil || parsed.Address != answer || parsed.Name != "" {
		return "", wrong
	}
	_, domain, _ := strings.Cut(answer, "@")
	if name, err := idna.Lookup.ToASCII(domain); err != nil || !strings.Contains(name, ".") {
		return "", wrong
	}
	return answer, nil
}

func validateURL(answer string) (string, error) {
	parsed, err := url.Parse(answer)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "" {
		return "", errors.New("That is not an address of the web: https://shop.example.org")
	}
	return answer, nil
}
