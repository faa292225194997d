package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kinora-video/kinora/internal/disk"
)

// syncDir makes a rename in dir last through a crash.
func syncDir(dir string) error {
	if !disk.CanSyncDirs {
		return nil // it cannot be opened for that either
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // a folder that may be written to and not read; the file is there
	}
	if err == nil {
		defer d.Close()
		err = disk.SyncDir(d)
	}
	if err != nil {
		return fmt.Errorf("sync a folder: %w", err)
	}
	return nil
}
