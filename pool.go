package kinora

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Pool opens models at their first use and keeps them open. When another model
// needs memory, it closes the models that were used longest ago, but never one that
// is in use. Several goroutines may use a Pool.
type Pool struct {
	budget int64 // bytes of all open models; 0 for no limit
	can    func(name string) (Capabilities, error)
	open   func(ctx context.Context, name string, more ...Option) (*Model, error)
	named  map[string]variant
	gate   *semaphore.Weighted // held by the caller that gets the next model

	mu      sync.Mutex
	models  map[string]*pooled
	used    int64         // bytes of those that are open or being opened
	changed chan struct{} // closed and replaced when a model was given back or closed
	closed  bool
}

// pooled is a model of a Pool, open or being opened.
type pooled struct {
	model  *Model        // set when ready is closed, unless err is
	ready  chan struct{} // closed when opening is over
	err    error
	memory int64
	users  int
	last   time.Time // when it was given back
}

// variant is a model with options of its own.
type variant struct {
	of   string
	opts []Option
}

// NewPool makes a pool whose open models take at most so many bytes of memory, by
// what their Capabilities say; 0 means no limit. A model that needs more than the
// limit by itself is opened when no other model is open; one that keeps within a
// limit (WithMemory) is told this one. The options are those of Open.
func NewPool(memory int64, opts ...Option) *Pool {
	return &Pool{
		budget: memory, can: CapabilitiesOf, gate: semaphore.NewWeighted(1), models: map[string]*pooled{}, changed: make(chan struct{}),
		named: map[string]variant{},
		open: func(ctx context.Context, name string, more ...Option) (*Model, error) {
			all := slices.Clone(opts)
			if c, err := CapabilitiesOf(name); err == nil && c.Extras.Memory && memory > 0 {
				all = append(all, WithMemory(memory))
			}
			return Open(ctx, name, append(all, more...)...)
		},
	}
}

// Name makes name stand for a model that is opened with more options, such as a LoRA
// or a decoder. Errors are those of Open for options that the model does not take; no
// weights are read. Use must not have been called.
func (p *Pool) Name(name, model string, opts ...Option) error {
	if _, err := p.can(name); err == nil {
		return &Error{Kind: Invalid, Op: "name model", What: name, Err: errors.New("a model has this name already")}
	}
	spec, err := specOf(model)
	if err != nil {
		return err
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if err := o.check(spec); err != nil {
		return err
	}
	p.named[name] = variant{model, opts}
	return nil
}

// variantOf returns what a name stands for.
func (p *Pool) variantOf(name string) variant {
	if v, ok := p.named[name]; ok {
		return v
	}
	return variant{of: name}
}

// Capabilities returns what the model behind a name can do, without opening it.
func (p *Pool) Capabilities(name string) (Capabilities, error) { return p.can(p.variantOf(name).of) }

// Use returns a model, and opens it if it is not open. While models in use take the
// memory, it waits until ctx ends; callers are served in the order of asking. Call
// release when the model and its Clips are no longer needed; a second call does
// nothing. A caller that holds one model and asks for another may wait for ever:
// release the first before.
//
// Errors are those of Open, and the context's own.
func (p *Pool) Use(ctx context.Context, name string) (m *Model, release func(), err error) {
	v := p.variantOf(name)
	c, err := p.can(v.of)
	if err != nil {
		return nil, nil, err
	}
	if v.opts != nil {
		c.Name = name // each way to open a model has a place of its own
	}
	e, opens, err := p.enter(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	release = sync.OnceFunc(func() { p.leave(e) })
	if opens {
		p.finish(ctx, c.Name, v, e)
	} else {
		select {
		case <-e.ready:
		case <-ctx.Done():
			release()
			return nil, nil, ctx.Err()
		}
	}
	if e.err != nil {
		release()
		// If the caller that opened it was cancelled, the model itself did not fail: try
		// again.
		if !opens && ctx.Err() == nil && (errors.Is(e.err, context.Canceled) || errors.Is(e.err, context.DeadlineExceeded)) {
			return p.Use(ctx, name)
		}
		return nil, nil, e.err
	}
	return e.model, release, nil
}

// enter finds the entry of a model. If there is none, it waits for memory and makes
// one, which the caller then has to open. The caller counts as a user of the entry.
func (p *Pool) enter(ctx context.Context, c Capabilities) (e *pooled, opens bool, err error) {
	if err := p.gate.Acquire(ctx, 1); err != nil {
		return nil, false, err
	}
	defer p.gate.Release(1)
	for {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, false, &Error{Kind: Invalid, Op: "use model", What: c.Name, Err: errClosedPool}
		}
		if e := p.models[c.Name]; e != nil {
			e.users++
			p.mu.Unlock()
			return e, false, nil
		}
		idle := p.makeRoom(c.Cost.Memory)
		if p.fits(c.Cost.Memory) {
			e = &pooled{ready: make(chan struct{}), memory: c.Cost.Memory, users: 1}
			p.models[c.Name] = e
			p.used += e.memory
		}
		changed := p.changed
		p.mu.Unlock()
		if err := closeAll(idle); err != nil {
			if e != nil {
				e.err = err
				p.forget(c.Name, e)
				close(e.ready)
			}
			return nil, false, err
		}
		if e != nil {
			return e, true, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// fits says whether so many more bytes are within the limit.
func (p *Pool) fits(memory int64) bool {
	return p.budget <= 0 || len(p.models) == 0 || p.used+memory <= p.budget
}

// makeRoom takes idle models out of the pool, those used longest ago first, until
// so many more bytes fit. If even all of them are not enough, it takes none. The
// caller closes the models that were taken out.
func (p *Pool) makeRoom(memory int64) (out []*Model) {
	var idle []string
	busy, held := false, p.used
	for name, e := range p.models {
		if e.users > 0 {
			busy = true
			continue
		}
		idle = append(idle, name)
		held -= e.memory
	}
	if busy && held+memory > p.budget {
		return nil
	}
	slices.SortFunc(idle, func(a, b string) int { return p.models[a].last.Compare(p.models[b].last) })
	for _, name := range idle {
		if p.fits(memory) {
			break
		}
		out = append(out, p.models[name].model)
		p.used -= p.models[name].memory
		delete(p.models, name)
	}
	return out
}

func closeAll(models []*Model) error {
	var all error
	for _, m := range models {
		all = errors.Join(all, m.Close())
	}
	return all
}

// finish opens the model of an entry and wakes those who wait for it.
func (p *Pool) finish(ctx context.Context, name string, v variant, e *pooled) {
	e.model, e.err = p.open(ctx, v.of, v.opts...)
	if e.err != nil {
		p.forget(name, e)
	}
	close(e.ready)
}

// forget removes an entry whose model did not open.
func (p *Pool) forget(name string, e *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.models[name] == e {
		delete(p.models, name)
		p.used -= e.memory
	}
	p.tell()
}

// leave ends a use of an entry.
func (p *Pool) leave(e *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.users--
	e.last = time.Now()
	p.tell()
}

// tell wakes the callers that wait for memory.
func (p *Pool) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Close closes all models. It waits for those in use until ctx ends. No model is
// handed out any more.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for {
		p.mu.Lock()
		var idle []*Model
		for name, e := range p.models {
			if e.users == 0 {
				idle = append(idle, e.model)
				p.used -= e.memory
				delete(p.models, name)
			}
		}
		left, changed := len(p.models), p.changed
		p.mu.Unlock()
		if err := closeAll(idle); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("close models: %d are still in use: %w", left, ctx.Err())
		}
	}
}

var errClosedPool = errors.New("the pool of models has been closed")
