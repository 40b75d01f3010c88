// Command droplet-lab boots an image with our package in it as a Droplet on this machine, for development.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"oneclick-agent/packaging/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "droplet-lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("droplet-lab boot", flag.ContinueOnError)
	image := flags.String("image", "bookworm", "the root file system: bookworm or trixie")
	deb := flags.String("deb", "", "the package to install in it")
	example := flags.String("manifest", "packaging/sample", "directory with app.yaml and what it names")
	line := flags.String("run", "", "run this on the Droplet instead of a shell")
	if len(arguments) == 0 || arguments[0] != "boot" {
		return errors.New("use droplet-lab boot [flags]; see droplet-lab boot --help")
	}
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("a Droplet needs a network namespace, and so root; run this with sudo")
	}
	chosen, ok := lab.Images()[*image]
	if !ok {
		return fmt.Errorf("there is no image %q; use bookworm or trixie", *image)
	}
	files, err := lab.Manifest(*example)
	if err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "droplet-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	return boot(ctx, chosen, directory, *deb, files, *line)
}

func boot(ctx context.Context, image lab.Image, directory, deb string, files map[string]lab.File, line string) error {
	fmt.Fprintf(os.Stderr, "making the %s image (cached in %s) ...\n", image.Name, lab.CacheDirectory())
	build, err := image.Build(ctx, directory, deb, files)
	if err != nil {
		return err
	}
	l, err := lab.Open(ctx, directory)
	if err != nil {
		return err
	}
	defer l.Close()
	disk, err := l.Overlay(ctx, build, filepath.Base(directory))
	if err != nil {
		return err
	}
	machine, err := l.Boot(ctx, build, disk, lab.Droplet{ID: 2756294, Name: "sample-droplet"})
	if err != nil {
		return err
	}
	defer machine.CutPower()
	fmt.Fprintln(os.Stderr, "the Droplet is booting; its shell opens in about 30 s (leave it with exit) ...")
	if line == "" {
		return machine.Shell(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	out, err := machine.Run(ctx, line)
	fmt.Println(strings.TrimRight(out, "\n"))
	if err != nil {
		fmt.Fprintln(os.Stderr, machine.Console())
	}
	return err
}
