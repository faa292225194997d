//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// readerGone says whether standard output is a pipe that nobody reads any more.
// The error of a write does not always say so: ffmpeg, which may write there too,
// only reports that it failed.
func readerGone() bool {
	fds := []unix.PollFd{{Fd: int32(os.Stdout.Fd())}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLERR != 0
}
