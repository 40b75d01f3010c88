package edit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// reader is a program that reads a format in earnest. It is started once and asked many times.
type reader struct {
	sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

func startReader(t *testing.T, argv ...string) *reader {
	t.Helper()
	command := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	command.Stderr = io.Discard
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("cannot start a reader; packaging/install-test-tools installs it: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = command.Wait()
	})
	return &reader{in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

// ask sends a file to a reader that speaks JSON.
func (r *reader) ask(name, file string) (any, error) {
	r.Lock()
	defer r.Unlock()
	request, err := json.Marshal(map[string]string{"reader": name, "file": file})
	if err != nil {
		return nil, err
	}
	if _, err := r.in.Write(append(request, '\n')); err != nil {
		return nil, err
	}
	line, err := r.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the reader ended: %w", err)
	}
	var answer struct {
		Value any
		Error string
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return answer.Value, nil
}

// shellScript sources the file of each line of its input and prints its variables.
const shellScript = `while read -r f_ n_; do . "$f_" >/dev/null
	for v_ in $n_; do eval "printf '%s\0' \"\$$v_\""; unset $v_; done; printf '\001\0'; done`

// askShell sources a file and returns the variables that it names.
func (r *reader) askShell(path, file string, names []string) (any, error) {
	r.Lock()
	defer r.Unlock()
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(r.in, path, strings.Join(names, " ")); err != nil {
		return nil, err
	}
	found := map[string]any{}
	for i := 0; ; i++ {
		value, err := r.out.ReadString(0)
		if err != nil {
			return nil, err
		}
		if value == "\x01\x00" {
			break
		}
		found[names[i]] = strings.TrimSuffix(value, "\x00")
	}
	if len(found) != len(names) {
		return nil, errors.New("sh cannot read the file")
	}
	return found, nil
}

// askMySQL reads an option file with MariaDB's my_print_defaults. Options come by their section and name.
func askMySQL(t *testing.T, path, file string) (any, error) {
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		return nil, err
	}
	found := map[string]any{}
	for _, line := range strings.Split(file, "\n") {
		match := iniHeader().FindStringSubmatch(body(line))
		if match == nil {
			continue
		}
		out, err := exec.CommandContext(t.Context(), "my_print_defaults", "--defaults-file="+path, match[1]).Output()
		if err != nil {
			return nil, err
		}
		section := map[string]any{}
		for option := range strings.Lines(string(out)) {
			name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(option, "\n"), "--"), "=")
			name = strings.ReplaceAll(name, "-", "_")
			list, _ := section[name].([]any)
			section[name] = append(list, value)
		}
		found[match[1]] = section
	}
	return found, nil
}

// readers are the programs of one test.
type readers struct {
	t               *testing.T
	python, php, sh *reader
	scratch         string
	known           map[string]any // what files hold that were read before, by their text
}

func startReaders(t *testing.T) *readers {
	t.Helper()
	return &readers{
		t: t, python: startReader(t, "/usr/bin/python3", "testdata/readers.py"), php: startReader(t, "php", "-n", "testdata/readers.php"),
		sh: startReader(t, "sh", "-c", shellScript), scratch: filepath.Join(t.TempDir(), "file"), known: map[string]any{},
	}
}

// read is what a format's own reader makes of a file, as a document.
func (r *readers) read(format string, file []byte) (any, error) {
	switch format {
	case "dotenv":
		all, err := scanDotenv(lines(file))
		if err != nil {
			return nil, err
		}
		var names []string
		for _, e := range all {
			names = append(names, e.name)
		}
		return r.sh.askShell(r.scratch, string(file), names)
	case "mysql":
		return askMySQL(r.t, r.scratch, string(file))
	case "php", "php.ini":
		return r.php.ask(format, string(file))
	case "json":
		document, err := decodeJSON(file)
		return plainJSON(document), err
	}
	return r.python.ask(format, string(file))
}

// readKnown reads a file that many cases have in common.
func (r *readers) readKnown(format string, file []byte) (any, error) {
	if have, known := r.known[format+string(file)]; known {
		return have, nil
	}
	have, err := r.read(format, file)
	if err == nil && format != "php" {
		r.known[format+string(file)] = have
	}
	return have, err
}

// plainJSON marks numbers as the other readers do.
func plainJSON(value any) any {
	switch v := value.(type) {
	case json.Number:
		return map[string]any{"number": v.String()}
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, plainJSON(item))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, item := range v {
			out[name] = plainJSON(item)
		}
		return out
	}
	return value
}

// place is where a reader's document has the value of a key.
func place(format string, key Key, have any) []string {
	names := key.Names()
	switch format {
	case "ini", "python":
		return []string{names[0], strings.ToLower(names[1])}
	case "mysql":
		return []string{names[0], strings.ReplaceAll(names[1], "-", "_")}
	case "php":
		switch {
		case strings.HasPrefix(names[0], "$"):
			names[0] = names[0][1:]
			return append([]string{"variables"}, names...)
		case len(names) == 1 && have.(map[string]any)["return"] == nil:
			return []string{"constants", names[0]}
		}
		return append([]string{"return"}, names...)
	}
	return names
}

// expected is a value as the format's reader gives it.
func expected(format string, value any) any {
	switch format {
	case "json", "yaml", "toml":
		return plainJSON(value)
	case "php":
		return phpLists(plainJSON(value))
	}
	if list, ok := value.([]any); ok {
		return list
	}
	text, _ := scalar(value)
	if format == "mysql" || format == "systemd" {
		return []any{text}
	}
	return text
}

// phpLists gives lists the keys that PHP has for them.
func phpLists(value any) any {
	table, ok := value.(map[string]any)
	if list, isList := value.([]any); isList {
		table, ok = map[string]any{}, true
		for i, item := range list {
			table[strconv.Itoa(i)] = item
		}
	}
	if !ok {
		return value
	}
	for name := range table {
		table[name] = phpLists(table[name])
	}
	return table
}
