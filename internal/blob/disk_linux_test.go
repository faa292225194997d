package blob

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDiskFull fills a real file system of 1 MiB. It needs the right to mount.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("cannot mount a tmpfs:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, "video/00/kept.mp4", noise(600_000))
	for range 3 { // failed writes take no space
		if _, err := s.Put(t.Context(), "video/00/x.mp4", bytes.NewReader(noise(600_000)), Meta{}); !errors.Is(err, ErrNoSpace) {
			t.Errorf("past the end of the disk: %v", err)
		}
	}
	if err := s.Room(600_000); !errors.Is(err, ErrNoSpace) {
		t.Errorf("Room: %v", err)
	}
	put(t, s, "video/00/fits.mp4", noise(300_000))
	if got := files(t, dir); len(got) != 2 || !bytes.Equal(get(t, s, "video/00/kept.mp4"), noise(600_000)) {
		t.Errorf("the disk holds %q", got)
	}
}
