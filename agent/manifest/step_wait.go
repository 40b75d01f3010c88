package manifest

import (
	"net"
	"reflect"
	"strconv"
	"strings"
)

// Wait waits until something is true.
type Wait struct {
	Until *Until `yaml:"wait" kind:"wait" doc:"Waits until this is true."`
}

// Until is one condition to wait for.
type Until struct {
	HTTP      Template `yaml:"http" for:"address" doc:"This address answers with a status below 400, or one of status."`
	Status    []int    `yaml:"status" with:"http" doc:"The statuses of http that count, such as 401 of what wants a login first."`
	Insecure  bool     `yaml:"insecure" with:"http" doc:"Takes any certificate: for the Droplet's own address, signed by nobody else."`
	TCP       Template `yaml:"tcp" for:"address" doc:"Something listens at host:port."`
	Unix      Template `yaml:"unix" for:"name" doc:"Something listens at this socket."`
	Unit      Template `yaml:"unit" for:"name" doc:"This unit is active."`
	Command   Command  `yaml:"command" for:"argument" doc:"This command succeeds."`
	DNS       Template `yaml:"dns" for:"address" doc:"This name resolves."`
	Is        Template `yaml:"is" with:"dns" for:"address" doc:"The address that dns must give."`
	Container Template `yaml:"container" for:"name" doc:"This Docker container runs and is healthy."`
}

// Subject is what is waited for.
func (w *Wait) Subject(p Preview) string {
	for _, name := range []Template{w.Until.HTTP, w.Until.TCP, w.Until.Unix, w.Until.Unit, w.Until.DNS, w.Until.Container} {
		if !name.IsZero() {
			return p.Show(name)
		}
	}
	return w.Until.Command.Line(p)
}

// Summary says what is waited for.
func (w *Wait) Summary(p Preview) string { return "wait for " + w.Subject(p) }

// Effects of a command that is asked can be anything.
func (w *Wait) Effects() Effects { return Effects{Acts: true} }

// Validate wants one condition.
func (w *Wait) Validate(v *Validation) {
	if w.Until == nil {
		w.Until = &Until{}
		return // that it is no mapping was told
	}
	ways := 0
	until := reflect.ValueOf(*w.Until)
	for i := range until.NumField() {
		if until.Type().Field(i).Tag.Get("with") == "" && !until.Field(i).IsZero() {
			ways++
		}
	}
	if ways != 1 {
		v.Report("wait", "one of http, tcp, unix, unit, command, dns, container", "needs exactly one condition, and has %d", ways)
	}
	v.NoPattern("wait.unix", w.Until.Unix)
	if !w.Until.Is.IsZero() && w.Until.DNS.IsZero() {
		v.Report("wait.is", "", "belongs to dns")
	}
	w.Until.validateHTTP(v)
	if http := w.Until.HTTP.Text; http != "" && !strings.HasPrefix(http, "http://") && !strings.HasPrefix(http, "https://") &&
		!strings.HasPrefix(http, "{{") {
		v.Report("wait.http", "write http://"+http, "is no address of the web: %q", http)
	}
	if tcp := w.Until.TCP.Text; tcp != "" && !strings.Contains(tcp, "{{") && !isHostPort(tcp) {
		v.Report("wait.tcp", "write it as localhost:5432", "is no host and port: %q", tcp)
	}
	if !w.Until.Unit.IsZero() {
		v.Unit("wait.unit", w.Until.Unit)
	}
	if w.Until.Command != nil {
		v.Command("wait.command", w.Until.Command)
	}
}

// isHostPort reports whether text is a name or an address, IPv6 in brackets, and a port.
func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0
}

// validateHTTP checks what is said of an answer.
func (u *Until) validateHTTP(v *Validation) {
	if len(u.Status) > 0 && u.HTTP.IsZero() {
		v.Report("wait.status", "", "belongs to http")
	}
	for i, status := range u.Status {
		if status < 100 || status > 599 {
			v.Report(index("wait.status", i), "", "is no status of HTTP: %d", status)
		}
	}
	if u.Insecure && !strings.HasPrefix(u.HTTP.Text, "https://") {
		v.Report("wait.insecure", "", "belongs to http with an address that begins with https://")
	}
}
