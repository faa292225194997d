package media

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// target is a file that appears under its name whole or not at all: it grows
// under a hidden name beside it.
type target struct {
	path string // "" for a file that never gets a name
	temp *os.File
}

// newTarget opens the hidden file beside path.
func newTarget(path string) (*target, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("media: %s is not a regular file: write to - to stream a video", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("media: looking at the place of a video: %w", err)
	}
	var id [6]byte
	rand.Read(id[:])
	dir, name := filepath.Split(path)
	hidden := filepath.Join(dir, "."+name+"."+hex.EncodeToString(id[:])+".part")
	f, err := os.OpenFile(hidden, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("media: starting the video %s: %w", path, err)
	}
	return &target{path: path, temp: f}, nil
}

// newTemporary opens a file that is only a place to work.
func newTemporary() (*target, error) {
	f, err := os.CreateTemp("", "kinora-*.part")
	if err != nil {
		return nil, fmt.Errorf("media: opening a temporary file: %w: name a folder that can be written to with TMPDIR", err)
	}
	return &target{temp: f}, nil
}

// commit makes sure that the bytes are on disk and gives the file its name.
func (t *target) commit() error {
	err := t.temp.Sync()
	if e := t.temp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(t.temp.Name(), t.path)
	}
	if err != nil {
		os.Remove(t.temp.Name())
		return fmt.Errorf("media: finishing the video %s: %w", t.path, err)
	}
	return nil
}

// discard removes what there is.
func (t *target) discard() {
	t.temp.Close()
	os.Remove(t.temp.Name())
}
