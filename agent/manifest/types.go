// Package manifest turns the bytes of app.yaml into a validated Manifest, every value with its position. It is
// pure: it touches no machine.
//
// The struct tags are the whole description of the format. yaml is the key; doc is what the JSON Schema says of
// it; enum lists the words it takes; required marks what must be there; kind marks the key that makes a step
// what it is; for says what the templates in it are used for; of lists the formats of secret that a key belongs to.
package manifest

import (
	"fmt"
	"io/fs"
	"slices"
	"time"

	"oneclick-agent/agent/problem"
)

// Manifest describes one Marketplace image.
type Manifest struct {
	Version     int                `yaml:"version" required:"true" doc:"Version of this format: 1."`
	App         App                `yaml:"app" required:"true" doc:"What the image offers."`
	Secrets     map[string]*Secret `yaml:"secrets" doc:"Values made once for each Droplet, before anything uses them."`
	Database    *Database          `yaml:"database" doc:"The database that the app uses."`
	FirstBoot   []Step             `yaml:"first_boot" doc:"What happens once on each new Droplet, in this order."`
	Gate        *Gate              `yaml:"gate" doc:"Services held back until setup is done."`
	FirstLogin  *FirstLogin        `yaml:"first_login" doc:"What the customer is asked at the first SSH login."`
	MOTD        Template           `yaml:"motd" for:"message" doc:"Text for the message of the day. Every local user can read it."`
	PreSnapshot *PreSnapshot       `yaml:"pre_snapshot" doc:"What the image cleaning and check should know."`

	file      string
	positions map[string]problem.Position
	graph     map[string]secretNeeds
	units     []string
	holder
}

// Position is where the value at path ("first_boot[3].mode") stands.
func (m *Manifest) Position(path string) problem.Position {
	if at, ok := m.positions[path]; ok {
		return at
	}
	return problem.Position{File: m.file}
}

// Units are the systemd units that the manifest names, each once, as they are written: a name may hold a template.
func (m *Manifest) Units() []string { return m.units }

// Engine is the one database engine that SQL is quoted for, or "".
func (m *Manifest) Engine() string {
	if m.Database == nil || len(m.Database.Engine) == 0 {
		return ""
	}
	return m.Database.Main()[0]
}

// Duration is a time span: 90s, 15m, 2h, 825d, 10y.
type Duration time.Duration

// Mode is a file's permission bits, written in octal.
type Mode fs.FileMode

// String is the mode as chmod takes it.
func (m Mode) String() string {
	mode := fs.FileMode(m)
	bits := uint32(mode.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return fmt.Sprintf("%04o", bits)
}

// Words is one word or a list of words.
type Words []string

// Value is a scalar, a list or a mapping of an edited file; strings in it are templates.
type Value struct{ Any any }

// App is what the image offers.
type App struct {
	Name    string   `yaml:"name" required:"true" doc:"Name for people."`
	Version string   `yaml:"version" doc:"Version of the app."`
	Docs    string   `yaml:"docs" doc:"Address of the documentation."`
	URL     Template `yaml:"url" for:"address" doc:"Address that the customer opens; none for no web app; http://IP by default."`
}

// NoURL is what app.url says of an app that is not opened in a browser.
const NoURL = "none"

// urlNeedsAnswers reports whether the app's address is made from answers.
func (m *Manifest) urlNeedsAnswers() bool { return names(m.App.URL, "answers") }

// Secret is one value, key pair or certificate that is made on the Droplet.
type Secret struct {
	Format string `yaml:"format" enum:"alphanumeric,hex,base64,password,uuid,ed25519,rsa,ca,certificate" doc:"What is made."`

	Length   int      `yaml:"length" of:"alphanumeric password" doc:"Characters."`
	Bytes    int      `yaml:"bytes" of:"hex base64" doc:"Random bytes before encoding; 32 where nothing is said."`
	Upper    int      `yaml:"upper" of:"password" doc:"At least this many capital letters."`
	Digits   int      `yaml:"digits" of:"password" doc:"This many digits."`
	Symbols  int      `yaml:"symbols" of:"password" doc:"This many symbols."`
	Set      string   `yaml:"symbol_set" of:"password" doc:"The symbols to choose from."`
	Bits     int      `yaml:"bits" of:"rsa ca certificate" doc:"Size of an RSA key, in bits; 3072 where nothing is said."`
	Name     Template `yaml:"name" for:"material" of:"ca certificate" doc:"Common name of the certificate."`
	SignedBy string   `yaml:"signed_by" of:"certificate" doc:"The secret of format ca that signs it."`
	Usage    Words    `yaml:"usage" enum:"server,client" of:"certificate" doc:"What it proves the holder to be; server where nothing is said."`
	Key      string   `yaml:"key" enum:"ec,rsa" of:"ca certificate" doc:"Kind of the key; ec (P-256) where nothing is said."`

	Subject map[string]Template `yaml:"subject" for:"material" of:"ca certificate" doc:"Further parts of the subject, as organization."`

	Hosts []Template `yaml:"hosts" for:"material" of:"certificate" doc:"Host names and addresses it is valid for."`
	Valid Duration   `yaml:"valid" of:"ca certificate jwt-hs256" doc:"How long it is valid."`

	Derive string `yaml:"derive" enum:"bcrypt,argon2id,sha256,sha512-crypt,htpasswd,jwt-hs256" doc:"How it comes from another secret."`

	From     string           `yaml:"from" of:"bcrypt argon2id sha256 sha512-crypt htpasswd jwt-hs256" doc:"The secret it is computed from."`
	User     Template         `yaml:"user" for:"material" of:"htpasswd" doc:"User name in the htpasswd line; admin where nothing is said."`
	Claims   map[string]Value `yaml:"claims" for:"material" of:"jwt-hs256" doc:"Claims of the token."`
	Captured bool             `yaml:"captured" doc:"Filled by the capture of a run step."`

	holder
}

// SubjectParts are the parts that a certificate's subject may have beside its common name.
var SubjectParts = []string{"organization", "organizational_unit", "country", "province", "locality"}

// Proves reports whether a certificate is for this usage.
func (s *Secret) Proves(usage string) bool {
	return slices.Contains(s.Usage, usage) || len(s.Usage) == 0 && usage == "server"
}

// Kind is the secret's format or derivation, or "captured".
func (s *Secret) Kind() string {
	switch {
	case s.Captured:
		return "captured"
	case s.Derive != "":
		return s.Derive
	case s.Format != "":
		return s.Format
	}
	return "alphanumeric"
}

// Fields are what a reference may name behind the secret: {{ .secrets.server.key }}. Empty means a plain value.
func (s *Secret) Fields() []string {
	switch s.Kind() {
	case "ed25519", "rsa":
		return []string{"private", "public", "ssh_private", "ssh_public"}
	case "ca":
		return []string{"cert", "key"}
	case "certificate":
		return []string{"cert", "key", "chain"}
	}
	return nil
}

// Database is the app's database: a managed one when the customer chose it, else a local one.
type Database struct {
	Engine       Words    `yaml:"engine" required:"true" enum:"postgresql,mysql,valkey,mongodb,kafka,opensearch" doc:"One, or a list."`
	Managed      string   `yaml:"managed" enum:"never,optional,required" doc:"Whether a managed database is used; optional by default."`
	TLS          string   `yaml:"tls" enum:"require,verify-ca,verify-full" doc:"The check of the server; the best possible by default."`
	CA           string   `yaml:"ca" doc:"File with the cluster's CA; /etc/oneclick/database-ca.crt is taken where it exists."`
	Local        *Account `yaml:"local" doc:"Made on the image's own server when no managed one was chosen."`
	Role         *Account `yaml:"role" doc:"The app's own role on a managed cluster, instead of doadmin."`
	DisableLocal []string `yaml:"disable_local" doc:"Units stopped and disabled once a managed database takes their place."`
	Services     []string `yaml:"services" doc:"Units that get DATABASE_URL."`
	Within       Duration `yaml:"within" doc:"How long the database may take to answer; 15m where nothing is said."`
}

// keystore is the engine that is a second database beside another one.
const keystore = "valkey"

// Main are the engines that the main database may have; the first one is the local server's.
func (d *Database) Main() Words {
	main := slices.DeleteFunc(slices.Clone(d.Engine), func(engine string) bool { return engine == keystore })
	if len(main) == 0 {
		return d.Engine
	}
	return main
}

// HasKeystore reports whether a keystore is used beside the main database.
func (d *Database) HasKeystore() bool { return len(d.Main()) < len(d.Engine) }

// Account is a user and a database of its own.
type Account struct {
	Name     string  `yaml:"name" required:"true" doc:"Role or database name."`
	User     string  `yaml:"user" doc:"User, where it differs from the name."`
	Database string  `yaml:"database" doc:"Database, where it differs from the name."`
	Password string  `yaml:"password" required:"true" doc:"Name of the secret that is its password."`
	Admins   []Admin `yaml:"admins" doc:"Administrators of the image's own server, beside the app's account."`
}

// Admin is an administrator of the image's own server.
type Admin struct {
	User     string `yaml:"user" required:"true" doc:"Its name; root of MySQL and postgres are those that the server has."`
	Password string `yaml:"password" required:"true" doc:"Name of the secret that is its password."`
}

// untilFirstLogin is the gate that first login opens.
const untilFirstLogin = "first_login"

// Gate holds services back.
type Gate struct {
	Until    string   `yaml:"until" required:"true" enum:"first_boot,first_login" doc:"What opens the gate."`
	Services []string `yaml:"services" required:"true" doc:"Units that do not start before."`
}

// FirstLogin is what the customer is asked, and what is done with the answers.
type FirstLogin struct {
	Questions []Question `yaml:"questions" doc:"Asked in this order."`
	Steps     []Step     `yaml:"steps" doc:"Done once all questions are answered."`
}

// Question is one question at first login.
type Question struct {
	Name         string              `yaml:"name" required:"true" doc:"The answer is {{ .answers.NAME }}."`
	Ask          string              `yaml:"ask" required:"true" doc:"The question."`
	Type         string              `yaml:"type" enum:"text,domain,email,password,secret,choice,confirm,number,url" doc:"Text by default."`
	Optional     bool                `yaml:"optional" doc:"May be left empty."`
	Help         string              `yaml:"help" doc:"One line below the question."`
	Min          int                 `yaml:"min" doc:"Least characters, or the least number."`
	Max          int                 `yaml:"max" doc:"Most characters, or the greatest number."`
	Pattern      string              `yaml:"pattern" doc:"Regular expression that the whole answer must match."`
	Generate     bool                `yaml:"generate" doc:"A password can be generated."`
	Options      []string            `yaml:"options" doc:"The choices."`
	OptionsFrom  Command             `yaml:"options_from" for:"argument" doc:"Command that prints the choices, one a line."`
	OptionsStdin *Template           `yaml:"options_stdin" for:"input" doc:"Standard input of that command; the place for a secret."`
	OptionsEnv   map[string]Template `yaml:"options_env" for:"input" doc:"Environment of that command; another such place."`
	MustBeYes    bool                `yaml:"must_be_yes" doc:"A confirm that goes on only with yes, such as terms to accept."`
	Default      *Value              `yaml:"default" for:"proposal" doc:"Taken when nothing is entered."`
	FromEnv      string              `yaml:"from_env" doc:"Name in /etc/environment that answers in advance."`
	Check        *Check              `yaml:"check" doc:"Tries the answer out."`
	When         Template            `yaml:"when" for:"condition" doc:"Asked only where this is true."`

	// Path is where the question stands in the manifest.
	Path string
	holder
}

// Check tries an answer out over HTTP.
type Check struct {
	HTTP   Template `yaml:"http" for:"address" required:"true" doc:"Address that must answer with a status below 400."`
	Header Template `yaml:"header" for:"header" doc:"Header to send; {{ .value }} is the answer."`
}

// PreSnapshot adds to the image cleaning and check.
type PreSnapshot struct {
	Remove []string `yaml:"remove" doc:"Paths removed before the snapshot; * and ** as in a shell."`
	Clean  []Choice `yaml:"clean" doc:"Optional cleanings that are wanted."`
	Accept []Accept `yaml:"accept" doc:"Findings that are intended."`
}

// Choice names an optional cleaning.
type Choice struct {
	ID      string `yaml:"id" required:"true" doc:"Id of the cleaning; pre-snapshot --list has all."`
	Subject string `yaml:"subject" doc:"The path; all where nothing is said."`
}

// Accept names one finding that is intended.
type Accept struct {
	Check   string `yaml:"check" required:"true" doc:"Id of the check."`
	Subject string `yaml:"subject" doc:"The path, account or unit; all where nothing is said."`
	Reason  string `yaml:"reason" required:"true" doc:"Why it is intended; shown in the report."`
}
