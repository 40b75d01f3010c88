package lab

import (
	"net/http"
	"net/http/httputil"
)

// ServeMirror passes Debian's packages on to the Droplet, from wherever this machine has them. Close the server to end
// it.
func (n *Network) ServeMirror() (*http.Server, error) {
	listener, err := n.Listen(Gateway + ":80")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", MirrorName, MirrorName
	}}}
	go server.Serve(listener)
	return server, nil
}
