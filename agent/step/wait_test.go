package step

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oneclick-agent/agent/host"
)

func machine(t *testing.T) *host.Host {
	t.Helper()
	h, err := host.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func TestAWaitEndsWhenItsConditionIsMet(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	for name, wait := range map[string]*WaitFor{
		"an address that answers well at the third try": {HTTP: server.URL},
		"a port":           {TCP: strings.TrimPrefix(server.URL, "http://")},
		"a socket":         {Unix: socket},
		"a command":        {Command: []string{"true"}},
		"a name's address": {DNS: "localhost", Is: "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := wait.Apply(ctx, machine(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAWaitTakesTheStatusesAndTheCertificateThatAreSaid(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of clients that do not trust it
	t.Cleanup(server.Close)
	for _, test := range []struct {
		wait WaitFor
		want string
	}{
		{WaitFor{Insecure: true, Status: []int{200, 401}}, ""},
		{WaitFor{Insecure: true}, "it answers with status 401"},
		{WaitFor{Insecure: true, Status: []int{403}}, "it answers with status 401"},
		{WaitFor{Status: []int{401}}, "cannot get " + server.URL + ": tls: failed to verify certificate: "},
	} {
		test.wait.HTTP = server.URL
		err := test.wait.ask(t.Context(), machine(t))
		if err == nil && test.want != "" || err != nil && (test.want == "" || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.wait, err, test.want)
		}
	}
}

// docker serves a part of Docker's API on a socket of its own. Each answer is given until the last.
func docker(t *testing.T, answers ...string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	must(t, err)
	asked := 0
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.EscapedPath() != "/containers/my%2Fapp/json" {
			t.Errorf("asked %s %s", r.Method, r.URL.EscapedPath())
		}
		answer := answers[min(asked, len(answers)-1)]
		if asked++; answer == "404" {
			w.WriteHeader(http.StatusNotFound)
		}
		io.WriteString(w, answer)
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return socket
}

func TestAWaitForAContainerEndsWhenItRunsAndIsHealthy(t *testing.T) {
	t.Parallel()
	const running = `{"State": {"Running": true, "Status": "running"}}`
	const healthy = `{"State": {"Running": true, "Health": {"Status": "healthy"}}}`
	const starting = `{"State": {"Running": true, "Status": "running", "Health": {"Status": "starting"}}}`
	for _, answers := range [][]string{{running}, {healthy}, {"404", `{"State": {"Status": "created"}}`, starting, healthy}} {
		w := &WaitFor{Container: "my/app", Docker: docker(t, answers...)}
		must(t, w.Apply(t.Context(), machine(t)))
		finds(t, machine(t), w, Met)
	}
}

func TestAContainerThatIsNotWellIsWaitedForAndToldOf(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{
		{"404", "there is no such container"},
		{"no JSON", "the answer of Docker cannot be read"},
		{`{"State": {"Running": false, "Status": "exited"}}`, "it is exited"},
		{`{"State": {"Running": true, "Health": {"Status": "unhealthy"}}}`, "it is unhealthy"},
	} {
		t.Run(test[1], func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			w := &WaitFor{Container: "my/app", Docker: docker(t, test[0])}
			finds(t, machine(t), w, Unmet)
			says(t, w.Apply(ctx, machine(t)), "cannot wait for my/app any longer: it did not come in time: "+test[1])
		})
	}
	w := &WaitFor{Container: "app", Docker: filepath.Join(t.TempDir(), "s")}
	if err := w.ask(t.Context(), machine(t)); err == nil || !strings.HasSuffix(err.Error(), "connect: no such file or directory") {
		t.Error(err)
	}
}

func TestAWaitForAUnitAsksSystemd(t *testing.T) {
	t.Parallel()
	h := machine(t)
	h.Units.Close()
	h.Units = &units{states: map[string]host.UnitState{"a.service": active, "b.service": failed}}
	finds(t, h, &WaitFor{Unit: "a.service"}, Met)
	finds(t, h, &WaitFor{Unit: "b.service"}, Unmet)
	says(t, (&WaitFor{Unit: "b.service"}).ask(t.Context(), h), "it is failed")
	says(t, (&WaitFor{DNS: "localhost", Is: "nowhere"}).ask(t.Context(), h), `"nowhere" is not an address`)
	finds(t, h, &WaitFor{DNS: "localhost"}, Met)
	finds(t, h, &WaitFor{DNS: "localhost", Is: "::ffff:127.0.0.1"}, Met)
}

func TestNothingIsWaitedForInATree(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	finds(t, h, &WaitFor{TCP: "127.0.0.1:1"}, Unknowable)
	says(t, (&WaitFor{TCP: "127.0.0.1:1"}).Apply(t.Context(), h), "nothing runs in another root directory")
}

func TestAWaitThatIsInVainSaysWhyAndEndsInTime(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	listener.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	mute := "http://" + silent.Addr().String() + "/"
	for _, test := range []struct {
		wait *WaitFor
		want string
	}{
		{&WaitFor{TCP: closed}, "cannot wait for " + closed + " any longer: it did not come in time: " +
			"dial tcp " + closed + ": connect: connection refused"},
		{&WaitFor{Command: []string{"false"}}, "cannot wait for false any longer: it did not come in time: false exited with status 1"},
		{&WaitFor{DNS: "localhost", Is: "192.0.2.1"}, "it did not come in time: it is ["},
		{&WaitFor{HTTP: mute}, "cannot wait for " + mute + " any longer: it did not come in time: " +
			"cannot get " + mute + ": context deadline exceeded"},
	} {
		t.Run(test.wait.name(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := test.wait.Apply(ctx, machine(t))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
