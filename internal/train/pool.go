package train

import (
	"context"
	"math/rand/v2"
	"sync"
)

// A pool hands out items that are costly to make, each several times. Item id
// is a function of id alone, and what a step draws is a function of the step
// alone. So a run that continues after an interruption draws the same items,
// and only has to make them once more.
type pool[T any] struct {
	make  func(ctx context.Context, id uint64) (T, error)
	fresh int // new items a step
	keep  int // items that may be drawn: the newest

	mu    sync.Mutex
	items map[uint64]*entry[T]
	floor uint64 // lowest id that is kept
}

type entry[T any] struct {
	once  sync.Once
	value T
	err   error
}

func newPool[T any](fresh, keep int, mk func(ctx context.Context, id uint64) (T, error)) *pool[T] {
	return &pool[T]{make: mk, fresh: fresh, keep: keep, items: map[uint64]*entry[T]{}}
}

// window is the range of ids that a step may draw from.
func (p *pool[T]) window(step int) (lo, hi uint64) {
	hi = uint64(step+1) * uint64(p.fresh)
	// The first steps make a few items ahead, rather than repeat one.
	hi = max(hi, uint64(min(p.keep, 8*p.fresh)))
	if hi > uint64(p.keep) {
		lo = hi - uint64(p.keep)
	}
	return lo, hi
}

// draw returns n items for a step: the step's new ones first, then older ones.
func (p *pool[T]) draw(ctx context.Context, step, n int, rng *rand.Rand) ([]T, error) {
	lo, hi := p.window(step)
	p.forget(lo)
	out := make([]T, n)
	for i := range out {
		id := lo + rng.Uint64N(hi-lo)
		if i < p.fresh && hi-lo > uint64(p.fresh) {
			id = hi - 1 - uint64(i)
		}
		v, err := p.get(ctx, id)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (p *pool[T]) get(ctx context.Context, id uint64) (T, error) {
	p.mu.Lock()
	e := p.items[id]
	if e == nil {
		e = new(entry[T])
		p.items[id] = e
	}
	p.mu.Unlock()
	e.once.Do(func() { e.value, e.err = p.make(ctx, id) })
	return e.value, e.err
}

func (p *pool[T]) forget(below uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.floor < below; p.floor++ {
		delete(p.items, p.floor)
	}
}

// A batchQueue makes the batches of coming steps while the current step runs.
type batchQueue[B any] struct {
	out    chan result[B]
	cancel context.CancelFunc
}

type result[B any] struct {
	batch B
	err   error
}

func newBatchQueue[B any](ctx context.Context, from, ahead int, mk func(ctx context.Context, step int) (B, error)) *batchQueue[B] {
	ctx, cancel := context.WithCancel(ctx)
	q := &batchQueue[B]{out: make(chan result[B], ahead), cancel: cancel}
	go func() {
		defer close(q.out)
		for step := from; ctx.Err() == nil; step++ {
			b, err := mk(ctx, step)
			select {
			case q.out <- result[B]{b, err}:
			case <-ctx.Done():
			}
			if err != nil {
				return
			}
		}
	}()
	return q
}

func (q *batchQueue[B]) next(ctx context.Context) (B, error) {
	select {
	case r, ok := <-q.out:
		if !ok && r.err == nil {
			r.err = context.Canceled
		}
		return r.batch, r.err
	case <-ctx.Done():
		var zero B
		return zero, ctx.Err()
	}
}

// stop stops making batches and waits until it has ended.
func (q *batchQueue[B]) stop() {
	q.cancel()
	for range q.out {
	}
}

// stepRNG returns the generator for one kind of a step's random choices.
func stepRNG(seed uint64, step int, kind uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed^kind*0x9e3779b97f4a7c15, uint64(step)))
}
