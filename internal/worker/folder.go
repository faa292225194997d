package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/scratch"
)

// makeDir makes the attempt's own folder. It is locked until removeDir, or until
// the process ends, so no other process that shares the parent folder takes it
// for one that was left behind.
func (a *attempt) makeDir() (err error) {
	a.dir, a.removeDir, err = scratch.Folder(a.Dir)
	return err
}

// Tidy removes the folders of attempts whose process was killed. Call it from
// time to time.
func (r *Runner) Tidy() { scratch.Sweep(r.Dir) }

// The version before named the folders of its attempts otherwise, held no lock on
// them, and touched them with each heartbeat.
const (
	formerPrefix = "attempt-"
	formerAge    = time.Hour // two leases where that is more
)

// tidyFormer removes the folders that the version before left.
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
			r.Log.Warn("removing what a killed worker left", "folder", e.Name(), "error", err)
		}
	}
	return nil
}
