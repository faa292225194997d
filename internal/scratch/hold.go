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

// holdName is the file in a folder that Hold locks. It exists as long as the
// folder is held.
const holdName = ".kinora.lock"

// HeldError says that another process, or another part of this one, is using a
// folder.
type HeldError struct {
	Dir     string
	Process int // 0 if unknown
}

// Error implements error.
func (e *HeldError) Error() string {
	who := "another kinora"
	if e.Process != 0 {
		who += fmt.Sprintf(" (process %d)", e.Process)
	}
	return fmt.Sprintf("%s is in use by %s: wait until it has ended, or choose another folder", e.Dir, who)
}

// Hold reserves a folder, which must exist, for this caller until release is
// called or the process ends in any way. The error is a *HeldError if another
// caller holds it. On a file system without locks every caller gets the folder.
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
		if !current(lock, path) { // the previous holder removed it after this call opened it
			_ = lock.Unlock() // the file is gone
			continue
		}
		// The number tells the next caller who holds the folder. It is only a
		// hint: on Windows nobody can read it.
		_ = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
		return sync.OnceFunc(func() { removeLocked(lock, path) }), nil
	}
	return nil, fmt.Errorf("hold the folder %s: %s keeps being created and removed", dir, holdName)
}

// removeLocked removes a lock's own file and unlocks it.
func removeLocked(lock *flock.Flock, path string) {
	if canLock {
		os.Remove(path) // while it is locked: a caller that opened it meanwhile sees that it is gone
		_ = lock.Unlock()
		return
	}
	_ = lock.Unlock() // Windows removes no file that is open in any process
	os.Remove(path)
}

// current reports whether the locked file is the one that has the name now.
func current(lock *flock.Flock, path string) bool {
	locked, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(locked, named)
}

// holder returns the process number that the holder wrote into the file, or 0.
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
