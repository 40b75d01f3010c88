package secret

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/state"
)

// damagedSuffix is added to the name under which a damaged store is kept.
const damagedSuffix = ".damaged"

// Restore puts the values back that the store lost and PasswordsPath lists, and returns their names. A store that is damaged
// is replaced by them, and kept beside.
func (s *Store) Restore(m *manifest.Manifest) (restored []string, err error) {
	listed, err := s.fromPasswords(m)
	if err != nil {
		return nil, err
	}
	return restored, s.repair(func() error {
		for _, name := range slices.Sorted(maps.Keys(listed)) {
			if !s.Has(name) && listed[name] != "" {
				s.secrets[name] = Fields{"": New(listed[name])}
				restored = append(restored, name)
			}
		}
		return nil
	})
}

// RestoreOne puts one lost secret, or answer, back as somebody found it: a value, a private key, or a certificate together with
// its key. A store that is damaged is replaced by that, and kept beside.
func (s *Store) RestoreOne(m *manifest.Manifest, name, text string) error {
	fields, err := restored(m, name, text)
	if err != nil {
		return fmt.Errorf("cannot restore %s: %w", name, err)
	}
	if m.Secrets[name] == nil {
		name = answerPrefix + name
	}
	return s.repair(func() error {
		if s.Has(name) {
			return fmt.Errorf("cannot restore %s: it is not lost; see it with: oneclick-agent secrets show %s; "+
				"give it another value with: oneclick-agent rotate %s", name, name, name)
		}
		s.secrets[name] = fields
		return nil
	})
}

// repair is change for a store that may be damaged.
func (s *Store) repair(change func() error) error {
	if err := state.MakeDirectory(s.files); err != nil {
		return err
	}
	lock, err := s.files.LockWithin(state.SecretsLock, lockWithin)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := s.Reload(); errors.Is(err, state.ErrDamaged) {
		if err := s.keepDamaged(); err != nil {
			return err
		}
		s.secrets, s.previous = map[string]Fields{}, map[string]Fields{}
	} else if err != nil {
		return err
	}
	if err := change(); err != nil || len(s.secrets) == 0 {
		return err
	}
	return s.save()
}

// keepDamaged keeps what is left of a damaged store: somebody may read a value out of it.
func (s *Store) keepDamaged() error {
	data, err := s.files.ReadFile(state.Secrets, maxPasswords)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = s.files.WriteFile(state.Secrets+damagedSuffix, data, host.Attributes{Mode: new(fs.FileMode(0o600)), Owner: &host.Owner{}})
	}
	return err
}

// restored are the fields of a secret or an answer, made from what somebody found.
func restored(m *manifest.Manifest, name, text string) (Fields, error) {
	spec := m.Secrets[name]
	kind := ""
	switch {
	case spec != nil && spec.Derive != "":
		return nil, fmt.Errorf("it is computed from %s, and made again by itself once that is back", spec.From)
	case spec != nil:
		kind = spec.Kind()
	case !isHiddenQuestion(m, name):
		return nil, errors.New("the manifest has no such secret; see: oneclick-agent secrets list")
	}
	switch kind {
	case "ed25519", "rsa":
		key, err := ssh.ParseRawPrivateKey([]byte(text))
		if err != nil {
			return nil, errors.New("what was entered is no private key without a passphrase, in PEM or as OpenSSH writes one")
		}
		return restoredPair(kind, key)
	case "ca", "certificate":
		return restoredCertificate(kind, text)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if value == "" {
		return nil, errors.New("nothing was entered; its value is read from standard input")
	}
	return Fields{"": New(value)}, nil
}

func isHiddenQuestion(m *manifest.Manifest, name string) bool {
	return m.FirstLogin != nil && slices.ContainsFunc(m.FirstLogin.Questions, func(q manifest.Question) bool {
		return q.Name == name && q.Hidden()
	})
}

// restoredPair is a key pair, from its private key.
func restoredPair(kind string, key any) (Fields, error) {
	if pointer, ok := key.(*ed25519.PrivateKey); ok { // as package ssh has them
		key = *pointer
	}
	switch private := key.(type) {
	case ed25519.PrivateKey:
		if kind == "ed25519" {
			return keyPair(private, private.Public())
		}
	case *rsa.PrivateKey:
		if kind == "rsa" {
			return keyPair(private, private.Public())
		}
	}
	return nil, fmt.Errorf("what was entered is not a private key of the kind %s", kind)
}

// restoredCertificate takes a certificate, its key and what else the chain has from PEM.
func restoredCertificate(kind, text string) (Fields, error) {
	var certificates []*pem.Block
	key := ""
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			certificates = append(certificates, block)
		case "PRIVATE KEY":
			key = string(pem.EncodeToMemory(block))
		}
	}
	if len(certificates) == 0 || key == "" {
		return nil, errors.New("what was entered holds no certificate and its key: enter both, as PEM, one behind the other")
	}
	chain := ""
	for _, block := range certificates {
		chain += string(pem.EncodeToMemory(block))
	}
	if _, err := tls.X509KeyPair([]byte(chain), []byte(key)); err != nil {
		return nil, errors.New("the certificate that was entered and the key do not belong together")
	}
	first := string(pem.EncodeToMemory(certificates[0]))
	if kind == "ca" {
		if certificate, err := x509.ParseCertificate(certificates[0].Bytes); err != nil || !certificate.IsCA {
			return nil, errors.New("the certificate that was entered is not that of an authority")
		}
		return Fields{"cert": New(first), "key": New(key)}, nil
	}
	return Fields{"cert": New(first), "key": New(key), "chain": New(chain)}, nil
}

// fromPasswords are the values of the manifest's secrets and questions as PasswordsPath lists them; none where it is gone.
func (s *Store) fromPasswords(m *manifest.Manifest) (map[string]string, error) {
	have, err := s.files.ReadFile(PasswordsPath, maxPasswords)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	byName := map[string]string{}
	for _, entry := range entries(string(have)) {
		byName[entry.name] = entry.value
	}
	values := map[string]string{}
	for name, spec := range m.Secrets {
		if spec.Derive == "" && spec.Fields() == nil {
			values[name] = byName[strings.ToUpper(name)]
		}
	}
	if m.FirstLogin != nil {
		for _, q := range m.FirstLogin.Questions {
			if q.Type == "password" {
				values[answerPrefix+q.Name] = byName[strings.ToUpper(q.Name)]
			}
		}
	}
	return values, nil
}
