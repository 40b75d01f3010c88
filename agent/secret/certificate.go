package secret

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"

	"oneclick-agent/agent/manifest"
)

const (
	defaultAuthorityValid   = 10 * 365 * 24 * time.Hour
	defaultCertificateValid = 825 * 24 * time.Hour // the most that Apple's systems accept
	// clockSkew lets a certificate be used by machines whose clock is behind ours.
	clockSkew = 24 * time.Hour
)

func template(text filled, valid, fallback time.Duration, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	if valid == 0 {
		valid = fallback
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: text.subjectName(),
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(valid), BasicConstraintsValid: true,
	}, nil
}

// subjectName is the common name with what else the description says of the subject.
func (f filled) subjectName() pkix.Name {
	name := pkix.Name{CommonName: f.name}
	for part, to := range map[string]*[]string{
		"organization": &name.Organization, "organizational_unit": &name.OrganizationalUnit, "country": &name.Country,
		"province": &name.Province, "locality": &name.Locality,
	} {
		if text := f.subject[part]; text != "" {
			*to = []string{text}
		}
	}
	return name
}

// authority makes a certificate authority of the Droplet's own.
func authority(spec *manifest.Secret, text filled, now time.Time) (Fields, error) {
	certificate, err := template(text, spec.Valid.Duration(), defaultAuthorityValid, now)
	if err != nil {
		return nil, err
	}
	certificate.IsCA, certificate.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	key, keyPEM, err := certificateKey(spec)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return Fields{"cert": New(encodePEM("CERTIFICATE", der)), "key": New(keyPEM)}, nil
}

// certificate makes a certificate for a server, a client, or both, signed by ca or, where that is nil, by itself.
func certificate(spec *manifest.Secret, text filled, ca Fields, now time.Time) (Fields, error) {
	if text.name == "" && len(text.hosts) > 0 {
		text.name = text.hosts[0]
	}
	leaf, err := template(text, spec.Valid.Duration(), defaultCertificateValid, now)
	if err != nil {
		return nil, err
	}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	if spec.Key == "rsa" {
		leaf.KeyUsage |= x509.KeyUsageKeyEncipherment // for servers that still exchange keys by RSA
	}
	if spec.Proves("server") {
		leaf.ExtKeyUsage = append(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if spec.Proves("client") {
		leaf.ExtKeyUsage = append(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, host := range text.hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else if host != "" {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	key, keyPEM, err := certificateKey(spec)
	if err != nil {
		return nil, err
	}
	issuer, signer, chain := leaf, crypto.Signer(key), ""
	if ca != nil {
		if issuer, signer, err = openAuthority(ca); err != nil {
			return nil, err
		}
		chain = ca["cert"].Reveal()
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, issuer, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	certPEM := encodePEM("CERTIFICATE", der)
	return Fields{"cert": New(certPEM), "key": New(keyPEM), "chain": New(certPEM + chain)}, nil
}

func openAuthority(ca Fields) (*x509.Certificate, crypto.Signer, error) {
	der, err := parsePEM(ca["cert"], "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	if der, err = parsePEM(ca["key"], "PRIVATE KEY"); err != nil {
		return nil, nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, err
	}
	return issuer, key.(crypto.Signer), nil
}
