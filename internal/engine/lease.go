package engine

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Lease hands the machine's cores to one computation after another, in the order
// in which they asked: each uses all of them, and two side by side would take
// longer than one after the other, and twice the memory.
type Lease struct{ sem *semaphore.Weighted }

// NewLease returns a lease that nobody has.
func NewLease() *Lease { return &Lease{semaphore.NewWeighted(1)} }

// Take waits for the cores until ctx ends, whose error it then returns.
func (l *Lease) Take(ctx context.Context) error { return l.sem.Acquire(ctx, 1) }

// Release gives the cores to the one who has waited longest.
func (l *Lease) Release() { l.sem.Release(1) }
