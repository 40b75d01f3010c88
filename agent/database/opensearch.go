package database

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"

	"oneclick-agent/agent/host"
)

type openSearch struct {
	c      Connection
	client http.Client
}

func openOpenSearch(h *host.Host, c Connection, config *tls.Config) session {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, h) }
	return &openSearch{c, http.Client{
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: config, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (o *openSearch) close() { o.client.CloseIdleConnections() }

func (o *openSearch) version(ctx context.Context) (string, error) {
	scheme := "https://"
	if o.c.Local() {
		scheme = "http://"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+o.c.address()+"/", nil)
	if err != nil {
		return "", err
	}
	request.SetBasicAuth(o.c.User, o.c.Password.Reveal())
	response, err := o.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return "", o.c.wrongPassword()
	case http.StatusTooManyRequests:
		return "", o.c.full()
	case http.StatusServiceUnavailable:
		return "", o.c.starting()
	default:
		return "", o.c.strange(response.StatusCode, "the OpenSearch documentation")
	}
	var answer struct {
		Version struct{ Distribution, Number string }
	}
	const most = 1 << 20
	if err := json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&answer); err != nil || answer.Version.Number == "" {
		return "", o.c.strange("an answer that is not OpenSearch's", "db_host and db_port in "+CredentialsPath)
	}
	product := "OpenSearch "
	if answer.Version.Distribution == "" {
		product = "Elasticsearch "
	}
	return product + answer.Version.Number, nil
}
