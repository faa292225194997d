package store

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watchWrites returns a channel that receives a value when any process of this
// machine has written to the file, at most one per lookEvery. It opens no
// descriptor of the file itself.
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
		buf := make([]byte, 4096) // the events' contents do not matter
		for {
			if _, err := events.Read(buf); err != nil {
				return // stop closed it
			}
			select {
			case c <- struct{}{}:
			default: // the previous value is still there
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
