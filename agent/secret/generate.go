package secret

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"github.com/sethvargo/go-password/password"
	"golang.org/x/crypto/ssh"

	"oneclick-agent/agent/manifest"
)

const (
	lettersAndDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	defaultLength    = 32 // letters and digits: 190 bits
	defaultRSABits   = 3072
)

// generate makes a secret that depends on no other.
func generate(spec *manifest.Secret) (Fields, error) {
	switch spec.Kind() {
	case "alphanumeric":
		return plain(alphanumeric(spec.Length))
	case "hex":
		random, err := randomBytes(spec.Bytes)
		return Fields{"": New(hex.EncodeToString(random))}, err
	case "base64":
		random, err := randomBytes(spec.Bytes)
		return Fields{"": New(base64.StdEncoding.EncodeToString(random))}, err
	case "password":
		return plain(policyPassword(spec))
	case "uuid":
		return plain(uuid())
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return keyPair(key, key.Public())
	case "rsa":
		key, err := rsa.GenerateKey(rand.Reader, orDefault(spec.Bits, defaultRSABits))
		if err != nil {
			return nil, err
		}
		return keyPair(key, key.Public())
	}
	return nil, fmt.Errorf("cannot make a secret of kind %q", spec.Kind())
}

func plain(value string, err error) (Fields, error) { return Fields{"": New(value)}, err }

func orDefault(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

func randomBytes(n int) ([]byte, error) {
	random := make([]byte, orDefault(n, manifest.DefaultBytes))
	_, err := rand.Read(random)
	return random, err
}

// Random is a password that is kept nowhere else: 32 letters and digits.
func Random() (string, error) { return alphanumeric(0) }

func alphanumeric(length int) (string, error) {
	out := make([]byte, orDefault(length, defaultLength))
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(lettersAndDigits))))
		if err != nil {
			return "", err
		}
		out[i] = lettersAndDigits[n.Int64()]
	}
	return string(out), nil
}

// policyPassword draws until there are enough capital letters; go-password itself counts only digits and symbols.
func policyPassword(spec *manifest.Secret) (string, error) {
	generator, err := password.NewGenerator(&password.GeneratorInput{Symbols: spec.SymbolSet(), Reader: rand.Reader})
	if err != nil {
		return "", err
	}
	const draws = 100_000
	for range draws {
		drawn, err := generator.Generate(spec.PasswordLength(), spec.Digits, spec.Symbols, false, true)
		if err != nil {
			return "", err
		}
		capitals := 0
		for _, r := range drawn {
			if r >= 'A' && r <= 'Z' {
				capitals++
			}
		}
		if capitals >= spec.Upper {
			return drawn, nil
		}
	}
	return "", fmt.Errorf("cannot draw a password with %d capital letters; ask for fewer", spec.Upper)
}

// uuid is version 4 of RFC 9562.
func uuid() (string, error) {
	b, err := randomBytes(16)
	if err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// keyPair writes a key as PEM (PKCS #8 and PKIX) and in OpenSSH's formats.
func keyPair(private any, public any) (Fields, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	pkix, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	sshPrivate, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	sshPublic, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return Fields{
		"private":     New(encodePEM("PRIVATE KEY", pkcs8)),
		"public":      New(encodePEM("PUBLIC KEY", pkix)),
		"ssh_private": New(string(pem.EncodeToMemory(sshPrivate))),
		"ssh_public":  New(string(ssh.MarshalAuthorizedKey(sshPublic))),
	}, nil
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// certificateKey makes the key of a certificate, and writes it as PEM.
func certificateKey(spec *manifest.Secret) (key crypto.Signer, text string, err error) {
	if spec.Key == "rsa" {
		key, err = rsa.GenerateKey(rand.Reader, orDefault(spec.Bits, defaultRSABits))
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return key, encodePEM("PRIVATE KEY", der), err
}

func parsePEM(text Secret, want string) ([]byte, error) {
	block, _ := pem.Decode([]byte(text.Reveal()))
	if block == nil || block.Type != want {
		return nil, errors.New("the store holds no " + want + " in its place")
	}
	return block.Bytes, nil
}
