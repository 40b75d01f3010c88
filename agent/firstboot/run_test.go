package firstboot

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/host"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/lint"
	"oneclick-agent/agent/state"
)

func file(t testing.TB, root, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func appYAML(text string) map[string]string {
	return map[string]string{state.Manifest: "version: 1\napp: {name: Sample}\n" + text}
}

// withTool puts a static program into a tree, for run steps.
func withTool(t testing.TB, root string) {
	t.Helper()
	needRoot(t)
	buildTool(t, filepath.Join(root, "usr/bin/tool"))
}

func buildTool(t testing.TB, file string) {
	t.Helper()
	build := exec.Command("go", "build", "-o", file, "./testdata/tool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestAFailureSaysWhatAndWhyWithoutSecrets(t *testing.T) {
	t.Parallel()
	root := newTree(t, accounts, appYAML(`
secrets: {one: {}}
first_boot:
  - {run: [/usr/bin/tool, fail], env: {CAUSE: "{{ .secrets.one }}"}}
`))
	withTool(t, root)
	outcome, err := boot(t, root, nil)
	want := "run /usr/bin/tool fail: the cause is [secret one] (/usr/bin/tool exited with status 1); all that was printed is in " +
		"/var/lib/oneclick/output/run__usr_bin_tool_fail"
	if outcome != journal.Failed || err == nil || err.Error() != want {
		t.Errorf("%s: %v\nwant %s", outcome, err, want)
	}
	if strings.Contains(file(t, root, state.Journal), strings.Split(file(t, root, "root/.digitalocean_passwords"), `"`)[1]) {
		t.Error("the secret is in the journal")
	}
}

// What a command printed is cut after secrets are taken out: where the cut goes through one, nothing of it is left.
func TestTheCutOfAReasonLeavesNoPartOfASecret(t *testing.T) {
	t.Parallel()
	for _, before := range []int{976, 980, 985, 990} {
		root := newTree(t, accounts, appYAML(`
secrets: {one: {}}
first_boot:
  - {run: [/usr/bin/tool, fail], env: {CAUSE: "`+strings.Repeat("x", before)+`{{ .secrets.one }}"}, tries: 1}
`))
		withTool(t, root)
		outcome, err := boot(t, root, nil)
		if outcome != journal.Failed || err == nil || !strings.Contains(err.Error(), "... (/usr/bin/tool exited with status 1); all "+
			"that was printed is in ") {
			t.Fatalf("%s: %v", outcome, err)
		}
		beginning := stored(root)["one"][:4]
		if strings.Contains(err.Error(), "x"+beginning) || strings.Contains(file(t, root, state.Journal), "x"+beginning) {
			t.Errorf("a part of the secret is told: %v", err)
		}
	}
}

func TestAnOptionalFailureDegradesAndDoesNotStop(t *testing.T) {
	t.Parallel()
	root := newTree(t, accounts, appYAML(`
first_boot:
  - {run: [/usr/bin/tool, fail], optional: true}
  - {file: /after, content: x}
`))
	withTool(t, root)
	if outcome, err := boot(t, root, nil); outcome != journal.Degraded || err != nil {
		t.Fatalf("%s: %v", outcome, err)
	}
	if file(t, root, "after") != "x" {
		t.Error("the step behind it was not done")
	}
}

func TestACapturedSecretIsMadeOnceAndReachesLaterStepsAndDerivations(t *testing.T) {
	t.Parallel()
	root := newTree(t, accounts, appYAML(`
secrets: {token: {captured: true}, sum: {derive: sha256, from: token}, plain: {}}
first_boot:
  - {run: [/usr/bin/tool, stdin], stdin: "{{ .secrets.plain }}"}
  - {run: [/usr/bin/tool, issue], capture: [{secret: token, pattern: 'token: (\S+)'}]}
  - {file: /token, content: "{{ .secrets.token }} {{ .secrets.sum }}"}
`))
	withTool(t, root)
	// The power goes right behind the store's write: the command was run, and its end is not in the journal.
	stores := 0
	outcome, _ := boot(t, root, func(o host.Operation) error {
		if o.Name == "append" && stores > 1 {
			return host.ErrPower
		}
		if o.Name == "fsync directory" && o.Object == "var/lib/oneclick" &&
			strings.Contains(dumpFile(root, "var/lib/oneclick/secrets.json"), "secret-token") {
			stores += 2
		}
		return nil
	})
	if outcome != journal.Failed {
		t.Fatalf("the run was not cut: %s", outcome)
	}
	if outcome, err := boot(t, root, nil); outcome != journal.Done {
		t.Fatalf("%s: %v", outcome, err)
	}
	if n := strings.Count(file(t, root, "issued"), "x"); n != 1 {
		t.Errorf("the token was issued %d times", n)
	}
	token, sum, _ := strings.Cut(file(t, root, "token"), " ")
	if !strings.Contains(file(t, root, "root/.digitalocean_passwords"), `TOKEN="`+token+`"`) || len(sum) != 64 {
		t.Errorf("the token %q and its sum %q are not what the password file says", token, sum)
	}
	if file(t, root, "stdin") == "" {
		t.Error("nothing came in on standard input")
	}
}

func dumpFile(root, name string) string {
	data, _ := os.ReadFile(filepath.Join(root, name))
	return string(data)
}

func TestCredentialsThatChangeWhilePendingAreTakenUp(t *testing.T) {
	t.Parallel()
	root := newTree(t, accounts, appYAML("database: {engine: postgresql, managed: required}\n"))
	credentials := func(password string) {
		os.WriteFile(
			filepath.Join(root, "root/.digitalocean_dbaas_credentials"),
			[]byte("db_protocol=postgresql\ndb_username=u\ndb_password="+password+"\ndb_host=h\ndb_port=1\ndb_database=d\n"),
			0o600,
		)
	}
	if outcome, _ := boot(t, root, nil); outcome != journal.Pending {
		t.Fatal(outcome)
	}
	credentials("first")
	// The run is cut behind the environment file, as when the login did not succeed.
	boot(t, root, func(o host.Operation) error {
		if o.Name == "append" && strings.Contains(dumpFile(root, state.Journal), `"done"`) {
			return host.ErrPower
		}
		return nil
	})
	credentials("second")
	if outcome, err := boot(t, root, nil); outcome != journal.Done {
		t.Fatalf("%s: %v", outcome, err)
	}
	if got := file(t, root, "etc/oneclick/database.env"); !strings.Contains(got, `DATABASE_PASSWORD="second"`) {
		t.Errorf("the environment is %s", got)
	}
}

func TestACloneLeavesAloneWhatAPersonChanged(t *testing.T) {
	t.Parallel()
	root := newTree(t, accounts, appYAML(`
first_boot:
  - {file: /ours, content: "{{ .droplet.ipv4 }}\n"}
  - {file: /theirs, content: "{{ .droplet.ipv4 }}\n"}
  - {file: /fixed, content: "x\n"}
`))
	if outcome, err := boot(t, root, nil); outcome != journal.Done {
		t.Fatalf("%s: %v", outcome, err)
	}
	os.WriteFile(filepath.Join(root, "theirs"), []byte("203.0.113.10 www.example.com\n"), 0o644)
	os.WriteFile(filepath.Join(root, "fixed"), []byte("y\n"), 0o644)
	os.WriteFile(
		filepath.Join(root, "run/cloud-init/instance-data.json"),
		[]byte(strings.NewReplacer("2756294", "9", "203.0.113.10", "203.0.113.99").Replace(accounts["/run/cloud-init/instance-data.json"])),
		0o644,
	)
	if outcome, err := boot(t, root, nil); outcome != journal.Done {
		t.Fatalf("%s: %v", outcome, err)
	}
	if ours, theirs, fixed := file(t, root, "ours"), file(t, root, "theirs"), file(t, root, "fixed"); ours != "203.0.113.99\n" ||
		theirs != "203.0.113.10 www.example.com\n" ||
		fixed != "y\n" {
		t.Errorf("ours %q, theirs %q, fixed %q", ours, theirs, fixed)
	}
	if motd := file(t, root, "run/oneclick/motd"); motd != "Sample  -  http://203.0.113.99\n" {
		t.Errorf("the message is %q", motd)
	}
}

// On the machine that the image is built on, the unit starts at each boot and must do nothing.
func TestFirstBootIsDueOnlyWhereCloudInitHandedTheDropletOver(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		make func(root string)
		due  bool
	}{
		{"the machine that the image is built on", func(root string) {
			write(root, "var/lib/cloud/instances/2756294/sem/config_scripts_per_instance")
			old := time.Now().Add(-time.Hour)
			os.Chtimes(filepath.Join(root, "var/lib/cloud/instances/2756294/sem/config_scripts_per_instance"), old, old)
			write(root, HookPath)
		}, false},
		{"another machine's mark", func(root string) { os.WriteFile(write(root, state.Due), []byte("1\n"), 0o600) }, false},
		{"the hook's mark", func(root string) { os.WriteFile(write(root, state.Due), []byte("2756294\n"), 0o600) }, true},
		{"a power cut between semaphore and mark", func(root string) {
			write(root, HookPath)
			time.Sleep(20 * time.Millisecond)
			write(root, "var/lib/cloud/instances/2756294/sem/config_scripts_per_instance")
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := newTree(t, accounts, appYAML("first_boot: [{file: /made, content: x}]\n"))
			test.make(root)
			h, err := host.Open(root)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			m, err := lint.Read(h, state.Manifest)
			if err != nil {
				t.Fatal(err)
			}
			setup, err := facts.Gather(context.Background(), h, m, state.Manifest, "none")
			if err != nil {
				t.Fatal(err)
			}
			outcome, err := Run(context.Background(), setup, true)
			if want := map[bool]journal.Phase{true: journal.Done, false: NotDue}[test.due]; outcome != want {
				t.Errorf("it ended as %s, %v", outcome, err)
			}
			if _, err := os.Stat(filepath.Join(root, "made")); (err == nil) != test.due {
				t.Errorf("the file: %v", err)
			}
		})
	}
}

func write(root, name string) string {
	target := filepath.Join(root, name)
	os.MkdirAll(filepath.Dir(target), 0o755)
	os.WriteFile(target, nil, 0o644)
	return target
}

func TestTheGeneratorHoldsBackWhatTheManifestGates(t *testing.T) {
	t.Parallel()
	root := newTree(t, accounts, appYAML("gate: {until: first_boot, services: [app.service, other@1.socket]}\n"))
	h, err := host.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := WriteGates(h, state.Manifest, "/run/systemd/generator"); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"app.service", "other@1.socket"} {
		want := "# Held back by oneclick-agent until first_boot.\n[Unit]\nConditionPathExists=/var/lib/oneclick/gate/" + unit + "\n"
		if got := file(t, root, "run/systemd/generator/"+unit+".d/50-oneclick-gate.conf"); got != want {
			t.Errorf("%s: %q", unit, got)
		}
	}
	// A manifest with a mistake elsewhere still holds back what it gates.
	os.WriteFile(
		filepath.Join(root, state.Manifest),
		[]byte("version: 9\napp: {nmae: x}\ngate: {until: first_boot, services: [b.service, ../../x.service]}\n"),
		0o644,
	)
	if err := WriteGates(h, state.Manifest, "/run/systemd/again"); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(filepath.Join(root, "run/systemd/again"))
	if len(entries) != 1 || entries[0].Name() != "b.service.d" {
		t.Errorf("%v", entries)
	}
}
