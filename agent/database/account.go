package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"oneclick-agent/agent/host"
	"oneclick-agent/agent/manifest"
	"oneclick-agent/agent/secret"
)

// AccountWithin is how long making an account may take, once the server answers.
const AccountWithin = time.Minute

// AccountOf is the account that a manifest describes.
func AccountOf(spec *manifest.Account, store *secret.Store) Account {
	a := Account{User: cmp.Or(spec.User, spec.Name), Database: cmp.Or(spec.Database, spec.Name)}
	if fields, ok := store.Get(spec.Password); ok {
		a.Password = fields[""]
	}
	return a
}

// AdminsOf are the administrators of the Droplet's own server that a manifest describes.
func AdminsOf(spec *manifest.Account, store *secret.Store) (admins []Account) {
	for _, admin := range spec.Admins {
		a := Account{User: admin.User}
		if fields, ok := store.Get(admin.Password); ok {
			a.Password = fields[""]
		}
		admins = append(admins, a)
	}
	return admins
}

// longestAccountName is what the strictest engine takes: MySQL's users have 32 characters.
const longestAccountName = 32

// TakesRole reports whether accounts can be made on a managed cluster of an engine.
func TakesRole(engine string) bool {
	return engine == "postgresql" || engine == "mysql" || engine == "mongodb"
}

// candidates are the names that a Droplet tries on a cluster: the manifest's, and the same with its own id, for a
// cluster on which another Droplet was first.
func candidates(a Account, droplet string) []Account {
	own := func(name string) string {
		suffix := "_" + droplet
		return name[:max(0, min(len(name), longestAccountName-len(suffix)))] + suffix
	}
	second := a
	second.User, second.Database = own(a.User), own(a.Database)
	return []Account{a, second}
}

// Claim gives the application an account of its own on a managed cluster, made by the administrator that c logs in
// as, and returns it. An account that this Droplet claimed before is found by its password and left as it is.
// Again tells that it did so under just this name.
func Claim(ctx context.Context, h *host.Host, c Connection, wanted Account, droplet string, again bool) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, AccountWithin)
	defer cancel()
	names := candidates(wanted, droplet)
	if again {
		names = names[:1]
	}
	for _, a := range names {
		claimed, err := claim(ctx, h, c, a)
		if err != nil || claimed {
			return a, err
		}
	}
	return Account{}, &LoginError{
		Other,
		fmt.Sprintf("%s has the users %s and %s_%s already, with other passwords", c.server(), wanted.User, wanted.User, droplet),
		"remove the one that is not used any more",
	}
}

func claim(ctx context.Context, h *host.Host, c Connection, a Account) (claimed bool, err error) {
	_, err = Login(ctx, h, c.As(a))
	var failed *LoginError
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &failed) || failed.Layer != Password && failed.Layer != Missing:
		return false, err
	}
	ours := failed.Layer == Missing // the server took the password: an earlier run was cut off
	err = c.with(ctx, h, func(s session) error {
		admin := s.(administrator)
		if !ours {
			if taken, err := admin.exists(ctx, a); err != nil || taken {
				return cmp.Or(err, errTaken)
			}
		}
		return admin.create(ctx, a, ours)
	})
	if errors.Is(err, errTaken) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = Login(ctx, h, c.As(a))
	return true, err
}

// SetPassword gives an account of ours on a managed cluster another password, and proves it by a login.
func SetPassword(ctx context.Context, h *host.Host, c Connection, a Account) error {
	ctx, cancel := context.WithTimeout(ctx, AccountWithin)
	defer cancel()
	if _, err := Login(ctx, h, c.As(a)); err == nil {
		return nil // an earlier run was cut off behind it
	}
	if err := c.with(ctx, h, func(s session) error { return s.(administrator).create(ctx, a, true) }); err != nil {
		return err
	}
	_, err := Login(ctx, h, c.As(a))
	return err
}
