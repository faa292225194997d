package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// File is a file that was written under a name that is not yet its own.
type File interface {
	Sync() error
	Close() error
}

// Commit is the one way in which a file that was written beside its place takes
// its name. It brings the bytes to the disk, closes the file, has rename give it
// the name, in the same folder or at least the same file system, and brings the
// names of the folder that open opens to the disk.
//
// After nil, the name holds all of the new bytes, also when the machine loses
// its power. After an error, it holds what it held before; only where it is the
// folder that could not be synced, it holds the new bytes, which a
// loss of power may take back. At no moment it holds a part. What is left under
// the other name is the caller's to remove.
func Commit(f File, rename func() error, open func() (*os.File, error)) error {
	err := f.Sync()
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = rename()
	}
	if err != nil {
		return err
	}
	return SyncFolder(open)
}

// SyncFolder brings the names in the folder that open opens to the disk, so that
// a new one lasts through a crash. A folder that may be written to and not read
// cannot be synced; its names are left to the system.
func SyncFolder(open func() (*os.File, error)) error {
	if !CanSyncDirs {
		return nil // it cannot be opened for that either
	}
	d, err := open()
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err == nil {
		err = syncDir(d)
		d.Close()
	}
	if err != nil {
		return fmt.Errorf("sync a folder: %w", err)
	}
	return nil
}
