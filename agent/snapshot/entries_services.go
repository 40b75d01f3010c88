package snapshot

import (
	"context"
	"fmt"
	"slices"
)

// service is a program that can be left open: where its settings are, and what is wrong with them.
type service struct {
	name   string
	files  []string
	reason string
	remedy string
	ports  []int // that it listens on; used on a running machine
	judge  func(i *Image, file string) verdict
}

// verdict is what is wrong with a file of settings; its zero value is that nothing is.
type verdict struct {
	status  Status
	message string
}

func failing(format string, arguments ...any) verdict {
	return verdict{Fail, fmt.Sprintf(format, arguments...)}
}

func warning(format string, arguments ...any) verdict {
	return verdict{Warn, fmt.Sprintf(format, arguments...)}
}

// serviceEntries has an entry for each service, and one for what listens on a running machine.
func serviceEntries() (entries []Entry) {
	for _, s := range slices.Concat(databaseServices(), networkServices(), consoleServices(), openServices()) {
		entries = append(entries, Entry{
			ID: "services." + s.name, Severity: Critical, Mode: ReportOnly, Reason: s.reason, Remedy: s.remedy, Touches: s.files,
			Find: func(_ context.Context, i *Image) (subjects []Subject, _ error) {
				for _, place := range s.files {
					for _, file := range i.expand(place) {
						if !i.isFile(file) {
							continue
						}
						if v := s.judge(i, file); v.status != "" {
							subjects = append(
								subjects,
								Subject{Name: file, Status: v.status, Message: v.message + i.listensNote(s.ports)},
							)
						}
					}
				}
				return subjects, nil
			},
		})
	}
	return append(entries, Entry{
		ID:       "services.listening",
		Severity: High,
		Mode:     ReportOnly,
		Left:     Warn,
		LiveOnly: true,
		Reason:   "a program that should be reached from the machine itself only listens to the world",
		Remedy:   "have it listen on 127.0.0.1, or accept it",
		Touches:  []string{"/proc/net/tcp", "/proc/net/tcp6"}, Find: findListening,
	})
}

// listensNote adds to a finding whether the program listens to the world right now.
func (i *Image) listensNote(ports []int) string {
	if !i.Live() || len(ports) == 0 {
		return ""
	}
	listening := i.Listening()
	for _, port := range ports {
		if slices.Contains(listening, port) {
			return fmt.Sprintf("; it listens to the world on port %d right now", port)
		}
	}
	return "; it does not listen to the world right now"
}

// inner are ports of programs that nobody but the app should reach.
var inner = map[int]string{
	5432:  "PostgreSQL",
	3306:  "MySQL",
	33060: "MySQL",
	6379:  "Redis",
	27017: "MongoDB",
	9200:  "Elasticsearch or OpenSearch",
	9300:  "Elasticsearch or OpenSearch",
	11211: "memcached",
	2375:  "Docker without TLS",
	2379:  "etcd",
	2380:  "etcd",
	5984:  "CouchDB",
	9042:  "Cassandra",
	7000:  "Cassandra",
	8086:  "InfluxDB",
	5672:  "RabbitMQ",
	15672: "RabbitMQ's console",
	25672: "RabbitMQ",
	4369:  "Erlang's epmd",
	2049:  "NFS",
	111:   "rpcbind",
	873:   "rsync",
	8500:  "Consul",
	9000:  "PHP-FPM or a console",
	2181:  "ZooKeeper",
	9092:  "Kafka",
	8123:  "ClickHouse",
	23:    "telnet",
	512:   "rexec",
	513:   "rlogin",
	514:   "rsh",
	5900:  "VNC",
	6443:  "Kubernetes",
	10250: "kubelet",
}

func findListening(_ context.Context, i *Image) (subjects []Subject, _ error) {
	for _, port := range i.Listening() {
		if name, known := inner[port]; known {
			subjects = append(subjects, Subject{Name: fmt.Sprintf("%d/tcp", port), Message: name + " listens to the world"})
		}
	}
	return subjects, nil
}
