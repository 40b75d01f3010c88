package secret

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/state"
)

func TestASecretCannotBePrintedByAccident(t *testing.T) {
	t.Parallel()
	const value = "hunter2-hunter2"
	s := New(value)
	type outer struct {
		Exported Secret
		hidden   Secret
		Pointer  *Secret
		List     []Secret
		Map      map[string]Secret
	}
	o := outer{s, s, &s, []Secret{s}, map[string]Secret{"x": s}}
	var text []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		text = append(text, fmt.Sprintf(verb, s), fmt.Sprintf(verb, o), fmt.Sprintf(verb, &o))
	}
	encoded, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "outer", o)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "outer", o)
	text = append(text, string(encoded), log.String(), fmt.Errorf("it failed: %v", s).Error(), fmt.Sprint(s, o), fmt.Sprintln(s))
	for _, one := range text {
		if strings.Contains(one, "hunter2") || strings.Contains(one, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("it shows in %s", one)
		}
	}
	if s.Reveal() != value || (Secret{}).Reveal() != "" {
		t.Error("it cannot be revealed")
	}
}

const everyFormat = `
version: 1
app: {name: x}
secrets:
  plain: {}
  hex: {format: hex, bytes: 24}
  b64: {format: base64, bytes: 48}
  policy: {format: password, length: 24, upper: 3, digits: 4, symbols: 2, symbol_set: "-_"}
  id: {format: uuid}
  ed: {format: ed25519}
  rsa: {format: rsa, bits: 2048}
  ca: {format: ca, name: Test CA}
  server: {format: certificate, signed_by: ca, hosts: ["{{ .droplet.ipv4 }}", localhost]}
  alone: {format: certificate, hosts: [localhost]}
  bc: {derive: bcrypt, from: plain}
  argon: {derive: argon2id, from: plain}
  sum: {derive: sha256, from: plain}
  crypt: {derive: sha512-crypt, from: plain}
  ht: {derive: htpasswd, from: plain, user: bob}
  jwt: {derive: jwt-hs256, from: plain, claims: {role: anon, host: "{{ .droplet.ipv4 }}"}, valid: 10y}
`

func ensured(t *testing.T) (*Store, *manifest.Manifest, string) {
	t.Helper()
	return ensuredFrom(t, everyFormat)
}

// ensuredFrom is a store with the secrets of a manifest, on a tree of its own.
func ensuredFrom(t *testing.T, text string) (*Store, *manifest.Manifest, string) {
	t.Helper()
	root := t.TempDir()
	for _, directory := range []string{"root", "var/lib/oneclick"} {
		os.MkdirAll(filepath.Join(root, directory), 0o755)
	}
	files, err := host.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	m, problems := manifest.Parse([]byte(text), "app.yaml", nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	store, err := Open(files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ensure(m, false, time.Now(), fill); err != nil {
		t.Fatal(err)
	}
	return store, m, root
}

// fill fills in the one template that everyFormat has.
func fill(t manifest.Template) (string, error) {
	return strings.ReplaceAll(t.Text, "{{ .droplet.ipv4 }}", "203.0.113.10"), nil
}

func (s *Store) plain(name string) string { return s.secrets[name][""].Reveal() }

func TestEveryFormatIsWhatItSays(t *testing.T) {
	t.Parallel()
	store, _, _ := ensured(t)
	for name, pattern := range map[string]string{
		"plain": `^[A-Za-z0-9]{32}$`, "hex": `^[0-9a-f]{48}$`, "b64": `^[A-Za-z0-9+/]{64}$`, "policy": `^[A-Za-z0-9_-]{24}$`,
		"id": `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, "sum": `^[0-9a-f]{64}$`,
		"argon": `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$`, "crypt": `^\$6\$[A-Za-z0-9]{16}\$[./A-Za-z0-9]{86}$`,
		"jwt": `^eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\.[\w-]+\.[\w-]{43}$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(store.plain(name)) {
			t.Errorf("%s is %q", name, store.plain(name))
		}
	}
	for class, least := range map[string]int{`[A-Z]`: 3, `[0-9]`: 4, `[-_]`: 2} {
		if n := len(regexp.MustCompile(class).FindAllString(store.plain("policy"), -1)); n < least {
			t.Errorf("the policy password has %d of %s", n, class)
		}
	}
	if bcrypt.CompareHashAndPassword([]byte(store.plain("bc")), []byte(store.plain("plain"))) != nil {
		t.Error("bcrypt does not verify")
	}
	if hash, ok := strings.CutPrefix(store.plain("ht"), "bob:"); !ok ||
		bcrypt.CompareHashAndPassword([]byte(hash), []byte(store.plain("plain"))) != nil {
		t.Error("htpasswd does not verify")
	}
	for _, name := range []string{"ed", "rsa"} {
		signer, err := ssh.ParsePrivateKey([]byte(store.secrets[name]["ssh_private"].Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(ssh.MarshalAuthorizedKey(signer.PublicKey())); got != store.secrets[name]["ssh_public"].Reveal() {
			t.Errorf("%s: the SSH keys are no pair", name)
		}
	}
}

// openssl is a reader of crypt(5) that is not ours.
func TestSHA512CryptIsWhatOtherProgramsMake(t *testing.T) {
	t.Parallel()
	store, _, _ := ensured(t)
	salt := strings.Split(store.plain("crypt"), "$")[2]
	command := exec.Command("openssl", "passwd", "-6", "-salt", salt, "-stdin")
	command.Stdin = strings.NewReader(store.plain("plain") + "\n")
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != store.plain("crypt") {
		t.Errorf("openssl makes %s of it, we made %s", got, store.plain("crypt"))
	}
}

func TestTheCertificateServesItsHostsUnderItsCA(t *testing.T) {
	t.Parallel()
	store, _, _ := ensured(t)
	for name, roots := range map[string]string{"server": store.secrets["ca"]["cert"].Reveal(),
		"alone": store.secrets["alone"]["cert"].Reveal()} {
		pair, err := tls.X509KeyPair([]byte(store.secrets[name]["chain"].Reveal()), []byte(store.secrets[name]["key"].Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(roots)) {
			t.Fatal("no CA")
		}
		hosts := []string{"localhost"}
		if name == "server" {
			hosts = append(hosts, "203.0.113.10")
		}
		for _, server := range hosts {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: server}); err != nil {
				t.Errorf("%s for %s: %v", name, server, err)
			}
		}
	}
	if block, _ := pem.Decode([]byte(store.secrets["ca"]["key"].Reveal())); block == nil {
		t.Error("the CA has no key")
	}
}

func TestSecretsAreMadeOnceAndStayPrivate(t *testing.T) {
	t.Parallel()
	store, m, root := ensured(t)
	again, err := Open(store.files)
	if err != nil {
		t.Fatal(err)
	}
	made, err := again.Ensure(m, false, time.Now(), fill)
	if err != nil || len(made) > 0 {
		t.Fatalf("the second time made %v, %v", made, err)
	}
	for _, name := range store.Names() {
		for field, value := range store.secrets[name] {
			if again.secrets[name][field].Reveal() != value.Reveal() {
				t.Errorf("%s.%s changed", name, field)
			}
		}
	}
	for _, file := range []string{state.Secrets, PasswordsPath} {
		info, err := os.Stat(filepath.Join(root, file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	listed, err := os.ReadFile(filepath.Join(root, PasswordsPath))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(listed)) {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	if got := strings.Join(names, " "); got != "B64 HEX ID PLAIN POLICY" {
		t.Errorf("the password file lists %s", got)
	}
}

func TestAReaderOfTheDamagedStoreSeesNoSecret(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	os.MkdirAll(filepath.Join(root, "var/lib/oneclick"), 0o755)
	os.WriteFile(filepath.Join(root, state.Secrets), []byte(`{"a": {"": "hunter2-hunter2"`), 0o600)
	files, err := host.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	_, err = Open(files)
	want := "cannot read /var/lib/oneclick/secrets.json: it is damaged; bring the plain values back with: oneclick-agent secrets restore"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// What stands in the password file, sh reads back exactly, whatever it is.
func TestShReadsPasswordsBack(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	os.MkdirAll(filepath.Join(root, "root"), 0o755)
	os.MkdirAll(filepath.Join(root, "var/lib/oneclick"), 0o755)
	os.WriteFile(filepath.Join(root, PasswordsPath), []byte("THEIRS=kept\n"), 0o644)
	files, err := host.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	var every strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		every.WriteByte(c)
	}
	every.WriteString("ü€😀$(id)`id`\\")
	m, _ := manifest.Parse([]byte("version: 1\napp: {name: x}\nsecrets: {odd: {captured: true}}\n"), "app.yaml", nil)
	store, _ := Open(files)
	if err := store.Capture(map[string]string{"odd": every.String()}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ensure(m, false, time.Now(), fill); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(
		context.Background(),
		"sh",
		"-c",
		". "+filepath.Join(root, PasswordsPath)+`; printf '%s|%s' "$ODD" "$THEIRS"`,
	).Output()
	if err != nil || string(out) != every.String()+"|kept" {
		t.Errorf("sh reads %q, %v\nwant %q", out, err, every.String())
	}
}
