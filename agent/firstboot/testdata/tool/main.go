// Command tool is what run steps of the tests run inside their trees.
package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if filepath.Base(os.Args[0]) == "journalctl" { // of a unit that dies
		fmt.Print("reading /etc/app.conf\nFATAL: cannot open /srv/data: permission denied\n\n")
		return
	}
	switch os.Args[1] {
	case "say": // prints lines to standard output or standard error, and ends with a status
		to := map[string]io.Writer{"out": os.Stdout, "err": os.Stderr}[os.Args[2]]
		for _, line := range os.Args[4:] {
			fmt.Fprintln(to, line)
		}
		status, _ := strconv.Atoi(os.Args[3])
		os.Exit(status)
	case "hang":
		fmt.Println(os.Args[2])
		time.Sleep(time.Hour)
	case "listen":
		if _, err := net.Listen("tcp", os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
	case "issue": // prints a token that is another one each time, and counts how often it was run
		file, _ := os.OpenFile("/issued", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		fmt.Fprintln(file, "x")
		fmt.Printf("token: t%d-secret-token\n", os.Getpid())
	case "append": // adds a line to a file, and notes that it did
		note, _ := os.OpenFile("/commands", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		fmt.Fprintln(note, "append", os.Args[2], os.Args[3])
		os.MkdirAll(filepath.Dir(os.Args[2]), 0o755)
		file, err := os.OpenFile(os.Args[2], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = fmt.Fprintln(file, os.Args[3])
		}
		if err != nil {
			os.Exit(1)
		}
	case "show": // records its arguments, and prints all that it was given, as programs that complain do
		os.WriteFile("/arguments", []byte(strings.Join(os.Args, "\n")), 0o600)
		data, _ := io.ReadAll(os.Stdin)
		fmt.Printf("%s\n%s\n%s\n", data, os.Getenv("CAUSE"), hex.EncodeToString(data))
		fmt.Fprintf(os.Stderr, "%s %s\n", base64.StdEncoding.EncodeToString(append([]byte("x"), data...)), os.Getenv("CAUSE"))
		if len(os.Args) > 2 && os.Args[2] == "fail" {
			os.Exit(1)
		}
	case "fail":
		fmt.Fprintln(os.Stderr, "the cause is", os.Getenv("CAUSE"))
		os.Exit(1)
	case "forever": // leaves a mark, and ends for no signal that can be ignored; the second time it ends at once
		if _, err := os.Stat(os.Args[2]); err == nil {
			return
		}
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		os.WriteFile(os.Args[2], nil, 0o600)
		time.Sleep(time.Hour)
	case "require": // fails as long as a file is not there
		if _, err := os.Stat(os.Args[2]); err != nil {
			os.Exit(1)
		}
	case "stdin":
		data, _ := io.ReadAll(os.Stdin)
		os.WriteFile("/stdin", data, 0o600)
	}
}
