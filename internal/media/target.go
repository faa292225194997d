package media

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/scratch"
)

// target is a file that appears under its name whole or not at all: it grows
// under a hidden name beside it.
type target struct {
	path string // "" for a file that never gets a name
	temp *scratch.File
}

// newTarget opens the hidden file beside path.
func newTarget(path string) (*target, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("media: %s is not a regular file: write to - to stream a video", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("media: looking at the place of a video: %w", err)
	}
	f, err := scratch.Create(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("media: starting the video %s: %w", path, err)
	}
	return &target{path: path, temp: f}, nil
}

// newTemporary opens a file that is only a place to work.
func newTemporary() (*target, error) {
	f, err := scratch.Create(os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("media: opening a temporary file: %w", err)
	}
	return &target{temp: f}, nil
}

// commit makes sure that the bytes are on disk and gives the file its name.
func (t *target) commit() error {
	if err := t.temp.Commit(t.path); err != nil {
		return fmt.Errorf("media: finishing the video %s: %w", t.path, err)
	}
	return nil
}

// discard removes what there is.
func (t *target) discard() {
	t.temp.Discard()
}
