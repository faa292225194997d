package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// File is a file that was written under a temporary name.
type File interface {
	Sync() error
	Close() error
}

// Commit is the only way in which a file takes its final name. It syncs the
// bytes to the disk, closes the file, and calls rename to give it the name, in
// the same folder or at least the same file system. Then it syncs the folder
// that open opens.
//
// After nil, the name holds all of the new bytes, even if the machine loses
// power. After an error, it holds what it held before, with one exception: if
// only the folder could not be synced, it holds the new bytes, which a loss of
// power may undo. It never holds a part of them. The caller removes what is
// left under the temporary name.
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

// SyncFolder syncs the names in the folder that open opens, so that a new name
// lasts through a crash. A folder that may be written to but not read cannot be
// synced; its names are left to the system.
func SyncFolder(open func() (*os.File, error)) error {
	if !CanSyncDirs {
		return nil // such a system cannot even open a folder for that
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
