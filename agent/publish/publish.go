// Package publish submits the snapshot of an image to DigitalOcean's Vendor Portal. The API is described in the README
// of digitalocean/marketplace-partners: PATCH /api/v1/vendor-portal/apps/<app id>.
package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"oneclick-agent/agent/host"
)

const (
	// API is where the Vendor Portal answers.
	API = "https://api.digitalocean.com"

	within = time.Minute
)

// Submission is a new snapshot for an app. What is empty is not sent, and stays as it is in the listing.
type Submission struct {
	Image     int64  `json:"imageId"`
	Reason    string `json:"reasonForUpdate,omitempty"`
	Version   string `json:"version,omitempty"`
	OSVersion string `json:"osVersion,omitempty"`
}

// Answer is what the Vendor Portal said of it.
type Answer struct {
	Status string `json:"status"`
	App    string `json:"app"`
	Image  int64  `json:"image"`
}

// Submit sends the submission for an app. The token goes into a header, and is in no error. It is sent once: what may
// have arrived is not sent again.
func Submit(ctx context.Context, h *host.Host, api, token, app string, s Submission) (Answer, error) {
	fail := func(err error) (Answer, error) {
		return Answer{}, fmt.Errorf("cannot submit image %d for the app %s: %w", s.Image, app, err)
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	address := api + "/api/v1/vendor-portal/apps/" + url.PathEscape(app)
	status, answer, err := h.Patch(
		ctx,
		address,
		map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"},
		body,
	)
	if err != nil {
		return fail(err)
	}
	if status != http.StatusOK {
		return fail(errors.New(explain(status, answer)))
	}
	result := Answer{App: app, Image: s.Image}
	if err := json.Unmarshal(answer, &result); err != nil {
		return fail(errors.New("it was taken, but the answer is not JSON; look it up in the Vendor Portal"))
	}
	return result, nil
}

// explain says what a refusal means, and what to do.
func explain(status int, answer []byte) string {
	reason := map[int]string{
		http.StatusBadRequest: "the portal refuses it: the image is missing, the app is no Droplet app, or an earlier submission " +
			"is still pending or in review",
		http.StatusUnauthorized:    "the token is not valid; make one with write access in the control panel",
		http.StatusForbidden:       "the token is not valid, or the app or the image belongs to another team",
		http.StatusNotFound:        "there is no such app; take its id from the Vendor Portal's address",
		http.StatusTooManyRequests: "the portal asks to slow down; try again in a minute",
	}[status]
	if reason == "" {
		reason = fmt.Sprintf("the portal answers with status %d; try again later", status)
	}
	var said struct{ Message, ID string }
	if json.Unmarshal(answer, &said) == nil && said.Message != "" {
		reason += " (" + said.Message + ")"
	}
	return reason
}

// Built is what Packer's manifest post-processor recorded of the last build.
type Built struct {
	Image  int64
	Custom map[string]string
}

// ReadPackerManifest finds the snapshot that the last run of Packer made.
func ReadPackerManifest(data []byte) (Built, error) {
	var manifest struct {
		Builds []struct {
			Builder  string            `json:"builder_type"`
			Artifact string            `json:"artifact_id"`
			Run      string            `json:"packer_run_uuid"`
			Custom   map[string]string `json:"custom_data"`
		} `json:"builds"`
		Last string `json:"last_run_uuid"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return Built{}, errors.New("it is not what Packer's manifest post-processor writes")
	}
	for _, build := range manifest.Builds {
		if build.Run != manifest.Last || build.Builder != "digitalocean" {
			continue
		}
		_, number, _ := strings.Cut(build.Artifact, ":") // "nyc3,sfo3:12345"
		image, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return Built{}, fmt.Errorf("the last build has no snapshot: %q", build.Artifact)
		}
		return Built{image, build.Custom}, nil
	}
	return Built{}, errors.New("it holds no build of a DigitalOcean snapshot")
}
