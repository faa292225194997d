//go:build unix

package scratch

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSweepOpensNoPipes: a pipe that another user put into a shared folder,
// such as the temporary folder, does not block a sweep.
func TestSweepOpensNoPipes(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, newName())
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, pipe := range []string{filepath.Join(dir, newName()), filepath.Join(folder, folderLock)} {
		if err := syscall.Mkfifo(pipe, 0o644); err != nil {
			t.Skip(err)
		}
	}
	Sweep(dir) // would block on the pipe
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("left are %q", got)
	}
}
