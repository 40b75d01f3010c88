package firstboot

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/facts"
	"oneclick-agent/agent/journal"
	"oneclick-agent/agent/state"
)

// copied makes it a Droplet from a snapshot of itself.
func (s *soak) copied() {
	s.now.world.id = fmt.Sprint(s.count + 2)
	s.moved()
}

// moved gives it another address, name or both.
func (s *soak) moved() {
	if s.random.IntN(2) == 0 {
		s.now.world.name = []string{"one", "two", "three"}[s.random.IntN(3)]
	}
	if s.random.IntN(3) > 0 {
		s.now.world.address = fmt.Sprintf("203.0.113.%d", 1+s.random.IntN(200))
		s.renewable["server"] = true
	}
	s.note("is Droplet %s, %s at %s", s.now.world.id, s.now.world.name, s.now.world.address)
	s.tell()
}

// dependents are the secrets that are computed from others.
var dependents = map[string][]string{"one": {"sum"}, "two": {"late"}, "ca": {"server"}}

func (s *soak) rotate() {
	all := []string{"one", "two", "ca", "server"}
	names := all[s.random.IntN(4):]
	if s.random.IntN(2) == 0 {
		names = names[:1]
	}
	s.use("rotate "+strings.Join(names, " "), func(f *facts.Facts) (journal.Phase, error) {
		if err := CheckRotation(f, names, false); err != nil {
			return journal.Pending, err
		}
		for _, name := range names {
			s.renewable[name] = true
			for _, dependent := range dependents[name] {
				s.renewable[dependent] = true
			}
		}
		return Rotate(context.Background(), f, names)
	})
}

// credentials come, change, are half written, wrong or gone.
func (s *soak) credentials() {
	text := fmt.Sprintf("db_protocol=postgresql\ndb_username=doadmin\ndb_password=p%d\ndb_host=db%d.example.com\ndb_port=25060\n"+
		"db_database=defaultdb\n", s.count, s.random.IntN(3))
	switch s.random.IntN(6) {
	case 0:
		text = strings.Replace(text, fmt.Sprintf("=p%d", s.count), "=", 1)
	case 1:
		text = strings.Replace(text, "postgresql", "mysql", 1)
	case 2:
		s.note("the credentials are gone")
		os.Remove(filepath.Join(s.root, database.CredentialsPath))
		return
	}
	s.note("credentials: %q", text)
	s.put(database.CredentialsPath, text)
}

// answers are given, for the first time or others.
func (s *soak) answers() {
	name, password := fmt.Sprintf("name%d", s.random.IntN(4)), fmt.Sprintf("password%d", s.count)
	s.use("answers "+name+" "+password, func(f *facts.Facts) (journal.Phase, error) {
		if record, err := journal.Read(f.Host.Files, state.Journal); err != nil || !record.Phase.Complete() {
			return journal.Pending, err // nobody is asked yet
		}
		s.renewable["late"] = true
		for _, q := range f.Manifest.FirstLogin.Questions {
			value := map[string]string{"name": name, "password": password}[q.Name]
			s.given[q.Name] = append(s.given[q.Name], value)
			if err := f.SetAnswer(q, value); err != nil {
				return journal.Failed, err
			}
		}
		if err := Decide(f, facts.Ready); err != nil {
			return journal.Failed, err
		}
		return ApplyAnswers(context.Background(), f)
	})
}

// askAgain is first-login --reset.
func (s *soak) askAgain() {
	s.reset = true
	maps.DeleteFunc(s.hands, func(path, _ string) bool { return isLoginFile(path) }) // its steps are done anew
	s.use("reset", func(f *facts.Facts) (journal.Phase, error) { return journal.Done, ForgetLogin(context.Background(), f) })
}

// upgrade is another manifest, by the vendor's package.
func (s *soak) upgrade() {
	s.now.revision++
	s.revisions = append(s.revisions, s.now.revision)
	s.note("revision %d of the manifest", s.now.revision)
	s.put(state.Manifest, soakedManifest(s.now.revision))
}

// editByHand is a person who changes, removes or adds to a file.
func (s *soak) editByHand() {
	want := s.now.want(false)
	path := slices.Sorted(maps.Keys(want))[s.random.IntN(len(want))]
	if _, there := have(s.root, path); !there || !s.calm || path == "/t/link" {
		return
	}
	s.note("%s is changed by hand", path)
	if _, edited := soakedBase[path]; edited {
		line := fmt.Sprintf("HAND%d=1\n", s.count)
		s.added[path] += line
		content, _ := have(s.root, path)
		s.put(path, content+line)
		return
	}
	if s.random.IntN(3) == 0 {
		s.hands[path] = removed
		os.Remove(filepath.Join(s.root, path))
		return
	}
	s.hands[path] = fmt.Sprintf("mine %d", s.count)
	s.put(path, s.hands[path])
}

// clockJumps sets the clock to any year from 1970 to 2060, or right again.
func (s *soak) clockJumps() {
	s.clock = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC).Add(time.Duration(s.count) * time.Hour)
	if s.random.IntN(2) == 0 {
		s.clock = s.clock.AddDate(s.random.IntN(90)-56, 0, 0)
	}
	s.note("the clock is %s", s.clock)
}

// back takes a backup of the disk.
func (s *soak) back() {
	s.note("a backup is taken")
	s.copyTree(s.root, s.root+"-backup")
	s.backup = s.model.clone()
}

// restore puts the backup back: everything is as it was, but for who the Droplet is by now.
func (s *soak) restore() {
	if s.backup == nil {
		return
	}
	s.note("the backup is restored")
	is := s.now.world
	s.copyTree(s.root+"-backup", s.root)
	s.model = s.backup.clone()
	s.now.world = is
	s.renewable["server"] = true
	s.tell()
}

func (s *soak) copyTree(from, to string) {
	err := os.RemoveAll(to)
	if err == nil {
		err = exec.Command("cp", "-a", from, to).Run()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
