package lab

import (
	"net"

	"golang.org/x/net/dns/dnsmessage"
)

// DatabaseName is the name under which the lab's database server is found, MirrorName that of Debian's packages.
const (
	DatabaseName = "db-lab.example.com"
	MirrorName   = "deb.debian.org"
)

// ServeDNS answers the Droplet's questions: the names of the database server and of Debian's packages lead to the
// gateway, and nothing else exists. Without an answer each look-up on the Droplet would take ten seconds.
func (n *Network) ServeDNS() (net.PacketConn, error) {
	var conn net.PacketConn
	err := n.inside(func() (err error) {
		conn, err = net.ListenPacket("udp", Gateway+":53")
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		packet := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if answer, err := answerDNS(packet[:size]); err == nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return conn, nil
}

func answerDNS(packet []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(packet); err != nil {
		return nil, err
	}
	message.Response, message.RecursionAvailable = true, true
	message.Additionals = nil
	message.RCode = dnsmessage.RCodeNameError
	for _, question := range message.Questions {
		if name := question.Name.String(); name != DatabaseName+"." && name != MirrorName+"." {
			continue
		}
		message.RCode = dnsmessage.RCodeSuccess
		if question.Type == dnsmessage.TypeA {
			var address [4]byte
			copy(address[:], net.ParseIP(Gateway).To4())
			message.Answers = append(message.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: address},
			})
		}
	}
	return message.Pack()
}
