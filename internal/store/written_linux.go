package store

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watchWrites gives a channel that gets a value when any process of this machine
// has written to a file, and at most one each lookEvery. It opens no descriptor
// of the file.
func watchWrites(path string) (written <-chan struct{}, stop func(), err error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, nil, fmt.Errorf("watch %s: %w", path, err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
		events.Close() // nothing was read
		return nil, nil, fmt.Errorf("watch %s: %w", path, err)
	}
	c, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		buf := make([]byte, 4096) // what the events are does not matter
		for {
			if _, err := events.Read(buf); err != nil {
				return // it was closed
			}
			select {
			case c <- struct{}{}:
			default: // the one before was not read yet
			}
			select {
			case <-time.After(lookEvery):
			case <-done:
				return
			}
		}
	}()
	return c, func() {
		close(done)
		events.Close() // which ends the read
	}, nil
}
