package manifest_test

import (
	"testing"

	"oneclick-agent/agent/lint"
)

func TestAPatternStandsOnlyWhereItHasAMeaning(t *testing.T) {
	t.Parallel()
	const head = "version: 1\napp: {name: x}\nfirst_boot:\n"
	const elsewhere = `: cannot be a pattern: `
	for _, test := range []struct{ step, want string }{
		{"- {remove: '/opt/app/*.tmp'}\n", ""},
		{"- {remove: '/opt/app/[ab]/?'}\n", ""},
		{"- {directory: '/home/*', mode: '0700'}\n", ""},
		{"- {remove: '/opt/{{ .droplet.id }}'}\n", ""},
		{"- {link: /a, to: '/b/{{ if eq .droplet.id `[?]` }}x{{ end }}'}\n", ""},
		{"- {remove: '/*'}\n", `app.yaml:4:12: first_boot[0].remove: would reach through the whole system: "/*"`},
		{"- {remove: '/opt/**/x'}\n", `app.yaml:4:12: first_boot[0].remove: cannot be a pattern: ** has no meaning here: "/opt/**/x"`},
		{"- {remove: '/opt/{{ .droplet.id }}/*'}\n", `app.yaml:4:12: first_boot[0].remove` + elsewhere + `"/opt/{{ .droplet.id }}/*"`},
		{"- {directory: '/home/*'}\n",
			`app.yaml:4:3: first_boot[0]: a pattern only finds directories that are there, and nothing is said to do with them`},
		{"- {directory: '/home/*', copy: /a, mode: '0700'}\n",
			`app.yaml:4:32: first_boot[0].copy: needs one place to copy to, and /home/* is a pattern`},
		{"- {file: '/etc/*.conf', content: x}\n", `app.yaml:4:10: first_boot[0].file` + elsewhere + `"/etc/*.conf"`},
		{"- {edit: '/etc/?.env', set: {A: 1}}\n", `app.yaml:4:10: first_boot[0].edit` + elsewhere + `"/etc/?.env"`},
		{"- {link: /a, to: '/b/*'}\n", `app.yaml:4:18: first_boot[0].to` + elsewhere + `"/b/*"`},
		{"- {run: [/b], creates: '/b/*'}\n", `app.yaml:4:24: first_boot[0].creates` + elsewhere + `"/b/*"`},
		{"- {wait: {unix: '/run/*.sock'}}\n", `app.yaml:4:17: first_boot[0].wait.unix` + elsewhere + `"/run/*.sock"`},
		{"- {directory: /a, file_mode: '0600'}\n",
			`app.yaml:4:30: first_boot[0].file_mode: is about what is below the directory, which this step leaves alone`},
		{"- {directory: /a, recursive: true}\n",
			`app.yaml:4:30: first_boot[0].recursive: says nothing to do with what is below the directory`},
		{"- {directory: /a, recursive: true, file_mode: '0600', directory_mode: '0700'}\n", ""},
		{"- {directory: /a, copy: ../a}\n", `app.yaml:4:25: first_boot[0].copy: must not lead out of the manifest's directory: "../a"`},
	} {
		_, problems := lint.Parse([]byte(head+test.step), "app.yaml")
		if test.want == "" && len(problems) > 0 || test.want != "" && (len(problems) != 1 || problems[0].String() != test.want) {
			t.Errorf("%sgot  %s\nwant %s", test.step, problems.Error(), test.want)
		}
	}
}

func TestWhatBelongsTogetherInAStepIsTogether(t *testing.T) {
	t.Parallel()
	const head = "version: 1\napp: {name: x}\nsecrets: {user: {}}\nfirst_boot:\n"
	for _, test := range []struct{ step, want string }{
		{"- {wait: {http: 'https://127.0.0.1/', status: [200, 401], insecure: true}}\n", ""},
		{"- {wait: {tcp: '127.0.0.1:1', status: [200]}}\n", "app.yaml:5:39: first_boot[0].wait.status: belongs to http"},
		{"- {wait: {http: 'http://127.0.0.1/', status: [2000]}}\n", "app.yaml:5:47: first_boot[0].wait.status[0]: is no status of HTTP: 2000"},
		{"- {wait: {http: 'http://127.0.0.1/', insecure: true}}\n",
			"app.yaml:5:48: first_boot[0].wait.insecure: belongs to http with an address that begins with https://"},
		{"- {firewall: ['80,443,8000-8010/tcp', 22/tcp limit]}\n", ""},
		{"- {firewall: ['80,443']}\n", `app.yaml:5:15: first_boot[0].firewall[0]: is not a firewall rule: "80,443"`},
		{"- {firewall: ['80,70000/tcp']}\n", `app.yaml:5:15: first_boot[0].firewall[0]: names no ports between 1 and 65535: "80,70000/tcp"`},
		{"- {run: [/b], passwords: {FLASK_USER: flask}}\n", ""},
		{"- {run: [/b], passwords: {FLASK USER: flask}}\n",
			`app.yaml:5:39: first_boot[0].passwords.FLASK USER: is not the name of an environment variable: "FLASK USER"`},
		{"- {run: [/b], passwords: {USER: flask}}\n",
			"app.yaml:5:33: first_boot[0].passwords.USER: a secret or an answer has this name in /root/.digitalocean_passwords"},
		{"- {run: [/b], env: {A: x}, passwords: {A: flask}}\n", "app.yaml:5:43: first_boot[0].passwords.A: stands in env, too"},
		{"- {run: [/b], passwords: {A: x}, when: '{{ .database.managed }}'}\ndatabase: {engine: mysql}\n",
			"app.yaml:5:26: first_boot[0].passwords: people would find them on Droplets that this step does not apply to"},
	} {
		_, problems := lint.Parse([]byte(head+test.step), "app.yaml")
		if test.want == "" && len(problems) > 0 || test.want != "" && (len(problems) != 1 || problems[0].String() != test.want) {
			t.Errorf("%sgot  %s\nwant %s", test.step, problems.Error(), test.want)
		}
	}
}
