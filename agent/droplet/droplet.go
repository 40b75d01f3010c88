// Package droplet finds out which Droplet this is: its id, addresses and size.
package droplet

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"oneclick-agent/agent/host"
)

const (
	// DefaultMetadata is DigitalOcean's metadata service.
	DefaultMetadata = "http://169.254.169.254"
	// NoMetadata as the address leaves the service alone.
	NoMetadata = "none"

	instanceData   = "/run/cloud-init/instance-data.json"
	productSerial  = "/sys/class/dmi/id/product_serial"
	systemVendor   = "/sys/class/dmi/id/sys_vendor"
	maxData        = 4 << 20
	metadataTry    = 2 * time.Second
	metadataWithin = 30 * time.Second
	firstBackoff   = 250 * time.Millisecond

	// The smallest Droplet sold, assumed for a tree that says nothing of its size.
	leastMemoryMB, leastCPUs = 512, 1
)

// Droplet is who this machine is. Addresses that it does not have are "".
type Droplet struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Region       string `json:"region"`
	IPv4         string `json:"ipv4"`
	IPv6         string `json:"ipv6"`
	PrivateIPv4  string `json:"private_ipv4"`
	ReservedIPv4 string `json:"reserved_ipv4"`
	ReservedIPv6 string `json:"reserved_ipv6"`
	MemoryMB     int    `json:"memory_mb"`
	CPUs         int    `json:"cpus"`
	// Warnings say what sources disagree about.
	Warnings []string `json:"-"`
}

// metadata is the part of metadata/v1.json that is used. cloud-init keeps the same shape under ds.meta_data.
type metadata struct {
	DropletID     json.Number `json:"droplet_id"`
	InstanceID    json.Number `json:"instance-id"`
	Hostname      string      `json:"hostname"`
	LocalHostname string      `json:"local-hostname"`
	Region        string      `json:"region"`
	Zone          string      `json:"availability_zone"`
	Interfaces    struct {
		Public  []networkInterface `json:"public"`
		Private []networkInterface `json:"private"`
	} `json:"interfaces"`
	ReservedIP address `json:"reserved_ip"`
	FloatingIP address `json:"floating_ip"`
}

type networkInterface struct {
	IPv4 struct {
		Address string `json:"ip_address"`
	} `json:"ipv4"`
	IPv6 struct {
		Address string `json:"ip_address"`
	} `json:"ipv6"`
}

type address struct {
	IPv4 struct {
		Active  bool   `json:"active"`
		Address string `json:"ip_address"`
	} `json:"ipv4"`
	IPv6 struct {
		Active  bool   `json:"active"`
		Address string `json:"ip_address"`
	} `json:"ipv6"`
}

// Identify asks what is local and cheap first: cloud-init's record, then DMI, then, on a live machine only, the
// metadata service at base. Where record and DMI disagree about the id, DMI is right: the record may be a copy
// of another Droplet's. An unknown Droplet is no error: its ID is "".
func Identify(ctx context.Context, h *host.Host, base string) (Droplet, error) {
	var d Droplet
	record, err := h.Files.ReadFile(instanceData, maxData)
	if err == nil {
		err = d.fromInstanceData(record)
	}
	if err != nil && !h.Live() {
		return d, fmt.Errorf("cannot tell which Droplet this tree is: %w; put cloud-init's record there", err)
	}
	d.fromHardware(h)
	if h.Live() {
		fromDMI := d.identifyByDMI(h)
		d.askMetadata(ctx, h, cmp.Or(base, DefaultMetadata), d.ID == "" || d.IPv4 == "" || fromDMI)
	}
	return d, nil
}

// fromInstanceData reads what cloud-init wrote about this boot.
func (d *Droplet) fromInstanceData(data []byte) error {
	var record struct {
		V1 struct {
			InstanceID    string `json:"instance_id"`
			LocalHostname string `json:"local_hostname"`
			Region        string `json:"region"`
		} `json:"v1"`
		DS struct {
			MetaData metadata `json:"meta_data"`
		} `json:"ds"`
	}
	if err := json.Unmarshal(data, &record); err != nil {
		return fmt.Errorf("cannot read %s: it is not cloud-init's record", instanceData)
	}
	d.fill(record.DS.MetaData)
	d.ID = cmp.Or(identifier(record.V1.InstanceID), d.ID)
	d.Name = cmp.Or(d.Name, hostname(record.V1.LocalHostname))
	d.Region = cmp.Or(d.Region, word(record.V1.Region))
	return nil
}

// identifyByDMI compares the id with the serial number that the hypervisor shows, and reports whether it
// replaced another one.
func (d *Droplet) identifyByDMI(h *host.Host) bool {
	vendor, err := h.Files.ReadFile(systemVendor, maxData)
	if err != nil || strings.TrimSpace(string(vendor)) != "DigitalOcean" {
		return false
	}
	serial, err := h.Files.ReadFile(productSerial, maxData)
	id := identifier(strings.TrimSpace(string(serial)))
	if err != nil || id == "" || id == d.ID {
		return false
	}
	replaced := d.ID != ""
	if replaced {
		d.Warnings = append(d.Warnings, fmt.Sprintf("cloud-init's record is of Droplet %s, this is Droplet %s", d.ID, id))
		*d = Droplet{MemoryMB: d.MemoryMB, CPUs: d.CPUs, Warnings: d.Warnings}
	}
	d.ID = id
	return replaced
}

// askMetadata waits for the service where something is missing. Where nothing is, one try brings what only the
// service knows: a reserved address.
func (d *Droplet) askMetadata(ctx context.Context, h *host.Host, base string, needed bool) {
	if base == NoMetadata {
		return
	}
	if !needed {
		_ = d.tryMetadata(ctx, h, base)
		return
	}
	if err := d.fromMetadata(ctx, h, base); err != nil {
		d.Warnings = append(d.Warnings, err.Error())
	}
}

func (d *Droplet) fromMetadata(ctx context.Context, h *host.Host, base string) error {
	ctx, cancel := context.WithTimeout(ctx, metadataWithin)
	defer cancel()
	var last error
	for backoff := firstBackoff; ; backoff *= 2 {
		err := d.tryMetadata(ctx, h, base)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if host.Sleep(ctx, backoff) != nil {
			return fmt.Errorf("cannot reach the metadata service: %w", last)
		}
	}
}

func (d *Droplet) tryMetadata(ctx context.Context, h *host.Host, base string) error {
	ctx, cancel := context.WithTimeout(ctx, metadataTry)
	defer cancel()
	status, body, err := h.Get(ctx, strings.TrimRight(base, "/")+"/metadata/v1.json")
	if err != nil {
		return err
	}
	if status != 200 {
		return fmt.Errorf("it answered with status %d", status)
	}
	return d.fromMetadataJSON(body)
}

// fromMetadataJSON reads metadata/v1.json: an object, or, as the documentation shows it, a list of one.
func (d *Droplet) fromMetadataJSON(body []byte) error {
	var data metadata
	if body = bytes.TrimSpace(body); bytes.HasPrefix(body, []byte("[")) {
		var list []metadata
		if err := json.Unmarshal(body, &list); err != nil || len(list) == 0 {
			return errors.New("the metadata service's answer is not metadata")
		}
		data = list[0]
	} else if err := json.Unmarshal(body, &data); err != nil {
		return errors.New("the metadata service's answer is not metadata")
	}
	d.fill(data)
	return nil
}

// fill takes over what is valid and not known yet. Everything here comes from outside.
func (d *Droplet) fill(m metadata) {
	d.ID = cmp.Or(d.ID, identifier(m.DropletID.String()), identifier(m.InstanceID.String()))
	d.Name = cmp.Or(d.Name, hostname(m.Hostname), hostname(m.LocalHostname))
	d.Region = cmp.Or(d.Region, word(m.Region), word(m.Zone))
	for _, public := range m.Interfaces.Public {
		d.IPv4 = cmp.Or(d.IPv4, ip(public.IPv4.Address, netip.Addr.Is4))
		d.IPv6 = cmp.Or(d.IPv6, ip(public.IPv6.Address, netip.Addr.Is6))
	}
	for _, private := range m.Interfaces.Private {
		d.PrivateIPv4 = cmp.Or(d.PrivateIPv4, ip(private.IPv4.Address, netip.Addr.Is4))
	}
	for _, reserved := range []address{m.ReservedIP, m.FloatingIP} {
		if reserved.IPv4.Active {
			d.ReservedIPv4 = cmp.Or(d.ReservedIPv4, ip(reserved.IPv4.Address, netip.Addr.Is4))
		}
		if reserved.IPv6.Active {
			d.ReservedIPv6 = cmp.Or(d.ReservedIPv6, ip(reserved.IPv6.Address, netip.Addr.Is6))
		}
	}
}

// plain returns text when it is made of letters, digits and extra and no longer than most, else "".
func plain(text, extra string, most int) string {
	strange := strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(extra, r))
	})
	if strange || len(text) > most {
		return ""
	}
	return text
}

func identifier(text string) string { return plain(text, "-", 64) }
func word(text string) string       { return plain(text, "-", 64) }

func hostname(text string) string {
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, ".") {
		return ""
	}
	return plain(text, "-.", 253)
}

func ip(text string, family func(netip.Addr) bool) string {
	parsed, err := netip.ParseAddr(text)
	if err != nil || !family(parsed) || parsed.Zone() != "" {
		return ""
	}
	return parsed.String()
}

// fromHardware reads memory and processors from the tree's /proc, where it has one.
func (d *Droplet) fromHardware(h *host.Host) {
	d.MemoryMB, d.CPUs = leastMemoryMB, leastCPUs
	if data, err := h.Files.ReadFile("/proc/meminfo", maxData); err == nil {
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
				if kilobytes, err := strconv.Atoi(fields[1]); err == nil {
					d.MemoryMB = kilobytes / 1024
				}
			}
		}
	}
	if data, err := h.Files.ReadFile("/proc/cpuinfo", maxData); err == nil {
		count := 0
		scanner := bufio.NewScanner(bytes.NewReader(data))
		for scanner.Scan() {
			if strings.HasPrefix(scanner.Text(), "processor") {
				count++
			}
		}
		d.CPUs = max(count, leastCPUs)
	}
}

// Address is where the Droplet's site is reached: the reserved address, the public one, then IPv6 and private.
func (d Droplet) Address() string {
	return cmp.Or(d.ReservedIPv4, d.IPv4, d.IPv6, d.PrivateIPv4)
}

// URL is the address of the Droplet's site as long as it has no name of its own.
func (d Droplet) URL() string {
	address := d.Address()
	if address == "" {
		return ""
	}
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return "http://" + address
}

// Data is the Droplet as templates see it.
func (d Droplet) Data() map[string]any {
	return map[string]any{
		"id": d.ID, "name": d.Name, "region": d.Region, "ipv4": d.IPv4, "ipv6": d.IPv6,
		"private_ipv4": d.PrivateIPv4, "reserved_ipv4": d.ReservedIPv4, "memory_mb": d.MemoryMB, "cpus": d.CPUs,
	}
}

// Moved reports whether this is not what it was: another Droplet, another name, address or size. What is not known now is
// taken for unchanged, because the metadata service may be silent. The memory that the kernel counts changes a
// little with each kernel, so a difference below an eighth is none.
func (d Droplet) Moved(then Droplet) bool {
	for _, pair := range [][2]string{{d.ID, then.ID}, {d.Name, then.Name}, {d.Region, then.Region}, {d.IPv4, then.IPv4}, {d.IPv6, then.IPv6},
		{d.PrivateIPv4, then.PrivateIPv4}, {d.ReservedIPv4, then.ReservedIPv4}, {d.ReservedIPv6, then.ReservedIPv6}} {
		if pair[0] != "" && pair[0] != pair[1] {
			return true
		}
	}
	difference := max(d.MemoryMB-then.MemoryMB, then.MemoryMB-d.MemoryMB)
	return d.CPUs != then.CPUs || 8*difference > max(d.MemoryMB, then.MemoryMB)
}
