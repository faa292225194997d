package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// workPrefix begins the name of the folder of an attempt.
const workPrefix = "attempt-"

const (
	// staleWork is how long the folder of an attempt must lie untouched before
	// Tidy takes it for one whose process was killed; two leases where that is
	// more. An attempt touches its folder with each heartbeat.
	staleWork = 10 * time.Minute
	// abandonedWork is how long it is for New, which has no earlier look to
	// compare with, only clocks; likewise.
	abandonedWork = time.Hour
)

// folders are what a Runner knows of the folders of attempts.
type folders struct {
	mu   sync.Mutex
	own  map[string]bool // names of those that this Runner uses
	seen map[string]look // by name, as of the last Tidy; not the own
}

// look is when a folder had been touched last, and since when that is so.
type look struct {
	touched time.Time // by the clock of the file system
	since   time.Time // by that of this process
}

// Tidy removes folders of attempts whose process was killed. Other processes may
// share the parent folder, so Tidy removes a folder only if its time of change
// stayed the same between two calls at least staleWork apart. That is measured by
// the time that this process ran: neither a clock that is set nor a machine that
// slept makes a folder old. Call Tidy from time to time. What it cannot read or
// remove is in the log.
func (r *Runner) Tidy() {
	r.folders.mu.Lock()
	defer r.folders.mu.Unlock()
	now := time.Now()
	seen := map[string]look{}
	err := r.others(func(name string, touched time.Time) {
		l, known := r.folders.seen[name]
		switch {
		case !known || !l.touched.Equal(touched):
			l = look{touched, now}
		case now.Sub(l.since) >= max(staleWork, 2*r.Lease):
			r.remove(name)
			return
		}
		seen[name] = l
	})
	if err != nil {
		r.Log.Warn("looking for what killed workers left", "error", err)
		return
	}
	r.folders.seen = seen
}

// tidyFirst does the same as a Runner is made, for folders that are so old that
// there is no doubt: a process that is killed again and again never comes to
// Tidy.
func (r *Runner) tidyFirst() error {
	r.folders.mu.Lock()
	defer r.folders.mu.Unlock()
	err := r.others(func(name string, touched time.Time) {
		if time.Since(touched) >= max(abandonedWork, 2*r.Lease) {
			r.remove(name)
		}
	})
	if err != nil {
		return fmt.Errorf("make a worker: %w", err)
	}
	return nil
}

// others calls do with the folders of attempts that this Runner does not use.
func (r *Runner) others(do func(name string, touched time.Time)) error {
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), workPrefix) || r.folders.own[e.Name()] {
			continue
		}
		if info, err := e.Info(); err == nil { // else it has just gone
			do(e.Name(), info.ModTime())
		}
	}
	return nil
}

func (r *Runner) remove(name string) {
	if err := os.RemoveAll(filepath.Join(r.Dir, name)); err != nil {
		r.Log.Warn("removing what a killed worker left", "folder", name, "error", err)
		return
	}
	r.Log.Info("removed what a killed worker left", "folder", name)
}

// makeDir makes the attempt's own folder.
func (a *attempt) makeDir() error {
	a.folders.mu.Lock() // so that Tidy does not see it before it is known
	defer a.folders.mu.Unlock()
	dir, err := os.MkdirTemp(a.Dir, workPrefix+a.job.ID.String()+"-")
	if err != nil {
		return err
	}
	if a.folders.own == nil {
		a.folders.own = map[string]bool{}
	}
	a.folders.own[filepath.Base(dir)] = true
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dir = dir
	return nil
}

// touchDir says that the folder is in use.
func (a *attempt) touchDir() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dir == "" {
		return
	}
	now := time.Now()
	if err := os.Chtimes(a.dir, now, now); err != nil && !os.IsNotExist(err) {
		a.log.Warn("the attempt's folder could not be touched", "error", err)
	}
}

// removeDir removes the folder. What is left of it is Tidy's.
func (a *attempt) removeDir() {
	a.mu.Lock()
	dir := a.dir
	a.mu.Unlock()
	if dir == "" {
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		a.log.Warn("the attempt's folder could not be removed; it is tried again later", "error", err)
	}
	a.folders.mu.Lock()
	defer a.folders.mu.Unlock()
	delete(a.folders.own, filepath.Base(dir))
}
