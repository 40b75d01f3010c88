package scan

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
)

// binaryRules find private keys that are no text: DER, PKCS#12 and Java's keystores. A key is taken apart before it is
// called one, so that nothing else can look like it.
func binaryRules() []Rule {
	const group = "private_key"
	return []Rule{
		{ID: "der_key", Group: group, What: "private key (DER)", Certainty: Live, before: 32, after: afterMost - 64, look: lookAtDER,
			Literals: []string{
				"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",     // PKCS#8: RSA
				"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",                         // PKCS#8: a curve
				"\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20",             // PKCS#8: Ed25519
				"\x02\x01\x00\x02\x82\x01\x01\x00", "\x02\x01\x00\x02\x82\x01\x81\x00", // PKCS#1
				"\x02\x01\x00\x02\x82\x02\x01\x00", "\x02\x01\x00\x02\x81\x81\x00",
				"\x02\x01\x01\x04\x20", "\x02\x01\x01\x04\x30", "\x02\x01\x01\x04\x42", // SEC 1
			}},
		{ID: "pkcs12_key", Group: group, What: "private key in a PKCS#12 file", Certainty: Live, before: 32, after: 64, look: lookAtPKCS12,
			Literals: []string{
				"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01\xa0", "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02\xa0",
			}},
		{ID: "java_keystore", Group: group, What: "private key in a Java keystore", Certainty: Live, before: 0, after: 512, look: lookAtJKS,
			Literals: []string{
				"\xfe\xed\xfe\xed\x00\x00\x00\x01", "\xfe\xed\xfe\xed\x00\x00\x00\x02",
				"\xce\xce\xce\xce\x00\x00\x00\x01", "\xce\xce\xce\xce\x00\x00\x00\x02",
			}},
	}
}

// lookAtDER takes apart what begins a few bytes before the literal.
func lookAtDER(s *Scanner, around look) (found sighting, ok bool) {
	for header := 2; header <= 7 && header <= around.begin; header++ {
		begin := around.begin - header
		if around.data[begin] != 0x30 {
			continue
		}
		var whole asn1.RawValue
		rest, err := asn1.Unmarshal(around.data[begin:], &whole)
		if err != nil || len(whole.FullBytes) < 40 {
			continue
		}
		end := len(around.data) - len(rest)
		if isPrivateKey(whole.FullBytes) {
			return sighting{begin, end, s.rule("der_key"), Live}, true
		}
	}
	return found, false
}

func isPrivateKey(der []byte) bool {
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return true
	}
	_, err := x509.ParseECPrivateKey(der)
	return err == nil
}

// lookAtPKCS12 takes the bag of a key for one where a sequence holds it and follows it.
func lookAtPKCS12(s *Scanner, around look) (found sighting, ok bool) {
	data, at := around.data, around.end
	if at+4 > len(data) || bytes.IndexByte(data[max(0, around.begin-4):around.begin], 0x30) < 0 {
		return found, false
	}
	if data[at]&0x80 != 0 {
		at += int(data[at] & 0x7f)
	}
	if at++; at >= len(data) || data[at] != 0x30 {
		return found, false
	}
	return sighting{around.begin, min(len(data), at+16), s.rule("pkcs12_key"), Live}, true
}

// lookAtJKS reads the first entry of a keystore: its kind 1 is a private key, 2 a certificate. A store that begins with
// certificates may have keys behind them; they follow the word PrivateKey or an algorithm of Java's own.
func lookAtJKS(s *Scanner, around look) (found sighting, ok bool) {
	data := around.data[around.begin:]
	if len(data) < 20 {
		return found, false
	}
	entries, kind := binary.BigEndian.Uint32(data[8:]), binary.BigEndian.Uint32(data[12:])
	javaKey := []byte("\x06\x0a\x2b\x06\x01\x04\x01\x2a\x02\x11\x01\x01") // how Java encrypts a key in a store
	if entries == 0 || entries > 1<<16 || kind != 1 && !bytes.Contains(data, javaKey) {
		return found, false
	}
	return sighting{around.begin, around.begin + 16, s.rule("java_keystore"), Live}, true
}

func (s *Scanner) rule(id string) *Rule {
	for i := range s.rules {
		if s.rules[i].ID == id {
			return &s.rules[i]
		}
	}
	panic("there is no rule " + id)
}
