//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// readerGone says whether standard output is a pipe that nobody reads any more.
// An error does not always tell: ffmpeg, which writes there too, only says that
// it failed.
func readerGone() bool {
	fds := []unix.PollFd{{Fd: int32(os.Stdout.Fd())}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLERR != 0
}
