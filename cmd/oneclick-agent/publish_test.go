package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestASnapshotIsSubmitted runs the real program against a server that answers as the Vendor Portal does.
func TestASnapshotIsSubmitted(t *testing.T) {
	const token = "dop_v1_not-a-real-token"
	root := t.TempDir()
	os.WriteFile(
		filepath.Join(root, "packer.json"),
		[]byte(
			`{"builds": [{"builder_type": "digitalocean", "artifact_id": "nyc3:42", "packer_run_uuid": "a", "custom_data": `+
				`{"application_version": "1.2"}}], "last_run_uuid": "a"}`,
		),
		0o600,
	)
	for _, test := range []struct {
		name, arguments, token string
		status                 int
		answer                 string
		code                   int
		stdout, stderr, sent   string
	}{
		{"by its number", "--app 7 --image 42 --reason security --os-version Debian", token, 200, `{"status": "pending"}`, 0,
			"image 42 is submitted for the app 7: pending\n", "", `{"imageId":42,"reasonForUpdate":"security","osVersion":"Debian"}`},
		{"by Packer's manifest", "--app 7 --packer-manifest /packer.json --json", token, 200, `{"status": "pending"}`, 0,
			"{\n  \"status\": \"pending\",\n  \"app\": \"7\",\n  \"image\": 42\n}\n", "", `{"imageId":42,"version":"1.2"}`},
		{"a dry run", "--app 7 --image 42 --dry-run", "", 0, "", 0, "{\n  \"app\": \"7\",\n  \"submission\": {\n    \"imageId\": 42\n  " +
			"}\n}\n", "", ""},
		{"everything missing", "", "", 0, "", 2, "",
			"publish: the API token is missing\n    set DIGITALOCEAN_API_TOKEN in the environment\npublish: the app is missing\n    name " +
				"it with --app; its id stands in the Vendor Portal's address\npublish: the snapshot is missing\n    name it with --image or " +
				"--packer-manifest\n3 problems; nothing was changed\n", ""},
		{"two snapshots", "--app 7 --image 41 --packer-manifest /packer.json", token, 0, "", 2, "", "publish: --image 41 is not the " +
			"snapshot of /packer.json, which is 42\n    name one of them\n1 problem; nothing was changed\n", ""},
		{"one that is in review", "--app 7 --image 42", token, 400, `{"id": "bad_request", "message": "in review\u001b[2J"}`, 1, "",
			"oneclick-agent: cannot submit image 42 for the app 7: the portal refuses it: the image is missing, the app is no Droplet app, " +
				"or an earlier submission is still pending or in review (in review\\x1b[2J)\n", `{"imageId":42}`},
		{"another team's", "--app 7 --image 42", token, 403, ``, 1, "",
			"oneclick-agent: cannot submit image 42 for the app 7: the token is not valid, or the app or the image belongs to another " +
				"team\n", `{"imageId":42}`},
		{"a portal that is down", "--app 7 --image 42", token, 502, `<html>`, 1, "", "oneclick-agent: cannot submit image 42 for the " +
			"app 7: the portal answers with status 502; try again later\n", `{"imageId":42}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("DIGITALOCEAN_API_TOKEN", test.token)
			t.Setenv("DIGITALOCEAN_TOKEN", "")
			sent := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent = string(body)
				if r.Method != "PATCH" || r.URL.Path != "/api/v1/vendor-portal/apps/7" || r.Header.Get("Authorization") != "Bearer "+token {
					t.Errorf("asked %s %s with %v", r.Method, r.URL, r.Header)
				}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.answer)
			}))
			defer server.Close()
			var stdout, stderr bytes.Buffer
			arguments := append([]string{"oneclick-agent", "publish", "--root", root, "--api", server.URL}, strings.Fields(test.arguments)...)
			code := run(t.Context(), arguments, &stdout, &stderr)
			if code != test.code || stdout.String() != test.stdout || stderr.String() != test.stderr || sent != test.sent {
				t.Errorf("exit code %d, printed\n%s%s and sent %s", code, stdout.String(), stderr.String(), sent)
			}
			if strings.Contains(stdout.String()+stderr.String(), token) {
				t.Error("the token is printed")
			}
		})
	}
}
