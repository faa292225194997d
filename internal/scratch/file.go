package scratch

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"

	"github.com/kinora-video/kinora/internal/disk"
)

// The names of unfinished files: prefix, 16 random digits, suffix. They are
// short, however long the final name is.
const (
	prefix = ".kinora-"
	suffix = ".part"
	// folderLock is the file in each folder that Folder makes. Its lock says that
	// the folder is in use.
	folderLock = ".lock"
)

// canLock is false on Windows: a lock there keeps other programs, such as
// ffmpeg, from reading and writing the file.
const canLock = runtime.GOOS != "windows"

func newName() string {
	var id [8]byte
	rand.Read(id[:])
	return prefix + hex.EncodeToString(id[:]) + suffix
}

// File is an unfinished file.
type File struct {
	*os.File
	lock *flock.Flock // nil where the file system has no locks
}

// Create makes a new file in dir, with the permissions of the user's mask. The
// caller must Commit or Discard it. Create also removes what killed processes
// left in dir.
func Create(dir string) (*File, error) {
	sweepOnce(dir)
	for range 100 {
		path := filepath.Join(dir, newName())
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lock, swept := hold(path)
		if swept { // another process swept it before it was locked
			f.Close()
			os.Remove(path)
			continue
		}
		return &File{f, lock}, nil
	}
	return nil, fmt.Errorf("cannot create a file in %s: every name that was tried is taken", dir)
}

// hold locks a file that has just been created. lock is nil where there are no
// locks. swept reports that another process's Sweep holds the file.
func hold(path string) (lock *flock.Flock, swept bool) {
	if !canLock {
		return nil, false
	}
	lock = flock.New(path, flock.SetFlag(os.O_RDONLY))
	switch ok, err := lock.TryLock(); {
	case ok:
		return lock, false
	case err == nil || errors.Is(err, os.ErrNotExist):
		return nil, true
	}
	return nil, false
}

// Commit gives the file its name, in the same folder, as disk.Commit does. It
// replaces a file of that name. If it fails, the unfinished file is removed.
func (f *File) Commit(path string) error {
	return f.commit(path, func() error { return os.Rename(f.Name(), path) })
}

// CommitNew is Commit for a name that no file has yet. If a file has the name,
// it stays as it is and the error is fs.ErrExist.
func (f *File) CommitNew(path string) error {
	return f.commit(path, func() error {
		err := hardLink(f.Name(), path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		// The file system has no hard links, like exFAT and many network
		// shares. An empty file takes the name first; readers may see it for a
		// moment.
		empty, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(empty.Close(), os.Rename(f.Name(), path)); err != nil {
			return errors.Join(err, os.Remove(path))
		}
		return nil
	})
}

// hardLink is os.Link; tests replace it.
var hardLink = os.Link

func (f *File) commit(path string, rename func() error) error {
	err := disk.Commit(f.File, rename, func() (*os.File, error) { return os.Open(filepath.Dir(path)) })
	os.Remove(f.Name()) // it is there after an error, and after a link
	f.unlock()
	return err
}

// Discard removes the file.
func (f *File) Discard() {
	f.Close()
	os.Remove(f.Name())
	f.unlock()
}

func (f *File) unlock() {
	if f.lock != nil {
		_ = f.lock.Unlock() // the system unlocks it at the end of the process
	}
}

// WriteFile writes a file atomically: path holds either its old contents or all
// of the new contents.
func WriteFile(path string, write func(io.Writer) error) error {
	f, err := Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Discard()
		return err
	}
	return f.Commit(path)
}

// WriteBytes is WriteFile for contents in memory.
func WriteBytes(path string, data []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteNew writes a file that only this user may read, under a name that no
// file has yet. If a file has the name, it stays as it is and the error is
// fs.ErrExist.
func WriteNew(path string, data []byte) error {
	f, err := Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	err = f.Chmod(0o600)
	if err == nil {
		_, err = f.Write(data)
	}
	if err != nil {
		f.Discard()
		return err
	}
	return f.CommitNew(path)
}

// Folder makes a folder in parent, or in the system's temporary folder if
// parent is "". remove removes it. Folder also removes what killed processes
// left in parent.
func Folder(parent string) (dir string, remove func(), err error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweepOnce(parent)
	for range 100 {
		dir = filepath.Join(parent, newName())
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", nil, err
		}
		lock := filepath.Join(dir, folderLock)
		if err := os.WriteFile(lock, nil, 0o600); err != nil {
			os.RemoveAll(dir)
			return "", nil, err
		}
		held, swept := hold(lock)
		if swept { // another process swept it before it was locked
			os.RemoveAll(dir)
			continue
		}
		return dir, func() {
			os.RemoveAll(dir)
			if held != nil {
				_ = held.Unlock() // the system unlocks it at the end of the process
			}
		}, nil
	}
	return "", nil, fmt.Errorf("cannot create a folder in %s: other processes keep removing it", parent)
}
