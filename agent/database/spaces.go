package database

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/render"
	"oneclick-agent/agent/secret"
)

// SpacesPath is where DigitalOcean puts the key of the Spaces bucket that was chosen. It is read, never changed.
const SpacesPath = "/root/.digitalocean_spaces_credentials"

// Spaces is a bucket, and the key to it.
type Spaces struct {
	Host, Bucket, Region, AccessKey string
	SecretKey                       secret.Secret
}

// ReadSpaces reads the file. It is nil where there is none, and as long as one of the values is missing.
func ReadSpaces(files *host.Root) (*Spaces, error) {
	data, err := files.ReadFile(SpacesPath, maxCredentials)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	values, _, err := keyValues(data, SpacesPath)
	if err != nil {
		return nil, err
	}
	read := map[string]string{}
	for _, key := range []string{"spaces_host", "spaces_bucket_name", "spaces_region", "spaces_access_key_id", "spaces_secret_key"} {
		value := values[key]
		if value == "" {
			return nil, nil // the file is still being written
		}
		if len(value) > maxValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("cannot use %s: the value of %s is too long or holds control characters", SpacesPath, key)
		}
		read[key] = value
	}
	return &Spaces{
		Host: read["spaces_host"], Bucket: read["spaces_bucket_name"], Region: read["spaces_region"],
		AccessKey: read["spaces_access_key_id"], SecretKey: secret.New(read["spaces_secret_key"]),
	}, nil
}

// Data is the bucket as templates see it, with nothing in it where there is none. Asked is called when the text of its key
// is asked for.
func (s *Spaces) Data(asked func()) map[string]any {
	chosen := s != nil
	if !chosen {
		s = &Spaces{}
	}
	return map[string]any{
		"chosen": chosen, "host": s.Host, "bucket": s.Bucket, "region": s.Region, "access_key": s.AccessKey,
		"secret_key": render.NewValue(s.SecretKey.Reveal(), asked),
	}
}
