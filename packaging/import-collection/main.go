// Command import-collection measures the import over a collection of images: go run ./packaging/import-collection CHECKOUT
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"oneclick-agent/agent/importer"
	"oneclick-agent/agent/trial"
)

// trialWithin is how long the setup of one image may take on its throwaway tree.
const trialWithin = time.Minute

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "import-collection: name a checkout with a directory an image")
		os.Exit(2)
	}
	found, err := filepath.Glob(filepath.Join(os.Args[1], "*", "files"))
	if err != nil || len(found) == 0 {
		fmt.Fprintln(os.Stderr, "import-collection: there are no images in", os.Args[1])
		os.Exit(2)
	}
	fmt.Println(
		"| image | shell | typed | commands | left | dropped | mistakes | lints | runs |\n| --- | --- | --- | --- | --- | --- | " +
			"--- | --- | --- |",
	)
	var all importer.Lines
	count, lints, runs := 0, 0, 0
	for _, files := range found {
		directory := filepath.Dir(files)
		result, err := importer.Read(directory)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		linted, ran := try(directory, result)
		count++
		if linted == nil {
			lints++
		} else {
			fmt.Fprintln(os.Stderr, filepath.Base(directory), linted)
		}
		if ran == nil {
			runs++
		} else if linted == nil {
			fmt.Fprintln(os.Stderr, filepath.Base(directory), ran)
		}
		l := result.Lines
		all.Typed, all.Commands, all.Left, all.Dropped = all.Typed+l.Typed, all.Commands+l.Commands, all.Left+l.Left, all.Dropped+l.Dropped
		fmt.Printf(
			"| %s | %d | %d | %d | %d | %d | %d | %s | %s |\n",
			filepath.Base(directory),
			l.All(),
			l.Typed,
			l.Commands,
			l.Left,
			l.Dropped,
			len(result.Findings),
			yes(linted),
			yes(ran),
		)
	}
	share := func(n int) float64 { return 100 * float64(n) / float64(max(1, all.All())) }
	fmt.Printf(
		"\n%d images: %d lint, %d run to their end. Of %d lines of shell %.0f%% are typed, %.0f%% commands without a shell, "+
			"%.0f%% dropped with a "+
			"reason, %.0f%% still shell.\n",
		count,
		lints,
		runs,
		all.All(),
		share(all.Typed),
		share(all.Commands),
		share(all.Dropped),
		share(all.Left),
	)
}

func yes(err error) string {
	if err != nil {
		return "no"
	}
	return "yes"
}

// try lints what was written, and sets it up on a throwaway tree, as far as that goes without somebody at a terminal.
func try(directory string, result *importer.Result) (linted, ran error) {
	where, err := os.MkdirTemp("", "import-")
	if err != nil {
		return err, err
	}
	defer os.RemoveAll(where)
	for name, content := range result.Files {
		file := filepath.Join(where, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, content, 0o644)); err != nil {
			return err, err
		}
	}
	if err := os.CopyFS(filepath.Join(where, "files"), os.DirFS(filepath.Join(directory, "files"))); err != nil {
		return err, err
	}
	image, err := trial.New(where)
	if err != nil {
		return err, err
	}
	defer image.Close()
	d, err := image.NewDroplet()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), trialWithin)
	defer cancel()
	return nil, d.FirstBoot(ctx)
}
