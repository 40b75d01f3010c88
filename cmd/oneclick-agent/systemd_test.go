package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// standInSystemd speaks as much of systemd's own D-Bus interface as the agent asks for, on the socket that systemd has in a
// tree. It starts what start says, and every other unit dies a moment after its start.
type standInSystemd struct {
	start map[string]func()

	mu          sync.Mutex
	connections []net.Conn
	looked      map[dbus.ObjectPath]int // how often a unit was looked at
	jobs        uint32
}

// serve serves until the test ends.
func (s *standInSystemd) serve(t *testing.T, root string) {
	t.Helper()
	socket := filepath.Join(root, "run/systemd/private")
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s.looked = map[dbus.ObjectPath]int{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.talk(conn)
		}
	}()
}

// talk lets a client in, and answers its calls.
func (s *standInSystemd) talk(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		switch line = strings.TrimSpace(strings.TrimPrefix(line, "\x00")); {
		case line == "AUTH":
			fmt.Fprint(conn, "REJECTED EXTERNAL\r\n")
		case strings.HasPrefix(line, "AUTH "):
			fmt.Fprint(conn, "OK 0123456789abcdef0123456789abcdef\r\n")
		case line == "BEGIN":
			s.mu.Lock()
			s.connections = append(s.connections, conn)
			s.mu.Unlock()
			s.answerAll(conn, reader)
			return
		default:
			fmt.Fprint(conn, "ERROR\r\n")
		}
	}
}

func (s *standInSystemd) answerAll(conn net.Conn, reader *bufio.Reader) {
	for {
		call, err := dbus.DecodeMessage(reader)
		if err != nil {
			return
		}
		member, _ := call.Headers[dbus.FieldMember].Value().(string)
		path, _ := call.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
		var body []any
		after := func() {}
		switch member {
		case "StartUnit", "RestartUnit":
			body, after = s.job(call.Body[0].(string))
		case "GetAll":
			body = []any{s.properties(path)}
		}
		s.send(conn, dbus.TypeMethodReply, map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(call.Serial())}, body)
		after()
	}
}

// job starts a unit, and tells everybody once that is done.
func (s *standInSystemd) job(unit string) (body []any, after func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs++
	id, path := s.jobs, dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/systemd1/job/%d", s.jobs))
	return []any{path}, func() {
		go func() {
			if start := s.start[unit]; start != nil {
				start()
			}
			s.mu.Lock()
			everybody := append([]net.Conn{}, s.connections...)
			s.mu.Unlock()
			for _, conn := range everybody {
				s.send(conn, dbus.TypeSignal, map[dbus.HeaderField]dbus.Variant{
					dbus.FieldPath:      dbus.MakeVariant(dbus.ObjectPath("/org/freedesktop/systemd1")),
					dbus.FieldInterface: dbus.MakeVariant("org.freedesktop.systemd1.Manager"),
					dbus.FieldMember:    dbus.MakeVariant("JobRemoved"),
				}, []any{id, path, unit, "done"})
			}
		}()
	}
}

// properties are those of a service that is active at the first look, and has failed at the next one.
func (s *standInSystemd) properties(unit dbus.ObjectPath) map[string]dbus.Variant {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked[unit]++
	values := map[string]any{"LoadState": "not-found", "ActiveState": "inactive"}
	if strings.HasSuffix(string(unit), "app_2eservice") {
		values = map[string]any{"LoadState": "loaded", "ActiveState": "active", "Type": "simple", "Result": "success", "NRestarts": uint32(0)}
		if s.looked[unit] > 1 {
			values["ActiveState"], values["Result"] = "failed", "exit-code"
		}
	}
	properties := map[string]dbus.Variant{}
	for name, value := range values {
		properties[name] = dbus.MakeVariant(value)
	}
	return properties
}

func (s *standInSystemd) send(conn net.Conn, kind dbus.Type, headers map[dbus.HeaderField]dbus.Variant, body []any) {
	if len(body) > 0 {
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	(&dbus.Message{Type: kind, Headers: headers, Body: body}).EncodeTo(conn, binary.LittleEndian)
}
