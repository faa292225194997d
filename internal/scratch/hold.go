package scratch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/gofrs/flock"
)

// holdName is the file in a folder that Hold locks. It is there as long as the
// folder is held.
const holdName = ".kinora.lock"

// HeldError says that another process, or another part of this one, works in a
// folder.
type HeldError struct {
	Dir     string
	Process int // 0 where it is not known
}

// Error implements error.
func (e *HeldError) Error() string {
	who := "another kinora"
	if e.Process != 0 {
		who += fmt.Sprintf(" (process %d)", e.Process)
	}
	return fmt.Sprintf("%s is in use by %s: wait until it has ended, or choose another folder", e.Dir, who)
}

// Hold gives a folder, which must be there, to this caller alone until release
// is called or the process ends, however it ends. The error is a *HeldError
// where another one holds it. On a file system without locks everybody gets the
// folder.
func Hold(dir string) (release func(), err error) {
	path := filepath.Join(dir, holdName)
	for range 100 {
		lock := flock.New(path, flock.SetPermissions(0o644))
		ok, err := lock.TryLock()
		switch {
		case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK):
			os.Remove(path)
			return func() {}, nil
		case err != nil:
			return nil, fmt.Errorf("hold the folder %s: %w", dir, err)
		case !ok:
			return nil, &HeldError{Dir: dir, Process: holder(path)}
		}
		if !current(lock, path) { // the holder before removed it after we had opened it
			_ = lock.Unlock() // of a file that is gone
			continue
		}
		// For who comes second. It is only a hint, and on Windows nobody can read it.
		_ = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
		return sync.OnceFunc(func() { removeLocked(lock, path) }), nil
	}
	return nil, fmt.Errorf("hold the folder %s: %s comes and goes", dir, holdName)
}

// removeLocked removes a lock's own file and unlocks it.
func removeLocked(lock *flock.Flock, path string) {
	if canLock {
		os.Remove(path) // while it is locked: who opened it meanwhile sees that it is gone
		_ = lock.Unlock()
		return
	}
	_ = lock.Unlock() // Windows removes no file that is open, ours or another's
	os.Remove(path)
}

// current says whether the locked file is the one that has the name.
func current(lock *flock.Flock, path string) bool {
	locked, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(locked, named)
}

// holder is the process that wrote its number into the file, or 0.
func holder(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 1 {
		return 0
	}
	return n
}
