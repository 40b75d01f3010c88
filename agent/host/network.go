package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// maxBody is the most of an HTTP answer that is read, in bytes.
const maxBody = 1 << 20

// Get fetches a URL without a proxy and without following redirects, and returns the status and at most 1 MiB
// of the body. The deadline is ctx's.
func (h *Host) Get(ctx context.Context, address string) (status int, body []byte, err error) {
	return get(ctx, address, nil)
}

// GetUnix fetches a path over a UNIX socket of the tree, as Docker's API is served.
func (h *Host) GetUnix(ctx context.Context, socket, path string) (status int, body []byte, err error) {
	return get(ctx, "http://localhost"+path, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	})
}

func get(ctx context.Context, address string, dial func(context.Context, string, string) (net.Conn, error)) (int, []byte, error) {
	fail := func(err error) (int, []byte, error) {
		var urlError *url.Error
		if errors.As(err, &urlError) {
			err = urlError.Err
		}
		return 0, nil, fmt.Errorf("cannot get %s: %w", address, err)
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: dial, ResponseHeaderTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fail(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fail(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return fail(err)
	}
	return response.StatusCode, body, nil
}

// Dial opens and closes a connection: it answers whether something listens.
func (h *Host) Dial(ctx context.Context, network, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Lookup resolves a name to its addresses.
func (h *Host) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, err
}
