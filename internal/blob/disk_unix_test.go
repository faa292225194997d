//go:build linux || darwin

package blob

import (
	"bytes"
	"errors"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

var errFull error = unix.ENOSPC

// TestFileLimit writes past the largest file that the process may write, which
// the kernel refuses in the middle of a write as it does on a full disk.
func TestFileLimit(t *testing.T) {
	s, l := openFolder(t)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	small := old
	small.Cur = copyBytes + 1000
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	_, err := s.Put(t.Context(), "video/ab/x.mp4", bytes.NewReader(noise(4*copyBytes)), Meta{})
	if back := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); back != nil {
		t.Fatal(back)
	}
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, unix.EFBIG) {
		t.Errorf("past the limit: %v", err)
	}
	if got := files(t, l.dir); len(got) != 0 {
		t.Errorf("left are %q", got)
	}
}
