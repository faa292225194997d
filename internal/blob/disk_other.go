//go:build !linux && !darwin && !windows

package blob

import (
	"errors"
	"syscall"
)

const canSyncDirs = true

// diskSpace is not known here.
func diskSpace(string) (Space, error) { return Space{}, errors.ErrUnsupported }

// noSpace reports whether an error means that the disk takes no more.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
