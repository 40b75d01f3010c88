package step

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"oneclick-agent/agent/database"
	"oneclick-agent/agent/edit"
	"oneclick-agent/agent/secret"
)

// shape is what is at a path: its mode, its owner and its text.
func shape(t testing.TB, dir, name string) string {
	t.Helper()
	info, err := os.Lstat(filepath.Join(dir, name))
	must(t, err)
	stat, text := info.Sys().(*syscall.Stat_t), ""
	if info.Mode().IsRegular() {
		text = content(t, dir, name)
	}
	return fmt.Sprintf("%v %d:%d %q", info.Mode(), stat.Uid, stat.Gid, text)
}

func TestAFileGetsItsContentItsOwnerAndItsMode(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for _, test := range []struct {
		file   File
		before string // mode of the file that is there, "" for none
		want   string
	}{
		{File{}, "", `-rw-r--r-- 0:0 "new"`},
		{File{Private: true}, "", `-rw------- 0:0 "new"`},
		{File{Owner: "app:app"}, "", `-rw-r--r-- 1234:1235 "new"`},
		{File{Owner: "app:app", Mode: new(fs.FileMode(0o640)), Private: true}, "", `-rw-r----- 1234:1235 "new"`},
		{File{Mode: new(fs.FileMode(0o644)), Private: true}, "", `-rw-r--r-- 0:0 "new"`}, // the vendor says so
		{File{}, "0604", `-rw----r-- 0:0 "new"`},
		{File{Private: true}, "0664", `-rw-rw---- 0:0 "new"`},
		{File{Private: true}, "0640", `-rw-r----- 0:0 "new"`},
	} {
		h, dir := tree(t, nil)
		if test.before != "" {
			var mode fs.FileMode
			fmt.Sscanf(test.before, "%o", &mode)
			put(t, dir, map[string]string{"srv/a/file": "old"})
			must(t, os.Chmod(filepath.Join(dir, "srv/a/file"), mode))
		}
		file := test.file
		file.Path, file.Content = "/srv/a/file", []byte("new")
		finds(t, h, &file, Unmet)
		must(t, file.Apply(t.Context(), h))
		if got := shape(t, dir, "srv/a/file"); got != test.want || file.Created() != (test.before == "") {
			t.Errorf("%+v over %q: %s, created %v; want %s", test.file, test.before, got, file.Created(), test.want)
		}
		finds(t, h, &file, Met)
		must(t, file.Apply(t.Context(), h))
		finds(t, h, &file, Met)
		must(t, os.Chmod(filepath.Join(dir, "srv/a/file"), 0o777))
		if file.Mode != nil || file.Private {
			finds(t, h, &file, Unmet)
		}
	}
}

func TestAnOwnerThatIsNotThereLastsAsAnError(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	for _, s := range []Step{&File{Path: "/f", Owner: "nobody-here:app"}, &Edit{Path: "/f", Format: "dotenv", Owner: "nobody-here:app"},
		&Directory{Path: "/d", Owner: "nobody-here:app"}} {
		if err := s.Apply(t.Context(), h); err == nil || !errors.As(err, new(*Lasting)) {
			t.Errorf("%T: %v", s, err)
		}
		if h.Files.Exists("/f") || h.Files.Exists("/d") {
			t.Errorf("%T made something", s)
		}
	}
}

func TestAnEditChangesItsPartAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	needRoot(t)
	block := "in a block\n"
	for _, test := range []struct {
		edit         Edit
		before, want string
	}{
		{Edit{Format: "dotenv", Change: edit.Change{Set: map[string]any{"A": "1"}, Unset: []string{"B"}}}, "# kept\nA=0\nB=2\n",
			`-rw-r--r-- 0:0 "# kept\nA=1\n"`},
		{Edit{Format: "dotenv", Change: edit.Change{Set: map[string]any{"A": "1"}}, Private: true}, "A=0\n", `-rw-r----- 0:0 "A=1\n"`},
		{Edit{Format: "text", Pattern: regexp.MustCompile(`^listen `), Line: "listen 81"}, "x\nlisten 80\n", `-rw-r--r-- 0:0 "x\nlisten 81\n"`},
		{Edit{Format: "text", Pattern: regexp.MustCompile(`^old$`), Line: "new", Old: "older"}, "x\nolder\n", `-rw-r--r-- 0:0 "x\nnew\n"`},
		{Edit{Path: "/etc/own", Format: "text", Block: &block, Owner: "app:app", Mode: new(fs.FileMode(0o600))}, "x\n",
			`-rw------- 1234:1235 "x\n# BEGIN oneclick-agent\nin a block\n# END oneclick-agent\n"`},
	} {
		h, dir := tree(t, map[string]string{"etc/own": test.before})
		e := test.edit
		e.Path = "/etc/own"
		if e.Pattern != nil && e.Old != "" {
			must(t, e.Apply(t.Context(), h))
		} else {
			applied(t, h, &e)
		}
		if got := shape(t, dir, "etc/own"); got != test.want || e.Created() {
			t.Errorf("%+v: %s, want %s", test.edit, got, test.want)
		}
	}
	h, dir := tree(t, nil)
	e := Edit{Path: "/srv/new", Format: "dotenv", Change: edit.Change{Set: map[string]any{"A": "1"}}, Private: true}
	applied(t, h, &e)
	if got := shape(t, dir, "srv/new"); got != `-rw------- 0:0 "A=1\n"` {
		t.Error(got)
	}
	none := Edit{Path: "/etc/passwd", Format: "text", Pattern: regexp.MustCompile(`^no such line$`), Line: "x"}
	if err := none.Apply(t.Context(), h); !errors.As(err, new(*Lasting)) {
		t.Errorf("%T: %v", err, err)
	}
}

func TestADirectoryGivesWhatIsBelowToItsOwnerAndFollowsNoLink(t *testing.T) {
	t.Parallel()
	needRoot(t)
	h, dir := tree(t, map[string]string{"srv/data/a/b": "x", "etc/outside": "y"})
	must(t, os.Symlink("/etc/outside", filepath.Join(dir, "srv/data/link")))
	applied(t, h, &Directory{Path: "/srv/data", Owner: "app:app", Mode: new(fs.FileMode(0o750)), Recursive: true})
	for name, want := range map[string]string{"srv/data": `drwxr-x--- 1234:1235 ""`, "srv/data/a": `drwxr-xr-x 1234:1235 ""`,
		"srv/data/a/b": `-rw-r--r-- 1234:1235 "x"`, "etc/outside": `-rw-r--r-- 0:0 "y"`} {
		if got := shape(t, dir, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	applied(t, h, &Directory{Path: "/srv/new/deep", Owner: "app:app", Recursive: true})
	applied(t, h, &Directory{Path: "/srv/other", Mode: new(fs.FileMode(0o700))})
	_, err := (&Directory{Path: "/etc/outside"}).Check(t.Context(), h)
	says(t, err, "cannot make the directory /etc/outside: a file is in its place; remove it first")
}

func TestALinkTakesThePlaceOfWhatIsThereAndARemovalTakesAllAway(t *testing.T) {
	t.Parallel()
	h, dir := tree(t, map[string]string{"etc/there": "x", "srv/d/e/f": "y"})
	for _, link := range []*Link{{Path: "/etc/there", To: "../b"}, {Path: "/srv/new/link", To: "/nowhere"}, {Path: "/srv/new/link",
		To: "/else"}} {
		applied(t, h, link)
		if got, err := os.Readlink(filepath.Join(dir, link.Path)); got != link.To || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, name := range []string{"/etc/there", "/srv/d"} {
		applied(t, h, &Remove{Path: name})
	}
	finds(t, h, &Remove{Path: "/srv/never"}, Met)
	if !h.Files.Exists("/etc/passwd") || h.Files.Exists("/srv/d/e/f") {
		t.Error("the wrong things are gone")
	}
}

func TestTheEnvironmentOfADatabaseIsWrittenForUnitsAndShells(t *testing.T) {
	t.Parallel()
	needRoot(t)
	h, dir := tree(t, nil)
	systemd := &units{}
	h.Units = systemd
	connection := database.Connection{TLS: "require", Credentials: database.Credentials{
		Engine: "postgresql", Host: "db.example.com", Port: 25060, User: "app", Password: secret.New("hush"), Name: "data"}}
	applied(t, h, &DatabaseEnvironment{Main: &connection, Services: []string{"app.service"}})
	if got := shape(t, dir, "etc/oneclick/database.env")[:14]; got != "-rw------- 0:0" || systemd.list() != "daemon-reload , daemon-reload " {
		t.Errorf("%s, %s", got, systemd.list())
	}
	quiet := &units{}
	h.Units = quiet
	other := connection.As(database.Account{User: "other", Database: "data", Password: secret.New("hush")})
	applied(t, h, &DatabaseEnvironment{Main: &other, Keystore: &connection})
	if len(quiet.did) > 0 {
		t.Errorf("no unit gets it, and yet: %s", quiet.list())
	}
}

func TestDatabasesAreLeftAloneInATree(t *testing.T) {
	t.Parallel()
	h, _ := tree(t, nil)
	for _, s := range []Step{&DatabaseLogin{}, &DatabaseRole{}, &DatabasePassword{}, &DatabaseLocal{}} {
		finds(t, h, s, Unknowable)
		err := s.Apply(t.Context(), h)
		if want := new(*Skip); !errors.As(err, want) {
			t.Errorf("%T: %T %v", s, err, err)
		}
	}
	wait := &DatabaseCredentials{"they are not there yet"}
	finds(t, h, wait, Unmet)
	says(t, wait.Apply(t.Context(), h), "they are not there yet; "+
		"choose a database for this Droplet, or write its credentials into /root/.digitalocean_dbaas_credentials")
}

func TestADatabaseThatDoesNotAnswerIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := database.Connection{TLS: "require", Credentials: database.Credentials{
		Engine: "postgresql", Host: "127.0.0.1", Port: 1, User: "app", Password: secret.New("hush"), Name: "data"}}
	account := database.Account{User: "u", Database: "d", Password: secret.New("hush")}
	for _, s := range []Step{&DatabaseLogin{Connection: c}, &DatabaseRole{Administrator: c, Account: account}, &DatabasePassword{c, account}} {
		if err := s.Apply(t.Context(), machine(t)); err == nil || !errors.As(err, new(*Wait)) {
			t.Errorf("%T: %T %v", s, err, err)
		}
	}
}
