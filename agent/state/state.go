// Package state says where everything durable of ours stands on a Droplet, and reads and writes the files of it that
// hold JSON, in one way for all of them.
package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"oneclick-agent/agent/host"
)

// What the vendor writes into the image, and the customer into cloud-init's user-data.
const (
	// Configuration is the directory of the vendor's files; a manifest's templates lie beside it.
	Configuration = "/etc/oneclick"
	Manifest      = Configuration + "/app.yaml"
	// GivenAnswers are answers to the questions of first login that were given in advance.
	GivenAnswers = Configuration + "/answers.yaml"
	// DatabaseCA is the certificate of the authority that signed the managed database's.
	DatabaseCA = Configuration + "/database-ca.crt"
	// DatabaseEnvironment is DATABASE_URL and its parts, for units and root's shells.
	DatabaseEnvironment = Configuration + "/database.env"
	// Usual is how many seconds steps took in a trial of the image, by their IDs.
	Usual = Configuration + "/usual.json"
	// RanOnImage is there once pre-snapshot saw that first boot had run on the machine that the image is made from.
	RanOnImage = Configuration + "/first-boot-ran"
)

// What the agent keeps. All of it is private to root.
const (
	Directory = "/var/lib/oneclick"
	// Lock is held by whatever changes this Droplet.
	Lock = Directory + "/lock"
	// Journal is the record of first boot, LoginJournal that of the steps of first login.
	Journal      = Directory + "/journal.jsonl"
	LoginJournal = Directory + "/login.jsonl"
	// Secrets are the values themselves; a second copy stands beside them.
	Secrets     = Directory + "/secrets.json"
	SecretsLock = Directory + "/secrets.lock"
	// Answers are what the customer said at first login.
	Answers     = Directory + "/answers.json"
	AnswersLock = Directory + "/answers.lock"
	// Droplet is who the Droplet was, and Database what its database was, when everything was last made for them.
	Droplet  = Directory + "/droplet.json"
	Database = Directory + "/database.json"
	// Due is the mark of cloud-init's hook: the id of the Droplet that it handed over.
	Due = Directory + "/due"
	// Apply is there while answers are to be applied.
	Apply = Directory + "/apply"
	// Preset is there until the answers that were given in advance were looked at.
	Preset = Directory + "/preset"
	// Changing is there while a change of a complete setup is under way.
	Changing = Directory + "/changing"
	// Gate holds one file for each unit that was held back and may start.
	Gate = Directory + "/gate"
	// Output keeps what commands printed, without secrets.
	Output = Directory + "/output"
	// Support is the archive for a support person, unless another place was named.
	Support = Directory + "/support.tar.gz"
	// Captured holds what a command printed as long as the secret that is captured from it is not stored: one file for
	// each, by the secret's name.
	Captured = Directory + "/captured"
	// NextMaintenance is the next content of Debian's file for MariaDB's maintenance account, until server and file agree.
	NextMaintenance = Directory + "/debian.cnf"
)

// What is made anew at each boot. Everybody can read it.
const (
	Runtime = "/run/oneclick"
	// Message is the message of the day.
	Message = Runtime + "/motd"
	// Finished is there as long as first boot is known to be complete: logins look for it with shell built-ins.
	Finished = Runtime + "/finished"
	// WizardLock is held by the terminal at which the questions of first login are asked; who that is answers at WizardSocket.
	WizardLock   = Runtime + "/first-login.lock"
	WizardSocket = Runtime + "/first-login.sock"
	// SnapshotLock is held by pre-snapshot. It is in memory, where no snapshot has it.
	SnapshotLock = Runtime + "/pre-snapshot.lock"
)

// maxFile is the largest file of JSON, in bytes.
const maxFile = 16 << 20

// private is what every file and directory of Directory has: it is root's, and nobody else's.
func private(mode fs.FileMode) host.Attributes {
	return host.Attributes{Mode: &mode, Owner: &host.Owner{}}
}

// MakeDirectory makes Directory.
func MakeDirectory(files *host.Root) error { return files.MakeDirectory(Directory, private(0o700)) }

// ErrDamaged says that a file is not as it was written.
var ErrDamaged = errors.New("it is damaged")

// Read reads a file of JSON into v. Found is false where there is none. A file that is damaged is an error that says
// what remedy is.
func Read(files *host.Root, path string, v any, remedy string) (found bool, err error) {
	data, err := files.ReadFile(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, decode(path, data, v, remedy)
}

func decode(path string, data []byte, v any, remedy string) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	_, behind := decoder.Token() // More() takes a bracket too many for an end
	// The decoder's own message could quote a secret.
	if err != nil || behind != io.EOF || bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return fmt.Errorf("cannot read %s: %w; %s", path, ErrDamaged, remedy)
	}
	return nil
}

// Write writes v to a file of JSON, durably.
func Write(files *host.Root, path string, v any) error {
	data, err := encode(path, v)
	if err != nil {
		return err
	}
	_, err = files.WriteFile(path, data, private(0o600))
	return err
}

func encode(path string, v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("cannot write %s: its content is no JSON", path)
	}
	return out.Bytes(), nil
}

// Mark makes an empty file, which says something by being there.
func Mark(files *host.Root, path string) error {
	_, err := files.WriteFile(path, nil, private(0o600))
	return err
}

// sealed is a document with the checksum that tells whether a byte of it changed.
type sealed struct {
	Sum     string          `json:"sha256"`
	Content json.RawMessage `json:"content"`
}

// copyOf is where the second copy of a sealed file stands.
func copyOf(path string) string { return path + ".copy" }

// WriteSealed writes v to a file with a checksum, and to a second copy of it.
func WriteSealed(files *host.Root, path string, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot write %s: its content is no JSON", path)
	}
	data, err := encode(path, sealed{sum(content), content})
	if err != nil {
		return err
	}
	// Side by side, so that the file system joins their flushes.
	var copyError error
	var group sync.WaitGroup
	group.Go(func() { _, copyError = files.WriteFile(copyOf(path), data, private(0o600)) })
	_, err = files.WriteFile(path, data, private(0o600))
	group.Wait()
	return errors.Join(err, copyError)
}

func sum(content []byte) string {
	var compact bytes.Buffer
	if json.Compact(&compact, content) != nil {
		return ""
	}
	digest := sha256.Sum256(compact.Bytes())
	return hex.EncodeToString(digest[:])
}

// ReadSealed reads a sealed file into v. Where the file is damaged or gone, its copy is read, and repaired tells;
// where both are, that is an error that says what remedy is.
func ReadSealed(files *host.Root, path string, v any, remedy string) (found, repaired bool, err error) {
	found, err = readSealed(files, path, v, remedy)
	if found && err == nil {
		return true, false, nil
	}
	if foundCopy, copyError := readSealed(files, copyOf(path), v, remedy); foundCopy && copyError == nil {
		return true, true, nil
	} else if err == nil {
		err = copyError
	}
	return found, false, err
}

func readSealed(files *host.Root, path string, v any, remedy string) (found bool, err error) {
	var s sealed
	if found, err = Read(files, path, &s, remedy); !found || err != nil {
		return found, err
	}
	if s.Sum == "" || sum(s.Content) != s.Sum {
		return true, fmt.Errorf("cannot read %s: %w; %s", path, ErrDamaged, remedy)
	}
	return true, decode(path, s.Content, v, remedy)
}
