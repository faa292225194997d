package media

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/scratch"
)

// target is an output file. It is written under a hidden name in the same folder, and
// renamed when it is whole.
type target struct {
	path    string // "" for a file that never gets a name
	temp    *scratch.File
	release func() // gives up the claim on path; nil if the caller holds it
}

// newTarget claims path, unless the caller has done so, and opens the hidden file.
func newTarget(path string, claimed bool) (*target, error) {
	t := &target{path: path}
	var err error
	if !claimed {
		if t.release, err = scratch.Claim(path); err != nil {
			return nil, fmt.Errorf("media: starting the video %s: %w", path, err)
		}
	}
	if t.temp, err = scratch.Create(filepath.Dir(path)); err != nil {
		t.done()
		return nil, fmt.Errorf("media: starting the video %s: %w", path, err)
	}
	return t, nil
}

func (t *target) done() {
	if t.release != nil {
		t.release()
	}
}

// newTemporary opens a temporary file, which never gets a name.
func newTemporary() (*target, error) {
	f, err := scratch.Create(os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("media: opening a temporary file: %w: name a folder that can be written to with TMPDIR", err)
	}
	return &target{temp: f}, nil
}

// commit syncs the file to disk and gives it its name.
func (t *target) commit() error {
	defer t.done()
	if err := t.temp.Commit(t.path); err != nil {
		return fmt.Errorf("media: finishing the video %s: %w", t.path, err)
	}
	return nil
}

// discard removes the file and gives up the claim.
func (t *target) discard() {
	t.temp.Discard()
	t.done()
}
