package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestThreeFirstLoginsAtOnce: each of several unattended first logins waits for its turn, and succeeds.
func TestThreeFirstLoginsAtOnce(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	for range 8 {
		root := t.TempDir()
		for name, content := range map[string]string{
			"run/cloud-init/instance-data.json": `{"v1": {"instance_id": "1"}}`, "root/keep": "",
			"given": "name: somebody\npassword: hunter2-hunter2\n",
			"etc/oneclick/app.yaml": "version: 1\napp: {name: Sample}\nsecrets: {one: {}}\nfirst_login:\n  questions: [{name: name, ask: Name}, " +
				"{name: password, ask: Password, type: password}]\n  steps: [{file: /etc/made, content: '" +
				"{{ .answers.name }} {{ .answers.password }} {{ .secrets.one }}'}]\n",
		} {
			file := filepath.Join(root, name)
			os.MkdirAll(filepath.Dir(file), 0o755)
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command(program, "first-boot", "--root", root).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if out, err := exec.Command(program, "first-login", "--answers", "/given", "--root", root).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
		group.Wait()
		made, _ := os.ReadFile(filepath.Join(root, "etc/made"))
		if !strings.HasPrefix(string(made), "somebody hunter2-hunter2 ") {
			t.Errorf("/etc/made is %q", made)
		}
	}
}

// TestPurgingTakesTheBlockOutOfBashrc runs the package's own script on a tree.
func TestPurgingTakesTheBlockOutOfBashrc(t *testing.T) {
	t.Parallel()
	const block = "# BEGIN oneclick-agent: first login\ncase $- in *i*) : ;; esac\n# END oneclick-agent: first login\n"
	for name, test := range map[string]struct{ before, after, action string }{
		"alone":      {block, "", "purge"},
		"between":    {"one\n" + block + "two\n", "one\ntwo\n", "purge"},
		"as on DOS":  {"one\r\n" + strings.ReplaceAll(block, "\n", "\r\n") + "two\r\n", "one\r\ntwo\r\n", "purge"},
		"none":       {"one\ntwo", "one\ntwo", "purge"},
		"edited":     {strings.Replace(block, "case", "mine\ncase", 1), strings.Replace(block, "case", "mine\ncase", 1), "purge"},
		"not ended":  {"# BEGIN oneclick-agent: first login\nmine\n", "# BEGIN oneclick-agent: first login\nmine\n", "purge"},
		"not purged": {"one\n" + block, "one\n" + block, "remove"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			file := filepath.Join(root, "root/.bashrc")
			os.MkdirAll(filepath.Dir(file), 0o755)
			if err := os.WriteFile(file, []byte(test.before), 0o640); err != nil {
				t.Fatal(err)
			}
			command := exec.Command("sh", "../../packaging/scripts/postremove.sh", test.action)
			command.Env = append(os.Environ(), "DPKG_ROOT="+root)
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			data, err := os.ReadFile(file)
			info, statErr := os.Stat(file)
			if err != nil || statErr != nil || !bytes.Equal(data, []byte(test.after)) || info.Mode().Perm() != 0o640 {
				t.Errorf("it is %q, mode %v, %v %v", data, info.Mode(), err, statErr)
			}
			if left, _ := filepath.Glob(filepath.Join(root, "root/.bashrc?*")); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}
