package firstlogin

import (
	"testing"

	"oneclick-agent/agent/manifest"
)

func TestAnswersAreTakenOrTheirFaultIsSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		q             manifest.Question
		entered, want string
		problem       string
	}{
		{manifest.Question{}, "  A garden ", "A garden", ""},
		{manifest.Question{}, "", "", "An answer is needed here."},
		{manifest.Question{Optional: true}, " ", "", ""},
		{manifest.Question{}, "a\x1b[2Jb", "", "The answer holds characters that cannot be typed. Enter plain text."},
		{manifest.Question{}, "a\u009bb", "", "The answer holds characters that cannot be typed. Enter plain text."},
		{manifest.Question{Min: 3}, "ab", "", "That is too short: it has 2 characters and needs at least 3."},
		{manifest.Question{Max: 3}, "äöüß", "", "That is too long: it has 4 characters and may have 3."},
		{manifest.Question{Pattern: "[a-z]+"}, "abc1", "", "The answer does not have the form that is wanted here ([a-z]+)."},
		{manifest.Question{Type: "password"}, " spaces kept ", " spaces kept ", ""},
		{manifest.Question{Type: "password"}, "seven77", "", "That is too short: it has 7 characters and needs at least 8."},
		{manifest.Question{Type: "number", Min: 1, Max: 10}, "11", "", "That is too large: the most is 10."},
		{manifest.Question{Type: "number", Min: 1}, "0", "", "That is too small: the least is 1."},
		{manifest.Question{Type: "number"}, "07", "7", ""},
		{manifest.Question{Type: "number"}, "many", "", "That is not a whole number."},
		{manifest.Question{Type: "confirm"}, "Yes", "true", ""},
		{manifest.Question{Type: "confirm"}, "maybe", "", "Answer yes or no."},
		{manifest.Question{Type: "choice"}, "pro", "pro", ""},
		{manifest.Question{Type: "choice"}, "free", "", "That is not one of the choices: community, pro."},
		{manifest.Question{Type: "domain"}, "Shop.Example.ORG.", "shop.example.org", ""},
		{manifest.Question{Type: "domain"}, "bücher.de", "xn--bcher-kva.de", ""},
		{manifest.Question{Type: "domain"}, "https://shop.example.org", "", "Enter the name alone, without http://, a port or a path: " +
			"shop.example.org"},
		{manifest.Question{Type: "domain"}, "203.0.113.10", "", "That is an IP address. Enter a domain name: shop.example.org"},
		{manifest.Question{Type: "domain"}, "shop", "", "That name has no ending. Enter the whole name: shop.example.org"},
		{manifest.Question{Type: "domain"}, "-a.org", "", "That is not a domain name. Use letters, digits, - and dots: shop.example.org"},
		{manifest.Question{Type: "domain"}, "example.com", "", "That name is only for examples. Enter a name that is yours."},
		{manifest.Question{Type: "domain"}, "x.ondigitalocean.app", "", "Names under ondigitalocean.app belong to App Platform. Enter a " +
			"name that is yours."},
		{manifest.Question{Type: "email"}, "rose@example.org", "rose@example.org", ""},
		{manifest.Question{Type: "email"}, "Rose <rose@example.org>", "", "That is not an email address: name@example.org"},
		{manifest.Question{Type: "email"}, "rose@localhost", "", "That is not an email address: name@example.org"},
		{manifest.Question{Type: "url"}, "https://shop.example.org/x", "https://shop.example.org/x", ""},
		{manifest.Question{Type: "confirm", MustBeYes: true}, "yes", "true", ""},
		{manifest.Question{Type: "confirm", MustBeYes: true}, "n", "", "It goes on only with yes."},
		{manifest.Question{Type: "url"}, "javascript:alert(1)", "", "That is not an address of the web: https://shop.example.org"},
	} {
		got, err := Validate(test.q, test.entered, []string{"community", "pro"})
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if got != test.want || problem != test.problem {
			t.Errorf("%s %q: got %q, %q; want %q, %q", test.q.Type, test.entered, got, problem, test.want, test.problem)
		}
	}
}
