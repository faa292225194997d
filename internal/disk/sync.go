package disk

import (
	"errors"
	"os"
	"syscall"
)

// syncDir syncs the names in an open folder to the disk, so that a new name
// lasts through a crash. It does nothing where the system or the file system
// cannot do that and need not.
func syncDir(dir *os.File) error {
	if !CanSyncDirs {
		return nil
	}
	err := dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
