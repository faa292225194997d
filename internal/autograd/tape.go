// Package autograd is reverse-mode differentiation over tensor.Ops. A Tape is
// an Ops that also remembers how to go back; a model that is given one trains,
// and the same model given a plain backend infers.
//
// The package knows which gradients flow where; a backend that can train
// (tensor.Trainer) knows how each is computed. Every operation of tensor.Ops
// has a derivative in derivatives.go: one that lacks it does not compile. The
// package never updates a parameter.
package autograd

import "github.com/kinora-video/kinora/internal/tensor"

// A Tape records operations on a backend. It is not safe for concurrent use.
type Tape struct {
	b     tensor.Trainer
	nodes []node
	// local holds the gradients of parameters while several tapes run in
	// parallel; nil if they go straight to the parameters.
	local map[*tensor.Tensor]*tensor.Tensor
}

type node struct {
	y    *tensor.Tensor
	back func(dy *tensor.Tensor)
	// scratch, which may be nil, is a tensor that only back reads.
	scratch *tensor.Tensor
}

var _ interface {
	tensor.Ops
	tensor.Losses
} = (*Tape)(nil)

// NewTape returns an empty tape over b.
func NewTape(b tensor.Trainer) *Tape { return &Tape{b: b} }

// NewLocalTape returns a tape that keeps the gradients of parameters to itself
// until Flush, so that several goroutines may run tapes of one model.
func NewLocalTape(b tensor.Trainer) *Tape {
	return &Tape{b: b, local: map[*tensor.Tensor]*tensor.Tensor{}}
}

// Backend returns the backend that the tape records on.
func (t *Tape) Backend() tensor.Trainer { return t.b }

// Flush adds the gradient that a local tape holds for p to the gradient of p,
// and clears it.
func (t *Tape) Flush(p *tensor.Tensor) {
	if g := t.local[p.Root()]; g != nil {
		if p.Grad() == nil {
			p.SetGrad(t.b.Lasting(p.Shape...))
		}
		t.b.AddTo(p.Grad(), g, 1)
		t.b.Clear(g)
	}
}

// Reset drops the recording and frees the activations.
func (t *Tape) Reset() {
	clear(t.nodes)
	t.nodes = t.nodes[:0]
	t.b.Reset()
}

// record stores that y was computed from xs, with the derivative back.
func (t *Tape) record(y *tensor.Tensor, back func(dy *tensor.Tensor), xs ...*tensor.Tensor) *tensor.Tensor {
	return t.recordWith(nil, y, back, xs...)
}

// recordWith is record with a tensor that only back reads.
func (t *Tape) recordWith(scratch, y *tensor.Tensor, back func(dy *tensor.Tensor), xs ...*tensor.Tensor) *tensor.Tensor {
	for _, x := range xs {
		if x.Needs() {
			y.SetNeeds(true)
			t.nodes = append(t.nodes, node{y, back, scratch})
			return y
		}
	}
	if scratch != nil {
		t.b.Free(scratch)
	}
	return y
}

// grad returns the gradient of x in its shape, to be added to, or nil if x
// needs none. A new gradient is zeros: freed by Reset for an activation,
// lasting for a parameter.
func (t *Tape) grad(x *tensor.Tensor) *tensor.Tensor {
	if !x.Needs() {
		return nil
	}
	return t.whole(x).Reshape(x.Shape...)
}

// whole is grad in the shape of the first tensor that used x's buffer.
func (t *Tape) whole(x *tensor.Tensor) *tensor.Tensor {
	if x.Lasts() && t.local != nil {
		p := x.Root()
		if t.local[p] == nil {
			t.local[p] = t.b.Lasting(x.Shape...)
		}
		return t.local[p]
	}
	if x.Grad() == nil {
		if x.Lasts() {
			x.SetGrad(t.b.Lasting(x.Shape...))
		} else {
			x.SetGrad(t.b.Zeros(x.Shape...))
		}
	}
	return x.Grad()
}

// start is grad for a derivative that can either set a gradient or add to it: a
// fresh gradient has undefined content.
func (t *Tape) start(x *tensor.Tensor) (dx *tensor.Tensor, fresh bool) {
	if x.Needs() && !x.Lasts() && x.Grad() == nil {
		x.SetGrad(t.b.Empty(x.Shape...))
		return x.Grad(), true
	}
	return t.grad(x), false
}

// pass adds dy to the gradient of x unchanged.
func (t *Tape) pass(x, dy *tensor.Tensor) {
	switch dx, fresh := t.start(x); {
	case dx == nil:
	case fresh:
		t.b.Copy(dx, dy)
	default:
		t.b.AddTo(dx, dy, 1)
	}
}

// Backward adds the gradient of scale·loss to every parameter that loss, a
// tensor of one element, depends on. It then frees the activations, which must
// not be read afterwards.
func (t *Tape) Backward(loss *tensor.Tensor, scale float32) {
	if loss.Needs() {
		t.BackwardFrom(loss, []float32{scale})
	}
}

// BackwardFrom is Backward from a given gradient dy of y.
func (t *Tape) BackwardFrom(y *tensor.Tensor, dy []float32) {
	if !y.Needs() {
		return
	}
	t.pass(y, t.b.Upload(dy, y.Shape...))
	t.backward()
}

// backward starts from the gradients that have been set.
func (t *Tape) backward() {
	for i := len(t.nodes) - 1; i >= 0; i-- {
		n := t.nodes[i]
		if g := n.y.Grad(); g != nil {
			n.back(g.Reshape(n.y.Shape...))
			n.y.SetGrad(nil)
			t.b.Free(g)
		}
		if n.scratch != nil {
			t.b.Free(n.scratch)
		}
		t.b.Free(n.y)
		t.nodes[i] = node{}
	}
	t.nodes = t.nodes[:0]
}

// Checkpoint runs f on x without keeping the intermediate results of f, and
// computes them again in the backward pass. It trades time for memory. f must
// be a pure function of x and of parameters.
func (t *Tape) Checkpoint(x *tensor.Tensor, f func(ops tensor.Ops, x *tensor.Tensor) *tensor.Tensor) *tensor.Tensor {
	y := t.b.Scope(func() *tensor.Tensor { return f(t.b, x) })
	y.SetNeeds(true)
	t.nodes = append(t.nodes, node{y: y, back: func(dy *tensor.Tensor) {
		inner := &Tape{b: t.b, local: t.local}
		leaf := x.Leaf()
		leaf.SetNeeds(x.Needs())
		out := f(inner, leaf)
		inner.pass(out, dy)
		inner.backward()
		if dx := t.grad(x); dx != nil {
			g := inner.grad(leaf)
			t.b.AddTo(dx, g, 1)
			t.b.Free(g)
		}
		delete(t.local, leaf.Root())
	}})
	return y
}
