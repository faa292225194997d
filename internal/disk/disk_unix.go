//go:build linux || darwin

package disk

import (
	"errors"

	"golang.org/x/sys/unix"
)

// CanSyncDirs says that a folder can be synced, which makes a new name in it
// last.
const CanSyncDirs = true

// Room returns the room of the file system that holds dir.
func Room(dir string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Space{}, err
	}
	block := uint64(st.Bsize) // its type differs between systems
	return Space{Free: st.Bavail * block, Total: st.Blocks * block}, nil
}

// NoSpace reports whether an error means that the disk takes no more: it is
// full, the owner's quota is used up, or the file has reached the system's size
// limit.
func NoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}
