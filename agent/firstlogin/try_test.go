package firstlogin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/manifest"
)

// liveSetup is this machine as a Droplet with these public addresses, told by a metadata service on loopback.
func liveSetup(t *testing.T, ipv4 string) *facts.Facts {
	t.Helper()
	return liveSetupOf(t, ipv4, "version: 1\napp: {name: Sample}\n")
}

// liveSetupOf is the same with a manifest.
func liveSetupOf(t *testing.T, ipv4, text string) *facts.Facts {
	t.Helper()
	h, err := host.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"droplet_id": 1, "interfaces": {"public": [{"ipv4": {"ip_address": %q}}]}}`, ipv4)
	}))
	t.Cleanup(metadata.Close)
	m, problems := lint.Parse([]byte(text), "app.yaml")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	setup, err := facts.Gather(t.Context(), h, m, "/etc/oneclick/app.yaml", metadata.URL)
	if err != nil {
		t.Fatal(err)
	}
	return setup
}

// TestADomainIsComparedWithTheDroplet asks this machine's own resolver, about the one name that every machine knows.
func TestADomainIsComparedWithTheDroplet(t *testing.T) {
	t.Parallel()
	for ipv4, want := range map[string]string{
		"127.0.0.1":    "",
		"203.0.113.10": "localhost leads to 127.0.0.1, and this Droplet is 203.0.113.10.",
	} {
		got := Try(t.Context(), liveSetup(t, ipv4), manifest.Question{Type: "domain"}, "localhost")
		got = strings.ReplaceAll(got, ", ::1", "") // where the machine has IPv6
		got = strings.ReplaceAll(
			got,
			"localhost leads here, but its IPv6 record leads to ::1: browsers and certificate authorities prefer that one. Correct or remove it.",
			"",
		)
		if got != want {
			t.Errorf("on a Droplet at %s: %q, want %q", ipv4, got, want)
		}
	}
}

// TestAKeyIsTriedOut asks a real server with the answer in a header.
func TestAKeyIsTriedOut(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") {
		case "Bearer right":
		case "Bearer broken":
			w.WriteHeader(500)
		default:
			w.WriteHeader(401)
		}
	}))
	defer server.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	setup := liveSetup(t, "203.0.113.10")
	for _, test := range []struct{ address, key, want string }{
		{server.URL, "right", ""},
		{server.URL, "wrong", "does not accept it (status 401)."},
		{server.URL, "broken", "answered with status 500."},
		{gone.URL, "right", "could not be asked whether the answer is right."},
	} {
		q := manifest.Question{
			Type: "secret",
			Check: &manifest.Check{
				HTTP:   manifest.Template{Text: test.address, For: manifest.Address},
				Header: manifest.Template{Text: "Authorization: Bearer {{ .value }}", For: manifest.Header},
			},
		}
		want := test.want
		if want != "" {
			want = strings.TrimPrefix(test.address, "http://") + " " + want
		}
		if got := Try(t.Context(), setup, q, test.key); got != want {
			t.Errorf("%s: %q, want %q", test.key, got, want)
		}
	}
}

// The command that lists choices is a real one: it sees earlier answers, and its arguments hold none.
func TestChoicesAreListedWithEarlierAnswers(t *testing.T) {
	t.Parallel()
	s := liveSetupOf(t, "203.0.113.10", `version: 1
app: {name: Sample}
first_login:
  questions:
    - {name: region, ask: Region}
    - name: size
      ask: Size
      type: choice
      options_from: [sh, -c, 'printf "%s\n" "$REGION-small" "$(cat)"']
      options_stdin: "large for {{ .answers.region }}"
      options_env: {REGION: "{{ .answers.region }}"}
`)
	s.Answers.Values = map[string]string{"region": "nyc"}
	got, err := Options(t.Context(), s, s.Manifest.FirstLogin.Questions[1])
	if want := "[nyc-small large for nyc]"; fmt.Sprint(got) != want || err != nil {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
}
