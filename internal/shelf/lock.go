package shelf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// lockPause is how often a waiting process looks whether a lock is free.
const lockPause = 100 * time.Millisecond

// BusyError says that another process is pulling or removing models.
type BusyError struct{ What string }

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("another kinora is %s: wait until it has ended", e.What)
}

// errTaken is the error of lock for a lock that another holds.
var errTaken = errors.New("it is locked")

// lock takes the lock with a name; without wait the error is errTaken if another
// holds it. The system drops a lock when its process ends in any way. On a file
// system without locks every caller gets it.
func (s *Shelf) lock(name string, wait bool) (release func(), err error) {
	ctx := context.Background()
	if !wait {
		return s.take(ctx, name, (*flock.Flock).TryLock)
	}
	return s.await(ctx, name)
}

// await is lock that waits until ctx ends.
func (s *Shelf) await(ctx context.Context, name string) (release func(), err error) {
	return s.take(ctx, name, func(f *flock.Flock) (bool, error) { return f.TryLockContext(ctx, lockPause) })
}

// share takes a lock that others may share.
func (s *Shelf) share(name string) (release func(), err error) {
	return s.take(context.Background(), name, (*flock.Flock).TryRLock)
}

func (s *Shelf) take(ctx context.Context, name string, try func(*flock.Flock) (bool, error)) (release func(), err error) {
	dir := filepath.Join(s.dir, locks)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	f := flock.New(filepath.Join(dir, name), flock.SetPermissions(0o666))
	switch ok, err := try(f); {
	case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK):
		return func() {}, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", f.Path(), err)
	case !ok:
		return nil, errTaken
	}
	return sync.OnceFunc(func() { _ = f.Unlock() }), nil // the system unlocks it at the end of the process
}
