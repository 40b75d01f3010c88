package secret

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-crypt/x/crypt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"oneclick-agent/agent/manifest"
)

const (
	bcryptCost = 12
	// The second recommended option of RFC 9106 is 64 MiB, which a 512 MB Droplet cannot spare during its boot;
	// OWASP's equivalent with 19 MiB is used.
	argonTime, argonMemory, argonThreads, argonKey = 2, 19 << 10, 1, 32

	sha512Rounds     = 5000 // crypt(5)'s own default, which is then not written into the result
	defaultTokenLife = 10 * 365 * 24 * time.Hour
)

// derive computes a secret from the value of another.
func derive(spec *manifest.Secret, text filled, from string, now time.Time) (Fields, error) {
	switch spec.Derive {
	case "bcrypt":
		return plain(bcryptHash(from))
	case "htpasswd":
		hash, err := bcryptHash(from)
		return plain(cmp.Or(text.user, "admin")+":"+hash, err)
	case "argon2id":
		salt, err := randomBytes(16)
		key := argon2.IDKey([]byte(from), salt, argonTime, argonMemory, argonThreads, argonKey)
		encode := base64.RawStdEncoding.EncodeToString
		return plain(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
			encode(salt), encode(key)), err)
	case "sha256":
		sum := sha256.Sum256([]byte(from))
		return Fields{"": New(hex.EncodeToString(sum[:]))}, nil
	case "sha512-crypt":
		salt, err := alphanumeric(16)
		key := crypt.KeySHACrypt(sha512.New, []byte(from), []byte(salt), sha512Rounds)
		return plain("$6$"+salt+"$"+string(key), err)
	case "jwt-hs256":
		return token(spec, from, text.claims, now)
	}
	return nil, fmt.Errorf("cannot derive a secret as %q", spec.Derive)
}

func bcryptHash(from string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(from), bcryptCost)
	if errors.Is(err, bcrypt.ErrPasswordTooLong) {
		return "", errors.New("bcrypt takes at most 72 bytes; make the secret it is derived from shorter")
	}
	return string(hash), err
}

// token is a JSON Web Token signed with HMAC SHA-256 (RFC 7519). The key is the text of the other secret.
func token(spec *manifest.Secret, key string, claims map[string]any, now time.Time) (Fields, error) {
	valid := spec.Valid.Duration()
	if valid == 0 {
		valid = defaultTokenLife
	}
	body := map[string]any{"iat": now.Unix(), "exp": now.Add(valid).Unix()}
	for name, value := range claims {
		body[name] = value
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(encoded)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed))
	return Fields{"": New(signed + "." + encode(mac.Sum(nil)))}, nil
}
