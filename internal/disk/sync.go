package disk

import (
	"errors"
	"os"
	"syscall"
)

// syncDir brings the names in an open folder to the disk, so that a new one
// lasts through a crash. Where the system or the file system cannot do that, and
// need not, it does nothing.
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
