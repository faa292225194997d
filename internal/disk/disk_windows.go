package disk

import (
	"errors"

	"golang.org/x/sys/windows"
)

// CanSyncDirs is false: Windows cannot sync a folder; NTFS keeps a journal of names.
const CanSyncDirs = false

// Room returns the room of the volume that holds dir.
func Room(dir string) (Space, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return Space{}, err
	}
	var s Space
	if err := windows.GetDiskFreeSpaceEx(p, &s.Free, &s.Total, nil); err != nil {
		return Space{}, err
	}
	return s, nil
}

// NoSpace reports whether an error means that the disk takes no more.
func NoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED) || errors.Is(err, windows.ERROR_FILE_TOO_LARGE)
}
