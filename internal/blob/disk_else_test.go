//go:build !linux && !darwin && !windows

package blob

import "syscall"

var errFull error = syscall.ENOSPC
