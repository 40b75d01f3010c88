package lab

import (
	"encoding/json"
	"net/http"
	"sync"
)

// Metadata is the lab's stand-in for DigitalOcean's metadata service: one JSON document, as cloud-init reads it.
type Metadata struct {
	mu       sync.Mutex
	document []byte
	// Asked receives the user agent of each request, as far as somebody listens.
	Asked  chan string
	server http.Server
}

// Droplet is what the metadata service says of a Droplet.
type Droplet struct {
	ID        int
	Name      string
	PublicKey string
	// Keys are those that open it beside that one.
	Keys     []string
	UserData string
}

// ServeMetadata starts the service inside the network.
func (n *Network) ServeMetadata() (*Metadata, error) {
	listener, err := n.Listen(MetadataAddress + ":80")
	if err != nil {
		return nil, err
	}
	m := &Metadata{Asked: make(chan string, 100)}
	m.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metadata/v1.json" {
			http.NotFound(w, r)
			return
		}
		select {
		case m.Asked <- r.UserAgent():
		default:
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.Write(m.document)
	})
	go m.server.Serve(listener)
	return m, nil
}

// Close ends the service.
func (m *Metadata) Close() error { return m.server.Close() }

// Describe makes the service speak of this Droplet.
func (m *Metadata) Describe(d Droplet) error {
	type object = map[string]any
	document, err := json.Marshal(object{
		"droplet_id": d.ID, "hostname": d.Name, "region": "nyc3", "public_keys": append([]string{d.PublicKey}, d.Keys...),
		"vendor_data": "#cloud-config\ndisable_root: false\nmanage_etc_hosts: true\n", "user_data": d.UserData,
		"interfaces": object{"public": []object{{
			"ipv4":        object{"ip_address": DropletAddress, "netmask": "255.255.255.0", "gateway": Gateway},
			"anchor_ipv4": object{"ip_address": "10.17.0.9", "netmask": "255.255.0.0", "gateway": "10.17.0.1"},
			"mac":         macAddress, "type": "public",
		}}},
		"floating_ip": object{"ipv4": object{"active": false}},
		"dns":         object{"nameservers": []string{Gateway}},
		"features":    object{"dhcp_enabled": false},
	})
	for len(m.Asked) > 0 { // by another Droplet
		<-m.Asked
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.document = document
	return err
}
