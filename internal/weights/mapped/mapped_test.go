package mapped

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func written(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAdvice: what is released is read again; advice on bytes of another place
// does nothing.
func TestAdvice(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	f, err := Open(written(t, want))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{f.Bytes(), f.Bytes()[5:9000], f.Bytes()[65536:], nil, make([]byte, 10000)} {
		f.Prefetch(part)
		f.Release(part)
	}
	if !bytes.Equal(f.Bytes(), want) {
		t.Error("the bytes have changed")
	}
	if err := f.Close(); err != nil || f.Bytes() != nil {
		t.Errorf("closed: %v, %d bytes", err, len(f.Bytes()))
	}
	if err := f.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, ErrNotRegular) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	f, err := Open(written(t, nil))
	if err != nil || len(f.Bytes()) != 0 {
		t.Errorf("an empty file: %v", err)
	}
}

// TestGuard turns a fault into an error, and nothing else.
func TestGuard(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a system that maps files and faults past their end")
	}
	path := written(t, make([]byte, 1<<16))
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	sum := func(lo int) (n int, err error) {
		defer f.Guard("the end", &err)()
		for _, v := range f.Bytes()[lo:] {
			n += int(v)
		}
		return n, nil
	}
	if _, err := sum(5000); err == nil || !strings.Contains(err.Error(), path+": the end cannot be read") {
		t.Errorf("past the end: %v", err)
	}
	if _, err := sum(1 << 16); err != nil {
		t.Errorf("no byte: %v", err)
	}
	defer func() {
		if recover() != "mine" {
			t.Error("another panic is swallowed")
		}
	}()
	_ = func() (err error) {
		defer f.Guard("the end", &err)()
		panic("mine")
	}()
}
