package secret

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openssl decides what a certificate is good for.
func TestACertificateProvesWhatItsUsageSays(t *testing.T) {
	t.Parallel()
	store, _, dir := ensuredFrom(t, `version: 1
app: {name: Sample}
secrets:
  authority: {format: ca, key: rsa, bits: 2048, subject: {organization: Example, country: US}}
  small: {format: ca}
  plain: {format: certificate, signed_by: authority, hosts: [localhost]}
  both: {format: certificate, signed_by: small, key: rsa, usage: [server, client], hosts: [localhost]}
  client:
    format: certificate
    signed_by: authority
    usage: client
    name: node
    subject: {organization: Example, organizational_unit: nodes, locality: New York, province: NY}
`)
	file := func(secret, field string) string {
		name := filepath.Join(dir, secret+"."+field)
		if err := os.WriteFile(name, []byte(store.secrets[secret][field].Reveal()), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	ask := func(arguments ...string) string {
		out, _ := exec.Command("openssl", arguments...).CombinedOutput() // what it says is looked at
		return strings.TrimSpace(string(out))
	}
	for _, test := range []struct {
		secret, authority string
		server, client    bool
		key, subject      string
	}{
		{"plain", "authority", true, false, "id-ecPublicKey", "subject=CN = localhost"},
		{"both", "small", true, true, "Public-Key: (3072 bit)", "subject=CN = localhost"},
		{"client", "authority", false, true, "id-ecPublicKey", "subject=ST = NY, L = New York, O = Example, OU = nodes, CN = node"},
		{"authority", "authority", true, true, "Public-Key: (2048 bit)", "subject=C = US, O = Example, CN = Sample CA"},
	} {
		cert, root := file(test.secret, "cert"), file(test.authority, "cert")
		for purpose, want := range map[string]bool{"sslserver": test.server, "sslclient": test.client} {
			said := ask("verify", "-purpose", purpose, "-CAfile", root, cert)
			if test.secret != test.authority && (said == cert+": OK") != want {
				t.Errorf("%s as %s: %s", test.secret, purpose, said)
			}
		}
		if text := ask("x509", "-in", cert, "-noout", "-text"); !strings.Contains(text, test.key) {
			t.Errorf("%s has another key:\n%s", test.secret, text)
		}
		said := // versions of openssl differ in their spaces
			ask("x509", "-in", cert, "-noout", "-subject")
		if strings.ReplaceAll(said, " ", "") != strings.ReplaceAll(test.subject, " ", "") {
			t.Errorf("%s: %s, want %s", test.secret, said, test.subject)
		}
	}
}
