//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kinora-video/kinora/internal/model/lm/lmtest"
)

// terminal is the program at a terminal of its own.
type atTerminal struct {
	t    *testing.T
	keys *os.File
	mu   sync.Mutex
	seen bytes.Buffer
	over chan error
}

// openTerminal makes a pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("there are no pseudo-terminals: %v", err)
	}
	return master, slave
}

// start runs the program at a terminal until the test ends.
func start(t *testing.T, args ...string) *atTerminal {
	t.Helper()
	master, slave := openTerminal(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, filepath.Join(t.TempDir(), "kinora"), args...)
	// testscript's main runs a command by the name that it is called by.
	if err := os.Symlink(exe, cmd.Path); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(os.Environ(), "KINORA_MODELS="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	a := &atTerminal{t: t, keys: master, over: make(chan error, 1)}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			a.mu.Lock()
			a.seen.Write(buf[:n])
			a.mu.Unlock()
			if err != nil { // the program has ended
				return
			}
		}
	}()
	go func() { a.over <- cmd.Wait() }()
	t.Cleanup(cancel)
	return a
}

// sees waits until the terminal shows what a pattern says, from here on.
func (a *atTerminal) sees(pattern string) {
	a.t.Helper()
	form := regexp.MustCompile(pattern)
	for range 2400 {
		a.mu.Lock()
		all := a.seen.Bytes()
		at := form.FindIndex(all)
		if at != nil {
			a.seen.Next(at[1])
		}
		a.mu.Unlock()
		if at != nil {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.t.Fatalf("the terminal does not show %q but %q", pattern, a.seen.String())
}

func (a *atTerminal) types(keys string) {
	a.t.Helper()
	if _, err := a.keys.WriteString(keys); err != nil {
		a.t.Fatal(err)
	}
}

// TestConversation: at a terminal there is a conversation, whose answers Ctrl-C stops,
// and which Ctrl-C at the prompt ends.
func TestConversation(t *testing.T) {
	dir := t.TempDir()
	a := start(t, "chat", "--model", lmtest.Folder(t), "--seed", "7", "--max-tokens", "20", "--stats", "--system", "be brief")
	a.sees(`512 tokens of conversation`)
	a.sees(`> `)
	a.types("helo\x1b[D" + "l\r") // the arrow goes back: hello
	a.sees(`20 tokens, [0-9.]+ a second`)
	a.types("/save " + filepath.Join(dir, "a.json") + "\r")
	a.sees(`saved 3 messages`)
	data, err := os.ReadFile(filepath.Join(dir, "a.json"))
	if err != nil || !strings.Contains(string(data), `"content": "hello"`) || !strings.Contains(string(data), `"content": "be brief"`) {
		t.Errorf("%s, %v", data, err)
	}
	a.types("/save " + filepath.Join(dir, "a.json") + "\r")
	a.sees(`is there already`)
	a.types("/nonsense\r")
	a.sees(`there is no command /nonsense`)
	a.types("/reset\r")
	a.sees(`is forgotten`)
	a.types("/save " + filepath.Join(dir, "b.json") + "\r")
	a.sees(`saved 1 messages`)
	a.types("\x1b[200~two\rlines\x1b[201~\r")
	a.sees(`20 tokens`)
	a.types("/save " + filepath.Join(dir, "c.json") + "\r")
	a.sees(`saved 3 messages`)
	if data, err = os.ReadFile(filepath.Join(dir, "c.json")); err != nil || !strings.Contains(string(data), `"content": "two\nlines"`) {
		t.Errorf("%s, %v", data, err)
	}
	a.types(strings.Repeat("too long ", 60) + "\r")
	a.sees(`/reset begins anew`)
	a.types("\x03")
	a.sees(`2 answers, 40 tokens`)
	if err := <-a.over; err != nil {
		t.Errorf("the conversation ends with %v", err)
	}
}

// TestStoppedAnswer: Ctrl-C stops an answer, and the conversation goes on.
func TestStoppedAnswer(t *testing.T) {
	path := filepath.Join("..", "..", ".cache", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
	if named := os.Getenv("KINORA_SMOLLM2"); named != "" {
		path = named
	}
	if _, err := os.Stat(path); err != nil || testing.Short() {
		t.Skip("it wants an answer that takes its time: run scripts/smollm2, which gets a model that gives one")
	}
	a := start(t, "chat", "--model", path, "--temperature", "0")
	a.sees(`> `)
	a.types("Write a very long story about a dog and a cat.\r")
	a.sees(`(dog|cat|Once|once|the)[^\r]* `)
	a.types("\x03")
	a.sees(`\(stopped\)`)
	a.sees(`> `)
	a.types("/quit\r")
	if err := <-a.over; err != nil {
		t.Errorf("the conversation ends with %v", err)
	}
}
