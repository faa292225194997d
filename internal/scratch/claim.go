package scratch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/text/unicode/norm"

	"github.com/kinora-video/kinora/internal/disk"
)

// claimSuffix ends the name of a file that claims another name.
const claimSuffix = ".claim"

// TakenError says that another process, or another part of this one, is writing
// the file at a path.
type TakenError struct{ Path string }

// Error implements error.
func (e *TakenError) Error() string {
	return "another kinora is writing it: wait until that has ended, or choose another name"
}

// Claim reserves, for this caller, the name of a file that is to be written,
// until release is called or the process ends in any way. Calling release again
// does nothing.
//
// Claim creates an empty file of that name for a moment. This checks that the
// folder exists and can be written to, and that the file system accepts the
// name. If a file has the name already, it stays; it must be a regular file.
// Errors do not repeat the path. The error is a *TakenError if another caller
// has the claim. On a file system without locks every caller gets it.
func Claim(path string) (release func(), err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, reasonOf(err)
	}
	name := claimName(path)
	for try := range 100 {
		lock := flock.New(name, flock.SetPermissions(0o644))
		ok, err := lock.TryLock()
		switch {
		case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK):
			_ = os.Remove(name)
			return func() {}, reasonOf(tryName(path))
		case err != nil:
			return nil, reasonOf(err)
		case !ok && try < 3: // a Sweep may hold it for a moment
			time.Sleep(5 * time.Millisecond)
			continue
		case !ok:
			return nil, &TakenError{path}
		case !current(lock, name): // its holder removed it after this call opened it
			_ = lock.Unlock() // the file is gone
			continue
		}
		release := sync.OnceFunc(func() { removeLocked(lock, name) })
		if err := tryName(path); err != nil {
			release()
			return nil, reasonOf(err)
		}
		return release, nil
	}
	return nil, fmt.Errorf("claim %s: %s keeps being created and removed", path, name)
}

// claimName is the file whose lock claims a path. Its name is short and depends
// only on the path's last element.
func claimName(path string) string {
	sum := sha256.Sum256([]byte(sameName(filepath.Base(path), runtime.GOOS)))
	return filepath.Join(filepath.Dir(path), prefix+hex.EncodeToString(sum[:8])+claimSuffix)
}

// sameName is equal for names that mean the same file to the usual file systems
// of an operating system: Windows and macOS ignore case, and macOS ignores how
// accents are composed.
func sameName(name, system string) string {
	if system == "windows" || system == "darwin" {
		return strings.ToLower(norm.NFC.String(name))
	}
	return name
}

// tryName checks whether a file can have a name, by creating an empty file of
// that name for a moment.
func tryName(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return errors.Join(f.Close(), os.Remove(path))
}

// reasonOf returns the system's own error, without the operation and the path:
// the path may be that of a hidden file.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// NoRoomError says that a folder's disk is too full.
type NoRoomError struct {
	Dir  string
	Need int64 // bytes, about
	Free int64 // bytes; -1 where that is not known, as with a quota
	Err  error // the system's error, or nil
}

// Error implements error.
func (e *NoRoomError) Error() string {
	if e.Free < 0 {
		return fmt.Sprintf("no room for about %s in %s: %v", megabytes(e.Need), e.Dir, e.Err)
	}
	return fmt.Sprintf("no room in %s: about %s are needed, and %s are free", e.Dir, megabytes(e.Need), megabytes(e.Free))
}

// Unwrap returns the cause.
func (e *NoRoomError) Unwrap() error { return e.Err }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// tried is the most that Room writes as a trial, in bytes. The trial meets
// limits that the free space does not show: quotas, and a process's limit on
// file size.
const tried = 1 << 20

// Room checks whether a folder's disk can take need more bytes. If it cannot,
// the error is a *NoRoomError.
func Room(dir string, need int64) error {
	if space, err := disk.Room(dir); err == nil && need > 0 && space.Free < uint64(need) {
		return &NoRoomError{Dir: dir, Need: need, Free: int64(space.Free)}
	}
	f, err := Create(dir)
	if err != nil {
		return lacking(dir, need, err)
	}
	defer f.Discard()
	_, err = f.Write(make([]byte, min(max(need, 1), tried)))
	if err == nil {
		err = f.Sync()
	}
	return lacking(dir, need, err)
}

// lacking turns the error of a full disk into a *NoRoomError.
func lacking(dir string, need int64, err error) error {
	if err == nil || !disk.NoSpace(err) {
		return err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return &NoRoomError{Dir: dir, Need: need, Free: -1, Err: err}
}
