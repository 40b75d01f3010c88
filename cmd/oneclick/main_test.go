package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"oneclick-agent/packaging/terminal"
)

const sample = `version: 1
app: {name: Garden, version: "1.0", url: "http://{{ .droplet.ipv4 }}/"}
secrets:
  key: {length: 40}
first_boot:
  - {file: /etc/garden.env, template: garden.env.tmpl, owner: garden}
  - {run: [/usr/bin/garden, init], env: {KEY: "{{ .secrets.key }}"}}
  - {service: garden.service, do: [enable, start]}
first_login:
  questions:
    - {name: title, ask: Title of the site}
  steps:
    - {run: [/usr/bin/garden, title], stdin: "{{ .answers.title }}"}
motd: "Its key is KEY in /root/.digitalocean_passwords."
`

// vendor makes a directory of these files.
func vendor(t *testing.T, files map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for name, text := range files {
		name = filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func garden() map[string]string {
	return map[string]string{
		"app.yaml": sample, "garden.env.tmpl": "KEY={{ .secrets.key }}\n", "test/answers.yaml": "title: Roses\n",
		"test/stand-ins.yaml": "- {command: garden init, prints: made, makes: {/var/lib/garden/db: tables}}\n", "README.md": "About it.\n",
	}
}

// call runs the program, and gives what it printed with names in the place of what differs from run to run.
func call(t *testing.T, directory string, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	code = run(t.Context(), arguments, os.Stdin, &out, &errors)
	named := strings.NewReplacer(directory, "DIR")
	return code, seconds.ReplaceAllString(named.Replace(out.String()), "N s"), named.Replace(errors.String())
}

var seconds = regexp.MustCompile(`[0-9]+\.[0-9] s`)

const wholeTrial = `# The plan

      make secrets: key
   1  write /etc/garden.env garden 0600 (template garden.env.tmpl)
   2  run /usr/bin/garden init
   3  enable and start garden.service
   4  offer the questions of first login from /root/.bashrc
      once the questions of first login are answered:
   5  run /usr/bin/garden title

# What first boot runs and starts

root: garden init
    with KEY=[secret key]
systemctl enable garden.service
systemctl start garden.service

# The message of the day before the first login

Garden 1.0  -  http://203.0.113.10/
Setup is waiting: a few questions are left
Next: answer them with: oneclick-agent first-login

Its key is KEY in /root/.digitalocean_passwords.

# What first login runs and starts

root: garden title
    reads Roses

# The message of the day

Garden 1.0  -  http://203.0.113.10/

Its key is KEY in /root/.digitalocean_passwords.

# The files

`

func TestATrialShowsWhatCameOfAnImage(t *testing.T) {
	t.Parallel()
	directory := vendor(t, garden())
	code, stdout, stderr := call(t, directory, "try", "--power-cuts", directory)
	if code != 0 || !strings.HasPrefix(stdout, wholeTrial) {
		t.Fatalf("it ends with %d and prints\n%s\n%s\nand should begin with\n%s", code, stdout, stderr, wholeTrial)
	}
	for _, want := range []string{
		"/etc/garden.env 0600 garden:garden\n  | KEY=[secret key]\n",
		"/var/lib/garden/db 0644 root:root\n  | tables\n",
		" power cuts, and each time it became what it is here.\nSet up on a throwaway directory in N s; commands were recorded, not run.\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("there is no %q in\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "About it") {
		t.Error("what is no part of the image is in it")
	}
}

func TestATrialAsJSONHasTheSameInIt(t *testing.T) {
	t.Parallel()
	directory := vendor(t, garden())
	code, stdout, _ := call(t, directory, "try", "--json", directory)
	var got struct {
		Login   []string `json:"first_login"`
		Changes string   `json:"changes"`
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
		t.Fatalf("it ends with %d and prints %s: %v", code, stdout, err)
	}
	if strings.Join(got.Login, "|") != "root: garden title|    reads Roses" || !strings.Contains(got.Changes, "/etc/garden.env 0600") {
		t.Errorf("it prints %s", stdout)
	}
}

func TestWhatIsWrongIsToldByThePathsThatWereTyped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		change    func(files map[string]string)
		arguments []string
		want      string
	}{
		{"no manifest", func(f map[string]string) { delete(f, "app.yaml") }, []string{"lint"},
			"DIR/app.yaml: there is no manifest\n    name the directory that has it, or write one with: oneclick init\n1 problem; " +
				"nothing was changed\n"},
		{"a mistake", func(f map[string]string) { f["app.yaml"] += "modt: x\n" }, []string{"lint"},
			"DIR/app.yaml:15:1: unknown key \"modt\"\n    did you mean \"motd\"?\n1 problem; nothing was changed\n"},
		{"no template", func(f map[string]string) { delete(f, "garden.env.tmpl") }, []string{"lint"},
			"DIR/app.yaml:6:39: first_boot[0].template: cannot read DIR/garden.env.tmpl: no such file or directory\n" +
				"1 problem; nothing was changed\n"},
		{"a mistake in a template", func(f map[string]string) { f["garden.env.tmpl"] = "KEY={{ .secrets.kye }}\n" }, []string{"lint"},
			"DIR/garden.env.tmpl:1:1: there is no secret \"kye\"\n    did you mean \"key\"?\n1 problem; nothing was changed\n"},
		{"no answers", func(f map[string]string) { delete(f, "test/answers.yaml") }, []string{"try"},
			"DIR/test/answers.yaml: title is not answered\n    add a line for it: \"Title of the site\"\n1 problem; nothing was changed\n"},
		{"a command that fails", func(f map[string]string) {
			f["test/stand-ins.yaml"] = "- {command: garden init, prints: no space left, fails: true}\n"
		}, []string{"try"},
			"oneclick: the first boot failed: run /usr/bin/garden init: no space left (/usr/bin/garden exited with status 1); all " +
				"that was printed " +
				"is in /var/lib/oneclick/output/run__usr_bin_garden_init; the last command was: root: garden init\n"},
		{"stand-ins that are none", func(f map[string]string) { f["test/stand-ins.yaml"] = "- {comand: x}\n" }, []string{"try"},
			"DIR/test/stand-ins.yaml:1:12: unknown key \"comand\"\n    did you mean \"command\"?\n1 problem; nothing was changed\n"},
		{"nobody to ask", func(map[string]string) {}, []string{"try", "--ask"}, "oneclick: --ask wants a terminal; take --answers FILE\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := garden()
			test.change(files)
			directory := vendor(t, files)
			code, stdout, stderr := call(t, directory, append(test.arguments, directory)...)
			told := stderr[max(0, strings.LastIndex(stderr, "offer\n")):]
			if code == 0 || stdout != "" || !strings.HasSuffix(told, test.want) {
				t.Errorf("it ends with %d and prints\n%s%s\nand should print\n%s", code, stdout, stderr, test.want)
			}
		})
	}
}

func TestProblemsAreToldToProgramsInTheirOwnForm(t *testing.T) {
	t.Parallel()
	files := garden()
	files["app.yaml"] += "modt: x\n"
	directory := vendor(t, files)
	for format, want := range map[string]string{
		"github": "::error file=DIR/app.yaml,line=15,col=1::unknown key \"modt\"%0Adid you mean \"motd\"?\n",
		"json": "{\n  \"problems\": [\n    {\n      \"file\": \"DIR/app.yaml\",\n      \"line\": 15,\n      \"column\": 1,\n      \"message\": " +
			"\"unknown key \\\"modt\\\"\",\n      \"hint\": \"did you mean \\\"motd\\\"?\"\n    }\n  ]\n}\n",
	} {
		if code, stdout, stderr := call(t, directory, "lint", "--format", format, directory); code != 2 || stdout != want || stderr != "" {
			t.Errorf("--format %s ends with %d and prints\n%s%s\nand should print\n%s", format, code, stdout, stderr, want)
		}
	}
	code, stdout, _ := call(t, directory, "lint", "--format", "sarif", directory)
	if code != 2 || !strings.Contains(stdout, `"startLine": 15`) || !strings.Contains(stdout, `"version": "2.1.0"`) {
		t.Errorf("--format sarif ends with %d and prints\n%s", code, stdout)
	}
	_, _, stderr := call(t, directory, "lint", "--format", "gihtub", directory)
	if want := "oneclick: there is no format \"gihtub\"; did you mean \"github\"?\n"; stderr != want {
		t.Errorf("it prints %q", stderr)
	}
}

func TestALinkOfTheVendorsDirectoryLeadsNowhere(t *testing.T) {
	t.Parallel()
	directory := vendor(t, garden())
	if err := os.MkdirAll(filepath.Join(directory, "files/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(directory, "files/etc/stolen")); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := call(t, directory, "try", directory); code != 0 || strings.Contains(stdout, "stolen") {
		t.Errorf("it ends with %d and prints\n%s%s", code, stdout, stderr)
	}
}

func TestADirectoryOfTheVendorThatIsALinkLeadsNowhere(t *testing.T) {
	t.Parallel()
	elsewhere := vendor(t, map[string]string{"secret.tmpl": "stolen"})
	files := garden()
	files["app.yaml"] = strings.ReplaceAll(files["app.yaml"], "garden.env.tmpl", "link/secret.tmpl")
	directory := vendor(t, files)
	if err := os.Symlink(elsewhere, filepath.Join(directory, "link")); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := call(t, directory, "try", directory); code == 0 || strings.Contains(stdout+stderr, "stolen") {
		t.Errorf("it ends with %d and prints\n%s%s", code, stdout, stderr)
	}
}

// TestThePersonWhoTriesAnImageAnswersTheWizard is on a real terminal, because only that shows whether there is one.
func TestThePersonWhoTriesAnImageAnswersTheWizard(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "oneclick")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	session := terminal.Start(
		t,
		terminal.Options{Environment: []string{"TERM=xterm", "LANG=C.UTF-8", "PATH=/usr/bin:/bin"}, Columns: 80, Rows: 24,
			Answers: true},
		program,
		"try",
		"--ask",
		vendor(t, garden()),
	)
	session.See("Title of the site")
	session.Press("Tulips\r")
	session.See("These are your answers.")
	session.Press("\r")
	session.See("reads Tulips")
	session.See("Set up on a throwaway directory")
	<-session.Ended
}

func TestASubmissionTakesTheSnapshotFromPackersManifest(t *testing.T) {
	t.Parallel()
	directory := vendor(t, map[string]string{"packer.json": `{"builds": [{"builder_type": "digitalocean", "artifact_id": "nyc3:42",
		"packer_run_uuid": "a", "custom_data": {"application_version": "1.2"}}], "last_run_uuid": "a"}`})
	code, stdout, stderr := call(t, directory, "publish", "--app", "7", "--packer-manifest", directory+"/packer.json", "--dry-run")
	want := "{\n  \"app\": \"7\",\n  \"submission\": {\n    \"imageId\": 42,\n    \"version\": \"1.2\"\n  }\n}\n"
	if code != 0 || stdout != want {
		t.Errorf("it ends with %d and prints\n%s%s", code, stdout, stderr)
	}
}

func TestABootIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("without root there is only one refusal")
	}
	directory := vendor(t, garden())
	agent := filepath.Join(directory, "README.md") // any file will do
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--image", "noble"}, "oneclick: there is no image \"noble\"; use bookworm or trixie\n"},
		{nil, "oneclick: the agent's package is missing; put it into build/oneclick-agent.deb, or name it with --agent FILE\n"},
		{[]string{"--agent", agent, "--template", directory + "/none"}, "oneclick: cannot use Packer's template DIR/none: open " +
			"DIR/none: no such " +
			"file or directory\n"},
		{[]string{"--agent", agent, "--setup", directory + "/none"}, "oneclick: open DIR/none: no such file or directory\n"},
		{[]string{"--agent", agent, "--database", "oracle"}, "oneclick: the lab has no database \"oracle\"; use mysql, postgresql, valkey\n"},
	} {
		code, stdout, stderr := call(t, directory, append(append([]string{"boot"}, test.arguments...), directory)...)
		if code != 2 || stdout != "" || stderr != test.want {
			t.Errorf("boot %v ends with %d and prints\n%s%s\nand should print\n%s", test.arguments, code, stdout, stderr, test.want)
		}
	}
}

// TestTheShippedPagesOfTheCommandsAreTheirOwn: docs/oneclick.md is what the commands say of themselves.
func TestTheShippedPagesOfTheCommandsAreTheirOwn(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile("../../docs/oneclick.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, said, _ := call(t, "no directory", "reference"); said != string(shipped) {
		t.Error("docs/oneclick.md is not what the commands say of themselves; run: make docs")
	}
}

func TestADirectoryIsWrittenOnceAndCanBeTriedAtOnce(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "notes")
	flags := []string{"init", "--name", "Acme Notes", "--kind", "static", directory}
	want := "15 files written into DIR; read app.yaml, then: oneclick try DIR\n"
	if code, stdout, stderr := call(t, directory, flags...); code != 0 || stdout != want {
		t.Fatalf("it ends with %d and prints\n%s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := call(t, directory, "try", directory); code != 0 ||
		!strings.Contains(stdout, "/var/www/acme-notes/index.html") {
		t.Errorf("the trial ends with %d and prints\n%s%s", code, stdout, stderr)
	}
	code, _, stderr := call(t, directory, flags...)
	if first := "DIR/.github/workflows/image.yml: is there already\n    name a directory that is new\n"; code != 2 ||
		!strings.HasPrefix(stderr, first) {
		t.Errorf("the second time it ends with %d and prints\n%s", code, stderr)
	}
	code, _, stderr = call(t, directory, "init", "--name", "x")
	if want := "oneclick: --name and --kind are missing, and there is no terminal to ask at\n"; code != 2 || stderr != want {
		t.Errorf("without a kind it ends with %d and prints\n%s", code, stderr)
	}
}
