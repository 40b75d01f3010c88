package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPackerBuildsAgainstTheAPI is a vendor's whole way with the tools as they are: Debian's packer makes a Droplet by the API, sets
// it up, shuts it down and takes its snapshot; publish submits that; and a customer's Droplet of it sets itself up.
func TestPackerBuildsAgainstTheAPI(t *testing.T) {
	t.Parallel()
	l, build, _ := openWith(t, "bookworm", "")
	mirror, err := l.Network.ServeMirror()
	if err != nil {
		t.Fatal(err)
	}
	defer mirror.Close()
	api, err := l.ServeAPI(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	directory := t.TempDir()
	manifest := filepath.Join(directory, "packer-manifest.json")
	packer(t, l, directory, func(template map[string]any) {
		builder := template["builders"].([]any)[0].(map[string]any)
		builder["api_url"], builder["ssh_timeout"] = APIAddress, "15m"
		template["post-processors"].([]any)[0].(map[string]any)["output"] = manifest
	})
	snapshots := api.Snapshots()
	if len(snapshots) != 1 || !strings.HasPrefix(snapshots[0].Name, "lamp-1-0-") {
		t.Fatalf("the snapshots are %+v", snapshots)
	}
	submitSnapshot(t, l, api, manifest)

	disk, err := l.Overlay(t.Context(), snapshots[0].Build, "customer")
	if err != nil {
		t.Fatal(err)
	}
	customer := boot(t, l, snapshots[0].Build, disk, secondDroplet)
	out := on(t, customer, "oneclick-agent status --wait --timeout 15m >/dev/null; oneclick-agent status; cat /run/oneclick/motd")
	for _, want := range []string{"State:    done", "LAMP 1.0", "The password is in /root/.digitalocean_passwords"} {
		if !strings.Contains(out, want) {
			t.Errorf("on a Droplet of the snapshot there is no %q:\n%s", want, out)
		}
	}
}

// submitSnapshot has the vendor's program submit what Packer's manifest names.
func submitSnapshot(t *testing.T, l *Lab, api *API, manifest string) {
	t.Helper()
	submit := l.Network.Command(t.Context(), "../../build/amd64/oneclick", "publish", "--api", APIAddress, "--app", "7",
		"--packer-manifest", manifest,
		"--reason", "a test")
	submit.Env = append(os.Environ(), "DIGITALOCEAN_API_TOKEN=none")
	out, err := submit.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "is submitted for the app 7: pending\n") {
		t.Errorf("publish: %v: %s", err, out)
	}
	if got := api.Submissions(); len(got) != 1 || !strings.HasPrefix(got[0], `7 {"imageId":`) || !strings.Contains(got[0], `"version":"1.0"`) {
		t.Errorf("the Vendor Portal got %q", got)
	}
}
