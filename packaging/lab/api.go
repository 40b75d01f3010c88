package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/digitalocean/godo"
)

const (
	// APIAddress is where the lab's API answers, for what runs in its network.
	APIAddress = "http://" + Gateway + ":8080"
	apiListens = Gateway + ":8080"
	maxRequest = 1 << 20
)

// API answers as DigitalOcean's does, as far as Packer and publish ask: keys, one Droplet at a time, its actions and its snapshots, and
// the Vendor Portal. A Droplet is a machine of the lab, and a snapshot a disk that it boots.
type API struct {
	lab   *Lab
	image Build
	// ctx is as long as the API: its Droplets end with it.
	ctx    context.Context
	server http.Server

	mu        sync.Mutex
	number    int
	keys      map[int]string
	droplet   *apiDroplet
	actions   map[int]*godo.Action
	snapshots []APISnapshot
	submitted []string
}

type apiDroplet struct {
	godo.Droplet
	machine *Machine
	disk    string
}

// APISnapshot is a snapshot that somebody asked the API for.
type APISnapshot struct {
	ID    int
	Name  string
	Build Build
}

// ServeAPI starts the API; every Droplet begins as this image, whatever image is asked for.
func (l *Lab) ServeAPI(ctx context.Context, image Build) (*API, error) {
	listener, err := l.Network.Listen(apiListens)
	if err != nil {
		return nil, err
	}
	a := &API{lab: l, image: image, ctx: ctx, number: 1000, keys: map[int]string{}, actions: map[int]*godo.Action{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/account/keys", a.addKey)
	mux.HandleFunc("DELETE /v2/account/keys/{id}", a.removeKey)
	mux.HandleFunc("POST /v2/droplets", a.create)
	mux.HandleFunc("GET /v2/droplets/{id}", a.show)
	mux.HandleFunc("DELETE /v2/droplets/{id}", a.destroy)
	mux.HandleFunc("POST /v2/droplets/{id}/actions", a.act)
	mux.HandleFunc("GET /v2/droplets/{id}/actions/{action}", a.showAction)
	mux.HandleFunc("GET /v2/droplets/{id}/snapshots", a.listSnapshots)
	mux.HandleFunc("PATCH /api/v1/vendor-portal/apps/{app}", a.submit)
	a.server.Handler = mux
	go a.server.Serve(listener)
	return a, nil
}

// Close ends the API and its Droplet.
func (a *API) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.droplet != nil {
		a.droplet.machine.CutPower()
	}
	return a.server.Close()
}

// Snapshots are those that were taken, and Submissions what the Vendor Portal got.
func (a *API) Snapshots() []APISnapshot {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.snapshots
}

// Submissions are the bodies that the Vendor Portal got, each behind its app's id.
func (a *API) Submissions() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.submitted
}

func (a *API) next() int {
	a.number++
	return a.number
}

// answer writes one document, as the API does.
func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(document)
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"id": http.StatusText(status), "message": message})
}

// read reads a request's document.
func readRequest(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(into)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
	}
	return err == nil
}

func (a *API) addKey(w http.ResponseWriter, r *http.Request) {
	var asked godo.KeyCreateRequest
	if !readRequest(w, r, &asked) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	id := a.next()
	a.keys[id] = asked.PublicKey
	answer(w, http.StatusCreated, map[string]any{"ssh_key": godo.Key{ID: id, Name: asked.Name, PublicKey: asked.PublicKey}})
}

func (a *API) removeKey(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, _ := strconv.Atoi(r.PathValue("id")) // no key has the number 0
	delete(a.keys, id)
	w.WriteHeader(http.StatusNoContent)
}

// create boots a Droplet of the image.
func (a *API) create(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Name, Region, Size string
		Keys               []int `json:"ssh_keys"`
	}
	if !readRequest(w, r, &asked) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.droplet != nil {
		refuse(w, http.StatusForbidden, "the lab has one Droplet at a time")
		return
	}
	var keys []string
	for _, id := range asked.Keys {
		keys = append(keys, a.keys[id])
	}
	id := a.next()
	disk, err := a.lab.Overlay(a.ctx, a.image, fmt.Sprintf("api-%d", id))
	var machine *Machine
	if err == nil {
		machine, err = a.lab.Boot(a.ctx, a.image, disk, Droplet{ID: id, Name: asked.Name, Keys: keys})
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	a.droplet = &apiDroplet{machine: machine, disk: disk, Droplet: godo.Droplet{
		ID: id, Name: asked.Name, SizeSlug: asked.Size, Region: &godo.Region{Slug: asked.Region},
		Networks: &godo.Networks{V4: []godo.NetworkV4{{IPAddress: DropletAddress, Netmask: "255.255.255.0", Gateway: Gateway, Type: "public"}}},
	}}
	answer(w, http.StatusAccepted, map[string]any{"droplet": a.state(), "links": map[string]any{}})
}

// state is the Droplet as it is now.
func (a *API) state() godo.Droplet {
	d := a.droplet.Droplet
	d.Status = "active"
	select {
	case <-a.droplet.machine.ended:
		d.Status = "off"
	default:
	}
	return d
}

// with uses the Droplet that a request is about.
func (a *API) with(w http.ResponseWriter, r *http.Request, use func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.droplet == nil || strconv.Itoa(a.droplet.ID) != r.PathValue("id") {
		refuse(w, http.StatusNotFound, "there is no such Droplet")
		return
	}
	use()
}

func (a *API) show(w http.ResponseWriter, r *http.Request) {
	a.with(w, r, func() { answer(w, http.StatusOK, map[string]any{"droplet": a.state()}) })
}

func (a *API) destroy(w http.ResponseWriter, r *http.Request) {
	a.with(w, r, func() {
		a.droplet.machine.CutPower()
		a.droplet = nil
		w.WriteHeader(http.StatusNoContent)
	})
}

// act begins an action; it goes on behind the answer, as all of them do.
func (a *API) act(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Type, Name string }
	if !readRequest(w, r, &asked) {
		return
	}
	a.with(w, r, func() {
		action := &godo.Action{ID: a.next(), Status: godo.ActionInProgress, Type: asked.Type, ResourceID: a.droplet.ID, ResourceType: "droplet"}
		action.StartedAt = &godo.Timestamp{Time: time.Now()}
		a.actions[action.ID] = action
		go a.carryOut(action.ID, asked.Type, asked.Name, a.droplet)
		answer(w, http.StatusCreated, map[string]any{"action": *action})
	})
}

func (a *API) carryOut(id int, kind, name string, d *apiDroplet) {
	var err error
	switch kind {
	case "shutdown":
		err = d.machine.PressPower(a.ctx)
	case "power_off":
		d.machine.CutPower()
	case "snapshot":
		err = a.snapshot(d, name)
	default:
		err = fmt.Errorf("the lab has no action %q", kind)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.actions[id].Status = godo.ActionCompleted
	if err != nil {
		a.actions[id].Status = "errored"
	}
}

// snapshot keeps what the Droplet's disk has as a disk to begin with.
func (a *API) snapshot(d *apiDroplet, name string) error {
	a.mu.Lock()
	id := a.next()
	a.mu.Unlock()
	raw := filepath.Join(a.lab.directory, fmt.Sprintf("snapshot-%d.img", id))
	if err := command(a.ctx, "qemu-img", "convert", "-O", "raw", d.disk, raw); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.snapshots = append(a.snapshots, APISnapshot{id, name, Build{Disk: raw, Kernel: a.image.Kernel, Initrd: a.image.Initrd}})
	return nil
}

func (a *API) showAction(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, _ := strconv.Atoi(r.PathValue("action")) // no action has the number 0
	if action := a.actions[id]; action != nil {
		answer(w, http.StatusOK, map[string]any{"action": *action})
		return
	}
	refuse(w, http.StatusNotFound, "there is no such action")
}

func (a *API) listSnapshots(w http.ResponseWriter, r *http.Request) {
	a.with(w, r, func() {
		images := []godo.Image{}
		for _, s := range a.snapshots {
			images = append(images, godo.Image{ID: s.ID, Name: s.Name, Type: "snapshot", Regions: []string{a.droplet.Region.Slug}})
		}
		answer(w, http.StatusOK, map[string]any{"snapshots": images, "links": map[string]any{}, "meta": map[string]int{"total": len(images)}})
	})
}

// submit answers as the Vendor Portal does (digitalocean/marketplace-partners, README).
func (a *API) submit(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil || r.Header.Get("Authorization") == "" {
		refuse(w, http.StatusUnauthorized, "Unable to authenticate you")
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.submitted = append(a.submitted, r.PathValue("app")+" "+string(body))
	answer(w, http.StatusOK, map[string]string{"status": "pending"})
}
