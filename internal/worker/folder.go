package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/scratch"
)

// makeDir makes the attempt's own folder. The folder is locked until removeDir or
// until the process ends, so that no other process sharing the parent folder
// mistakes it for an abandoned one.
func (a *attempt) makeDir() (err error) {
	a.dir, a.removeDir, err = scratch.Folder(a.Dir)
	return err
}

// Tidy removes the folders of attempts whose process was killed. Call it
// regularly.
func (r *Runner) Tidy() { scratch.Sweep(r.Dir) }

// The previous version named the folders of its attempts differently, did not
// lock them, and updated their modification times with each heartbeat.
const (
	formerPrefix = "attempt-"
	formerAge    = time.Hour // two leases where that is more
)

// tidyFormer removes old folders of the previous version.
func (r *Runner) tidyFormer() error {
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return fmt.Errorf("make a worker: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), formerPrefix) {
			continue
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < max(formerAge, 2*r.Lease) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.Dir, e.Name())); err != nil {
			r.Log.Warn("a folder of a killed worker could not be removed", "folder", e.Name(), "error", err)
		}
	}
	return nil
}
