package database

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/xdg-go/scram"

	"oneclick-agent/agent/host"
)

// The four requests of a Kafka login, in versions that every broker from 1.0 on speaks (Kafka protocol guide). A
// client library for them, franz-go, would make the program 4.1 MB larger.
const (
	kafkaMetadata         = 3
	kafkaSASLHandshake    = 17
	kafkaSASLAuthenticate = 36

	kafkaWrongPassword  = 58 // SASL_AUTHENTICATION_FAILED
	kafkaNotOffered     = 33 // UNSUPPORTED_SASL_MECHANISM
	maxKafkaAnswer      = 1 << 20
	kafkaClient         = "oneclick-agent"
	kafkaRequestsManual = "the Kafka protocol guide, error codes"
)

type kafka struct {
	c      Connection
	conn   net.Conn
	number int32
}

func openKafka(ctx context.Context, h *host.Host, c Connection, config *tls.Config) (session, error) {
	conn, err := c.dial(ctx, h)
	if err != nil {
		return nil, err
	}
	k := &kafka{c: c, conn: conn}
	if config != nil {
		encrypted := tls.Client(conn, config)
		k.conn = encrypted
		err = encrypted.HandshakeContext(ctx)
	}
	if err == nil && c.User != "" {
		err = k.authenticate()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return k, nil
}

func (k *kafka) close() { k.conn.Close() }

// authenticate logs in by the best way that the broker offers.
func (k *kafka) authenticate() error {
	offered, err := k.handshake("SCRAM-SHA-256")
	if err == nil {
		return k.scram(scram.SHA256)
	}
	switch {
	case slices.Contains(offered, "SCRAM-SHA-512"):
		if _, err := k.handshake("SCRAM-SHA-512"); err != nil {
			return err
		}
		return k.scram(scram.SHA512)
	case slices.Contains(offered, "PLAIN"):
		if _, err := k.handshake("PLAIN"); err != nil {
			return err
		}
		_, err := k.token([]byte("\x00" + k.c.User + "\x00" + k.c.Password.Reveal()))
		return err
	}
	return err
}

// handshake proposes a mechanism; where the broker does not take it, its own ones are returned with the error.
func (k *kafka) handshake(mechanism string) (offered []string, err error) {
	answer, err := k.ask(kafkaSASLHandshake, 1, kafkaText(nil, mechanism))
	if err != nil {
		return nil, err
	}
	code := answer.int16()
	for range answer.count() {
		offered = append(offered, answer.text())
	}
	if answer.err == nil && code == kafkaNotOffered {
		return offered, &LoginError{Password, fmt.Sprintf("%s offers no way to log in that is known here", k.c.server()), "turn SCRAM-SHA-256 on"}
	}
	return offered, k.failure(answer, code)
}

func (k *kafka) scram(hash scram.HashGeneratorFcn) error {
	client, err := hash.NewClient(k.c.User, k.c.Password.Reveal(), "")
	if err != nil {
		return k.c.wrongPassword() // it holds what SCRAM forbids, so it cannot be right
	}
	conversation := client.NewConversation()
	for challenge := ""; !conversation.Done(); {
		message, err := conversation.Step(challenge)
		if err != nil {
			return &LoginError{
				Password,
				fmt.Sprintf("%s does not prove that it knows the password", k.c.server()),
				"check db_host in " + CredentialsPath,
			}
		}
		if conversation.Done() {
			break
		}
		answer, err := k.token([]byte(message))
		if err != nil {
			return err
		}
		challenge = string(answer)
	}
	return nil
}

// token sends one message of the login, and returns the broker's.
func (k *kafka) token(message []byte) ([]byte, error) {
	body := binary.BigEndian.AppendUint32(nil, uint32(len(message)))
	answer, err := k.ask(kafkaSASLAuthenticate, 0, append(body, message...))
	if errors.Is(err, io.EOF) {
		return nil, k.c.wrongPassword() // some brokers say nothing more
	}
	if err != nil {
		return nil, err
	}
	code := answer.int16()
	answer.text() // its words, which may quote what we sent
	reply := answer.take(int(answer.int32()))
	return reply, k.failure(answer, code)
}

// version asks for the cluster's brokers; Kafka tells nobody its version.
func (k *kafka) version(context.Context) (string, error) {
	noTopics := []byte{0, 0, 0, 0}
	answer, err := k.ask(kafkaMetadata, 1, noTopics)
	if err != nil {
		return "", err
	}
	brokers := answer.count()
	if answer.err != nil || brokers == 0 {
		return "", k.c.strange("no brokers", kafkaRequestsManual)
	}
	return fmt.Sprintf("Kafka, %d brokers", brokers), nil
}

func (k *kafka) failure(answer *kafkaAnswer, code int16) error {
	switch {
	case answer.err != nil:
		return answer.err
	case code == kafkaWrongPassword:
		return k.c.wrongPassword()
	case code != 0:
		return k.c.strange(code, kafkaRequestsManual)
	}
	return nil
}

// ask sends a request and reads its answer. The deadline is the connection's.
func (k *kafka) ask(key, version int16, body []byte) (*kafkaAnswer, error) {
	k.number++
	var request []byte
	request = binary.BigEndian.AppendUint16(request, uint16(key))
	request = binary.BigEndian.AppendUint16(request, uint16(version))
	request = binary.BigEndian.AppendUint32(request, uint32(k.number))
	request = append(kafkaText(request, kafkaClient), body...)
	if _, err := k.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(k.conn, size[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(size[:])
	if length < 4 || length > maxKafkaAnswer {
		return nil, k.c.strange("an answer that is not Kafka's", "db_host and db_port in "+CredentialsPath)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(k.conn, data); err != nil {
		return nil, err
	}
	return &kafkaAnswer{data: data[4:]}, nil // behind the request's number
}

func kafkaText(to []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(text))), text...)
}

// kafkaAnswer reads an answer field by field; the first that is not there is remembered in err.
type kafkaAnswer struct {
	data []byte
	err  error
}

func (a *kafkaAnswer) take(n int) []byte {
	if n < 0 || n > len(a.data) {
		a.data, a.err = nil, errors.New("the answer is cut off")
		return nil
	}
	field := a.data[:n]
	a.data = a.data[n:]
	return field
}

func (a *kafkaAnswer) int16() int16 {
	if field := a.take(2); field != nil {
		return int16(binary.BigEndian.Uint16(field))
	}
	return 0
}

func (a *kafkaAnswer) int32() int32 {
	if field := a.take(4); field != nil {
		return int32(binary.BigEndian.Uint32(field))
	}
	return 0
}

// text reads a string; one without a value is "".
func (a *kafkaAnswer) text() string {
	n := a.int16()
	if n < 0 {
		return ""
	}
	return string(a.take(int(n)))
}

// count is the length of a list, as far as the answer can hold one.
func (a *kafkaAnswer) count() int {
	return min(max(0, int(a.int32())), len(a.data))
}
