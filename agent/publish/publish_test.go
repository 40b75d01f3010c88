package publish

import (
	"strings"
	"testing"
)

func TestTheSnapshotOfTheLastBuildIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ manifest, problem string }{
		"two runs": {`{"builds": [
			{"builder_type": "digitalocean", "artifact_id": "nyc3:1", "packer_run_uuid": "a"},
			{"builder_type": "digitalocean", "artifact_id": "nyc3,sfo3:42", "packer_run_uuid": "b",
				"custom_data": {"application_version": "1.0"}}], "last_run_uuid": "b"}`, ""},
		"no build": {`{"builds": [], "last_run_uuid": "b"}`, "it holds no build of a DigitalOcean snapshot"},
		"no snapshot": {`{"builds": [{"builder_type": "digitalocean", "artifact_id": "nyc3", "packer_run_uuid": "b"}], ` +
			`"last_run_uuid": "b"}`, `the last build has no snapshot: "nyc3"`},
		"no JSON": {`image: 42`, "it is not what Packer's manifest post-processor writes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			built, err := ReadPackerManifest([]byte(test.manifest))
			if test.problem != "" {
				if err == nil || err.Error() != test.problem {
					t.Errorf("got %v, want %s", err, test.problem)
				}
			} else if err != nil || built.Image != 42 || built.Custom["application_version"] != "1.0" {
				t.Errorf("got %v, %v", built, err)
			}
		})
	}
}

// FuzzPackerManifest: no manifest makes it panic, and an image is never found in what names none.
func FuzzPackerManifest(f *testing.F) {
	seeds := []string{
		`{"builds": [{"builder_type": "digitalocean", "artifact_id": "nyc3:42", "packer_run_uuid": "b"}], "last_run_uuid": "b"}`,
		`{}`,
		`[]`,
		``,
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	if len(seeds) != 4 {
		f.Fatal("the seeds are missing")
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := ReadPackerManifest([]byte(text)); err == nil && !strings.Contains(strings.ToLower(text), "builds") {
			t.Errorf("found in %q", text)
		}
	})
}
