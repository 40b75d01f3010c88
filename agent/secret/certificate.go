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

func template(name string, valid, fallback time.Duration, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	if valid == 0 {
		valid = fallback
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(valid), BasicConstraintsValid: true,
	}, nil
}

// authority makes a certificate authority of the Droplet's own.
func authority(spec *manifest.Secret, text filled, now time.Time) (Fields, error) {
	certificate, err := template(text.name, spec.Valid.Duration(), defaultAuthorityValid, now)
	if err != nil {
		return nil, err
	}
	certificate.IsCA, certificate.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	key, keyPEM, err := certificateKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return Fields{"cert": New(encodePEM("CERTIFICATE", der)), "key": New(keyPEM)}, nil
}

// certificate makes a server certificate for hosts, signed by ca or, where that is nil, by itself.
func certificate(spec *manifest.Secret, text filled, ca Fields, now time.Time) (Fields, error) {
	name := text.name
	if name == "" && len(text.hosts) > 0 {
		name = text.hosts[0]
	}
	leaf, err := template(name, spec.Valid.Duration(), defaultCertificateValid, now)
	if err != nil {
		return nil, err
	}
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range text.hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else if host != "" {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	key, keyPEM, err := certificateKey()
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
