//go:build !linux && !darwin && !windows

package disk

import (
	"errors"
	"syscall"
)

// CanSyncDirs says that a folder can be synced, which makes a new name in it last.
const CanSyncDirs = true

// Room is not known on this system.
func Room(string) (Space, error) { return Space{}, errors.ErrUnsupported }

// NoSpace reports whether an error means that the disk takes no more.
func NoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
