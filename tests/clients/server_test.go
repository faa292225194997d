package clients

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// program is the released program, built once.
var program string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "kinora-clients")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "kinora")
	if out, err := exec.Command("sh", filepath.Join("..", "..", "scripts", "build"), program).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("scripts/build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

var (
	listening = regexp.MustCompile(`msg=listening address=(\S+)`)
	apiKey    = regexp.MustCompile(`API key of the project "default"\s+(\S+)`)
)

// serve runs a new server until the test ends, and returns its address and a key.
func serve(t *testing.T) (address, key string) {
	t.Helper()
	cmd := exec.Command(program, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0")
	var printed, logged output
	address, key = "", ""
	cmd.Stdout = &printed
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ends with %v", err)
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", logged.text())
		}
	})
	lines := bufio.NewReader(io.TeeReader(log, &logged))
	for address == "" {
		line, err := lines.ReadString('\n')
		if m := listening.FindStringSubmatch(line); m != nil {
			address = m[1]
		} else if err != nil {
			t.Fatalf("the server does not start: %v\n%s", err, logged.text())
		}
	}
	reading.Go(func() { _, _ = io.Copy(io.Discard, lines) }) // to its end
	if m := apiKey.FindStringSubmatch(printed.text()); m != nil {
		return address, m[1]
	}
	t.Fatal(errors.New("the first start prints no key:\n" + printed.text()))
	return "", ""
}

// output is what a process writes, which a test may read meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
