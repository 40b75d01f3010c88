package database

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"

	"oneclick-agent/packaging/servers"
)

// The operations of MongoDB's wire protocol that a login needs.
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

// mongoDBStandIn speaks MongoDB's wire protocol over TLS, with the real SCRAM-SHA-256 of its server side, and knows
// doadmin. It returns its port.
func mongoDBStandIn(t *testing.T, identity *servers.Identity) int {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{identity.Certificate}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	client, err := scram.SHA256.NewClient("doadmin", password, "")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "some salt", Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
		if user != "doadmin" {
			return scram.StoredCredentials{}, io.EOF
		}
		return stored, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveMongoDB(conn, server)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func serveMongoDB(conn net.Conn, server *scram.Server) {
	defer conn.Close()
	conversation := server.NewConversation()
	for {
		header := make([]byte, 16)
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(header)-16)
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		query := binary.LittleEndian.Uint32(header[12:]) == opQuery
		document := body[5:] // behind the flags and the section's kind
		if query {
			document = body[4+len("admin.$cmd\x00")+8:]
		}
		var command bson.D
		if bson.Unmarshal(document, &command) != nil {
			return
		}
		answer, err := bson.Marshal(answerMongoDB(command, &conversation, server))
		if err != nil {
			return
		}
		operation, prefix := uint32(opMsg), make([]byte, 5)
		if query {
			operation, prefix = opReply, binary.LittleEndian.AppendUint32(make([]byte, 16), 1)
		}
		reply := binary.LittleEndian.AppendUint32(nil, uint32(16+len(prefix)+len(answer)))
		reply = append(append(reply, 0, 0, 0, 0), header[4:8]...)
		reply = append(append(binary.LittleEndian.AppendUint32(reply, operation), prefix...), answer...)
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

func answerMongoDB(command bson.D, conversation **scram.ServerConversation, server *scram.Server) bson.M {
	field := func(name string) any {
		for _, e := range command {
			if e.Key == name {
				return e.Value
			}
		}
		return nil
	}
	failed := bson.M{"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
	switch command[0].Key {
	case "isMaster", "ismaster", "hello":
		return bson.M{"ok": 1, "ismaster": true, "isWritablePrimary": true, "helloOk": true, "maxWireVersion": 25, "minWireVersion": 0,
			"maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48 << 20, "maxWriteBatchSize": 1000, "saslSupportedMechs": bson.A{"SCRAM-SHA-256"}}
	case "saslStart", "saslContinue":
		if command[0].Key == "saslStart" {
			*conversation = server.NewConversation()
		}
		payload, ok := field("payload").(bson.Binary)
		if !ok {
			return failed
		}
		message, err := (*conversation).Step(string(payload.Data))
		if err != nil {
			return failed
		}
		return bson.M{"ok": 1, "conversationId": 1, "done": (*conversation).Done(), "payload": bson.Binary{Data: []byte(message)}}
	case "buildInfo":
		if !(*conversation).Valid() {
			return bson.M{"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "command buildInfo requires authentication"}
		}
		return bson.M{"ok": 1, "version": "8.0.0"}
	}
	return bson.M{"ok": 1}
}
