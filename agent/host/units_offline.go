package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"gopkg.in/ini.v1"
)

const (
	adminUnits  = "/etc/systemd/system"
	maxUnitFile = 1 << 20
)

// unitDirectories is where systemd looks for unit files, the first found wins (systemd.unit(5)).
var unitDirectories = [...]string{adminUnits, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// offlineUnits enables units of a tree that does not run, by the links that systemd itself would make.
type offlineUnits struct{ files *Root }

func (u *offlineUnits) Close() {}

func (u *offlineUnits) Running() bool { return false }

func (u *offlineUnits) DaemonReload(context.Context) error { return nil }

// ErrNotRunning says that a verb needs a running system.
var ErrNotRunning = errors.New("the tree is not a running system")

func (u *offlineUnits) State(_ context.Context, unit string) (UnitState, error) {
	state := UnitState{Load: "not-found", Active: "inactive", AtBoot: "disabled", Condition: true}
	file, err := u.find(unit)
	if err != nil {
		return state, nil
	}
	state.Load = "loaded"
	if target, err := u.files.Readlink(path.Join(adminUnits, unit)); err == nil && target == "/dev/null" {
		state.Load, state.AtBoot = "masked", "masked"
		return state, nil
	}
	links, err := u.installLinks(unit, file)
	if err != nil {
		return state, err
	}
	for _, link := range links {
		if _, err := u.files.Lstat(link); err == nil {
			state.AtBoot = "enabled"
		}
	}
	return state, nil
}

func (u *offlineUnits) Do(_ context.Context, verb Verb, unit string) error {
	if err := u.do(verb, unit); err != nil {
		return fmt.Errorf("cannot %s %s: %w", verb, unit, err)
	}
	return nil
}

func (u *offlineUnits) do(verb Verb, unit string) error {
	if !verb.AtBoot() {
		return ErrNotRunning
	}
	if verb == Mask {
		return u.files.Symlink("/dev/null", path.Join(adminUnits, unit))
	}
	file, err := u.find(unit)
	if err != nil {
		return err
	}
	links, err := u.installLinks(unit, file)
	if err != nil {
		return err
	}
	for _, link := range links {
		if verb == Disable {
			err = u.files.Remove(link)
		} else if err = u.files.MakeDirectory(path.Dir(link), Attributes{}); err == nil {
			err = u.files.Symlink(file, link)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the unit file of a unit, or of its template for an instance ("app@blue.service").
func (u *offlineUnits) find(unit string) (string, error) {
	names := []string{unit}
	if at := strings.IndexByte(unit, '@'); at >= 0 {
		names = append(names, unit[:at+1]+path.Ext(unit))
	}
	for _, name := range names {
		for _, directory := range unitDirectories {
			if _, err := u.files.Lstat(path.Join(directory, name)); err == nil {
				return path.Join(directory, name), nil
			}
		}
	}
	return "", fmt.Errorf("there is no such unit on this image; install it when the image is built: %w", fs.ErrNotExist)
}

// installLinks are the links that the [Install] section of a unit file asks for.
func (u *offlineUnits) installLinks(unit, file string) ([]string, error) {
	data, err := u.files.ReadFile(file, maxUnitFile)
	if err != nil {
		return nil, err
	}
	parsed, err := ini.LoadSources(ini.LoadOptions{
		AllowShadows: true, AllowBooleanKeys: true, IgnoreInlineComment: true, SkipUnrecognizableLines: true,
	}, data)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", file, err)
	}
	install := parsed.Section("Install")
	words := func(key string) (all []string) {
		for _, value := range install.Key(key).ValueWithShadows() {
			all = append(all, strings.Fields(value)...)
		}
		return all
	}
	var links []string
	for _, target := range words("WantedBy") {
		links = append(links, path.Join(adminUnits, target+".wants", unit))
	}
	for _, target := range words("RequiredBy") {
		links = append(links, path.Join(adminUnits, target+".requires", unit))
	}
	for _, alias := range words("Alias") {
		links = append(links, path.Join(adminUnits, alias))
	}
	return links, nil
}
