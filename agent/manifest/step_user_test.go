package manifest_test

import (
	"testing"

	"oneclick-agent/agent/lint"
)

func TestMistakesOfAnAccountAreNamed(t *testing.T) {
	t.Parallel()
	const head = "version: 1\napp: {name: x}\nsecrets: {console: {}, key: {format: ed25519}}\nfirst_boot:\n"
	for _, test := range []struct{ step, want string }{
		{"- {user: deploy, password: console, home: /srv/deploy, shell: /bin/bash, groups: [sudo, adm]}\n", ""},
		{"- {user: 'app{{ .droplet.id }}'}\n", ""},
		{"- {user: Deploy}\n", `app.yaml:5:10: first_boot[0].user: cannot be the name of an account: "Deploy"`},
		{"- {user: root}\n", `app.yaml:5:10: first_boot[0].user: root is there already, and is not changed`},
		{"- {user: deploy, password: consle}\n", `app.yaml:5:28: first_boot[0].password: there is no secret "consle"`},
		{"- {user: deploy, password: key}\n", `app.yaml:5:28: first_boot[0].password: the secret "key" is not a single value`},
		{"- {user: deploy, home: srv}\n", `app.yaml:5:24: first_boot[0].home: must be an absolute path, not "srv"`},
		{"- {user: deploy, groups: [sudo, sudo]}\n", `app.yaml:5:26: first_boot[0].groups: sudo is here twice`},
		{"- {user: 'u{{ .secrets.console }}'}\n", `app.yaml:5:10: first_boot[0].user: names and addresses stand in logs, so they must ` +
			`not hold a secret`},
		{"- {user: deploy, mode: '0644'}\n", `app.yaml:5:24: first_boot[0].mode: does not belong to a step of kind user`},
	} {
		_, problems := lint.Parse([]byte(head+test.step), "app.yaml")
		if got := problems.Error(); test.want == "" && len(problems) > 0 ||
			test.want != "" && (len(problems) != 1 || problems[0].String() != test.want) {
			t.Errorf("%sgot  %s\nwant %s", test.step, got, test.want)
		}
	}
}
