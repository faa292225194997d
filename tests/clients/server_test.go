package clients

import (
	"bufio"
	"bytes"
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

// serve runs a new server with some more flags until the test ends, and returns its
// address and a key.
func serve(t *testing.T, flags ...string) (address, key string) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0"}, flags...)...)
	var printed, logged output
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
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
	address = find(t, &reading, io.TeeReader(log, &logged), listening)
	key = find(t, &reading, io.TeeReader(out, &printed), apiKey)
	if address == "" || key == "" {
		t.Fatalf("the server's first start says no address or no key:\n%s\n%s", printed.text(), logged.text())
	}
	return address, key
}

// find reads lines up to the one that says something, and the rest of them later.
// It returns what is said, or "" at the end.
func find(t *testing.T, reading *sync.WaitGroup, r io.Reader, what *regexp.Regexp) string {
	t.Helper()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if m := what.FindStringSubmatch(line); m != nil {
			reading.Go(func() { _, _ = io.Copy(io.Discard, lines) }) // to its end
			return m[1]
		}
		if err != nil {
			return ""
		}
	}
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
