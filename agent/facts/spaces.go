package facts

import (
	"oneclick-agent/agent/database"
	"oneclick-agent/agent/secret"
)

// appliedSpaces is a bucket with its key in the clear, for a file that only root reads.
type appliedSpaces struct{ Host, Bucket, Region, AccessKey, SecretKey string }

func appliedBucket(s *database.Spaces) *appliedSpaces {
	if s == nil {
		return nil
	}
	return &appliedSpaces{s.Host, s.Bucket, s.Region, s.AccessKey, s.SecretKey.Reveal()}
}

func (a *appliedSpaces) spaces() *database.Spaces {
	if a == nil {
		return nil
	}
	return &database.Spaces{Host: a.Host, Bucket: a.Bucket, Region: a.Region, AccessKey: a.AccessKey, SecretKey: secret.New(a.SecretKey)}
}

// findSpaces takes up the bucket that the customer chose. The one that everything was made for goes on being used where its
// credentials are gone or cannot be read: some people remove them once they were read.
func (f *Facts) findSpaces() {
	found, err := database.ReadSpaces(f.Host.Files)
	if err != nil {
		f.Host.Report("warning: " + err.Error())
	}
	if f.Spaces = found; found == nil {
		f.Spaces = f.known.AppliedSpaces.spaces()
	}
	for _, bucket := range []*database.Spaces{f.Spaces, f.known.AppliedSpaces.spaces()} {
		if bucket != nil {
			f.Redact.Add("key of Spaces", bucket.SecretKey)
		}
	}
}

// spacesChanged reports whether everything was made for another bucket, or another key.
func (f *Facts) spacesChanged() bool {
	return f.Spaces != nil && (f.known.AppliedSpaces == nil || *f.known.AppliedSpaces != *appliedBucket(f.Spaces))
}
