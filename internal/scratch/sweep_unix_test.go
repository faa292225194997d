//go:build unix

package scratch

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSweepOpensNoPipes: what another user laid into a common folder, such as
// that of temporary files, does not make anybody wait.
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
	Sweep(dir) // would wait for who writes into the pipe
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("left are %q", got)
	}
}
