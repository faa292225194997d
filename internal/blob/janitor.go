package blob

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Defaults and limits of a janitor.
const (
	// DefaultGrace is the least age of a blob that may be deleted. It is longer
	// than the time from the first byte of a job's media until a row refers to
	// it.
	DefaultGrace = time.Hour
	// DefaultMaxChecked and DefaultMaxDeleted bound one sweep.
	DefaultMaxChecked = 10_000
	DefaultMaxDeleted = 1_000
	// maxListed is how many failed deletions a sweep's error lists.
	maxListed = 5
)

// Janitor deletes blobs that nothing refers to. Set its fields before the first
// Sweep.
type Janitor struct {
	Store *Store
	// Grace is the age below which nothing is ever deleted: a job may be writing,
	// with its row still missing. 0 means DefaultGrace.
	Grace time.Duration
	// MaxChecked bounds how many blobs one sweep asks about, MaxDeleted how many
	// it deletes. 0 means the default.
	MaxChecked, MaxDeleted int
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	mu     sync.Mutex
	cursor map[string]string // the last key that a sweep reached, by prefix
}

// Swept counts what a sweep did.
type Swept struct {
	Young   int   // blobs left alone because they are too young
	Kept    int   // blobs that keep wants
	Deleted int   // unwanted blobs that were deleted
	Failed  int   // blobs that could not be deleted; another sweep tries again
	Bytes   int64 // total size of the deleted blobs
	Temps   int   // removed temporary files of interrupted writes
	Done    bool  // the sweep came to the end of the prefix
}

// Sweep deletes blobs below prefix that keep does not want and that are older
// than olderThan and than the grace period. prefix ends in a slash, as other
// things may lie beside the store's. keep is only asked about old blobs. A sweep
// ends at keep's first error and deletes nothing more, because an unavailable
// database knows no blob at all.
//
// A sweep is bounded. The next one continues after the last key of this one, and
// starts again after the end. The counts are right also beside an error. Sweeps
// of one janitor run one after another.
func (j *Janitor) Sweep(ctx context.Context, prefix string, olderThan time.Duration, keep func(key string) (bool, error)) (Swept, error) {
	if err := checkPrefix(prefix); err != nil {
		return Swept{}, err
	}
	if prefix == "" || prefix[len(prefix)-1] != '/' {
		return Swept{}, fmt.Errorf("blob: sweeping prefix %q: it must end in a slash", prefix)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now
	if j.Now != nil {
		now = j.Now
	}
	r := &round{
		Janitor: j,
		before:  now().Add(-max(olderThan, orDefault(j.Grace, DefaultGrace))),
		checks:  orDefault(j.MaxChecked, DefaultMaxChecked),
		deletes: orDefault(j.MaxDeleted, DefaultMaxDeleted),
		keep:    keep,
	}
	err := r.run(ctx, prefix)
	if err != nil {
		err = fmt.Errorf("blob: sweeping %q: %w", prefix, err)
	}
	return r.swept, err
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// round is one sweep.
type round struct {
	*Janitor
	before          time.Time // blobs written later stay
	checks, deletes int       // still allowed
	keep            func(string) (bool, error)
	swept           Swept
	failures        []error
}

func (r *round) run(ctx context.Context, prefix string) error {
	var err error
	if r.swept.Temps, err = r.Store.b.tidy(ctx, r.before); err != nil {
		return err
	}
	if r.cursor == nil {
		r.cursor = map[string]string{}
	}
	after := r.cursor[prefix]
	for info, err := range r.Store.List(ctx, prefix) {
		if err != nil {
			return errors.Join(append(r.failures, err)...)
		}
		if info.Key <= after {
			continue
		}
		if r.checks == 0 || r.deletes == 0 {
			return errors.Join(r.failures...)
		}
		if err := r.visit(ctx, info); err != nil {
			return errors.Join(append(r.failures, err)...)
		}
		r.cursor[prefix] = info.Key
	}
	delete(r.cursor, prefix)
	r.swept.Done = true
	return errors.Join(r.failures...)
}

// visit deletes a blob if it is old and unwanted.
func (r *round) visit(ctx context.Context, info Info) error {
	if !info.ModTime.Before(r.before) {
		r.swept.Young++
		return nil
	}
	r.checks--
	wanted, err := r.keep(info.Key)
	if err != nil {
		return fmt.Errorf("asking whether %s is wanted: %w", info.Key, err)
	}
	if wanted {
		r.swept.Kept++
		return nil
	}
	// The list may be minutes old, so the key may have been written since.
	again, err := r.Store.Stat(ctx, info.Key)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil && !again.ModTime.Before(r.before) {
		r.swept.Young++
		return nil
	}
	if err == nil {
		r.deletes--
		err = r.Store.Delete(ctx, info.Key)
	}
	if err != nil {
		r.swept.Failed++
		if len(r.failures) < maxListed {
			r.failures = append(r.failures, err)
		}
		return ctx.Err()
	}
	r.swept.Deleted++
	r.swept.Bytes += info.Size
	return nil
}
