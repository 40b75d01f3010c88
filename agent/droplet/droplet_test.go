package droplet

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"oneclick-agent/agent/host"
)

func TestTheRecordOfCloudInitTellsWhoTheDropletIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, err := os.ReadFile("testdata/instance-data.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		instanceData: string(data), "/proc/meminfo": "MemTotal:        2014528 kB\nMemFree: 1 kB\n", "/proc/cpuinfo": "processor : " +
			"0\nprocessor : 1\n",
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
		os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)
	}
	h, err := host.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got, err := Identify(t.Context(), h, NoMetadata)
	want := Droplet{ID: "2756294", Name: "sample-droplet", Region: "nyc3", IPv4: "203.0.113.10", MemoryMB: 1967, CPUs: 2}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if got.URL() != "http://203.0.113.10" {
		t.Error(got.URL())
	}
}

func TestATreeWithoutARecordIsNobody(t *testing.T) {
	t.Parallel()
	h, err := host.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	_, err = Identify(t.Context(), h, NoMetadata)
	want := "cannot tell which Droplet this tree is: cannot read /run/cloud-init/instance-data.json: no such file or directory; put " +
		"cloud-init's record there"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// Metadata come from outside: wrong types and hostile values are dropped one by one, or the answer as a whole.
func TestMetadataAreTakenForHostile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, body, want string }{
		{"an object", `{"droplet_id": 7, "hostname": "web", "interfaces": {"public": [{"ipv4": {"ip_address": "192.0.2.1"}, "ipv6": ` +
			`{"ip_address": "2001:db8::1"}}]}}`, "7 web 192.0.2.1 2001:db8::1 "},
		{"a list of one, as the documentation shows it", `[{"droplet_id": 7}]`, "7    "},
		{"an active reserved address", `{"droplet_id": 7, "reserved_ip": {"ipv4": {"active": true, "ip_address": "192.0.2.9"}}}`,
			"7    192.0.2.9"},
		{"an inactive one", `{"droplet_id": 7, "floating_ip": {"ipv4": {"active": false, "ip_address": "192.0.2.9"}}}`, "7    "},
		{"escape sequences and injections", `{"droplet_id": 7, "hostname": "a\u001b[2J;id", "interfaces": {"public": [{"ipv4": ` +
			`{"ip_address": "1.2.3.4; id"}}]}}`, "7    "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var d Droplet
			if err := d.fromMetadataJSON([]byte(test.body)); err != nil {
				t.Fatal(err)
			}
			if got := d.ID + " " + d.Name + " " + d.IPv4 + " " + d.IPv6 + " " + d.ReservedIPv4; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for _, body := range []string{"", "[]", "<html>", `{"interfaces": 1}`} {
		if err := new(Droplet).fromMetadataJSON([]byte(body)); err == nil ||
			err.Error() != "the metadata service's answer is not metadata" {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestAnErrorPageIsNoMetadata(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	h, err := host.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := new(Droplet).tryMetadata(t.Context(), h, server.URL+"/"); err == nil || err.Error() != "it answered with status 404" {
		t.Error(err)
	}
}

func FuzzRecords(f *testing.F) {
	data, err := os.ReadFile("testdata/instance-data.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"v1": {"instance_id": 1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d Droplet
		d.fromInstanceData(data)
		d.fromMetadataJSON(data)
		for _, text := range []string{d.ID, d.Name, d.Region, d.IPv4, d.IPv6, d.Address()} {
			if plain(text, ".:-", 253) != text {
				t.Errorf("%q came through", text)
			}
		}
	})
}
