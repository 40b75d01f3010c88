package step

import (
	"context"
	"fmt"
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
	for _, test := range []struct {
		wait *WaitFor
		want string
	}{
		{&WaitFor{TCP: closed}, fmt.Sprintf("cannot wait for %s any longer: it did not come in time: dial tcp %s: connect: connection refused", closed, closed)},
		{&WaitFor{Command: []string{"false"}}, "cannot wait for false any longer: it did not come in time: false exited with status 1"},
		{&WaitFor{DNS: "localhost", Is: "192.0.2.1"}, "it did not come in time: it is ["},
		{&WaitFor{HTTP: "http://" + silent.Addr().String() + "/"}, "cannot wait for http://" + silent.Addr().String() + "/ any longer: it did not come in time: cannot get http://" + silent.Addr().String() + "/: context deadline exceeded"},
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
