// Package autograd is reverse-mode differentiation over tensor.Ops. A Tape is
// an Ops that also remembers how to go back; a model that is given one trains,
// and the same model given a plain backend infers.
//
// The derivatives stand together in derivatives.go. The package never updates
// a parameter.
package autograd

import (
	"github.com/kinora-video/kinora/internal/kernel/elem"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A Tape records operations on a CPU backend. It is not safe for concurrent
// use.
type Tape struct {
	*tensor.CPU
	nodes []node
	// local holds the gradients of parameters while several tapes work side
	// by side; nil when they go straight to the parameters.
	local map[*tensor.Tensor][]float32
}

type node struct {
	y    *tensor.Tensor
	back func(g *gradient)
	// scratch are buffers of the arena that only back reads.
	scratch [][]float32
}

var _ tensor.Ops = (*Tape)(nil)

// NewTape returns an empty tape over cpu.
func NewTape(cpu *tensor.CPU) *Tape { return &Tape{CPU: cpu} }

// NewLocalTape returns a tape that keeps the gradients of parameters to itself
// until Flush, so that tapes of one model may run in several goroutines.
func NewLocalTape(cpu *tensor.CPU) *Tape {
	return &Tape{CPU: cpu, local: map[*tensor.Tensor][]float32{}}
}

// Flush adds what a local tape holds to the gradient of p and clears it.
func (t *Tape) Flush(p *tensor.Tensor) {
	if g := t.local[p.Root()]; g != nil {
		if p.Grad() == nil {
			p.SetGrad(make([]float32, p.Len()))
		}
		elem.Add(p.Grad(), p.Grad(), g)
		clear(g)
	}
}

// Reset forgets what was recorded and takes back the activations.
func (t *Tape) Reset() {
	t.nodes = t.nodes[:0]
	t.Arena.Reset()
}

// record notes that y came from xs by an operation whose derivative is back.
func (t *Tape) record(y *tensor.Tensor, back func(g *gradient), scratch [][]float32, xs ...*tensor.Tensor) *tensor.Tensor {
	for _, x := range xs {
		if x.Needs() {
			y.SetNeeds(true)
			t.nodes = append(t.nodes, node{y, back, scratch})
			return y
		}
	}
	for _, s := range scratch {
		t.Arena.Put(s)
	}
	return y
}

// gradient is what a derivative works with.
type gradient struct {
	tape *Tape
	dy   []float32
}

// of is the gradient of x to be added to, or nil when none is wanted.
func (g *gradient) of(x *tensor.Tensor) []float32 {
	if !x.Needs() {
		return nil
	}
	return g.tape.grad(x)
}

// start is of for a derivative that can set a gradient as well as add to it:
// with add it is to be added to, without it is new and holds anything.
func (g *gradient) start(x *tensor.Tensor) (dx []float32, add bool) {
	if x.Needs() && x.Owned() && x.Grad() == nil {
		x.SetGrad(g.tape.Arena.Get(x.Len()))
		return x.Grad(), false
	}
	return g.of(x), true
}

// pass hands dy on to x as it is.
func (g *gradient) pass(x *tensor.Tensor) {
	switch dx, add := g.start(x); {
	case dx == nil:
	case add:
		elem.Add(dx, dx, g.dy)
	default:
		copy(dx, g.dy)
	}
}

// grad is the gradient of x, zeros when it is new: from the arena for an
// activation, lasting for a parameter.
func (t *Tape) grad(x *tensor.Tensor) []float32 {
	if !x.Owned() && t.local != nil {
		p := x.Root()
		if t.local[p] == nil {
			t.local[p] = make([]float32, x.Len())
		}
		return t.local[p]
	}
	if x.Grad() == nil {
		if x.Owned() {
			x.SetGrad(t.Arena.GetZero(x.Len()))
		} else {
			x.SetGrad(make([]float32, x.Len()))
		}
	}
	return x.Grad()
}

// Backward adds the gradient of scale·loss, loss a tensor of one element, to
// every parameter that it depends on, and recycles the activations: they must
// not be read afterwards.
func (t *Tape) Backward(loss *tensor.Tensor, scale float32) {
	if !loss.Needs() {
		return
	}
	g := gradient{tape: t}
	seed := t.Arena.Get(1)
	seed[0] = scale
	loss.SetGrad(seed)
	for i := len(t.nodes) - 1; i >= 0; i-- {
		n := t.nodes[i]
		if g.dy = n.y.Grad(); g.dy != nil {
			n.back(&g)
			n.y.SetGrad(nil)
			t.Arena.Put(g.dy)
		}
		for _, s := range n.scratch {
			t.Arena.Put(s)
		}
		t.Arena.Recycle(n.y)
		t.nodes[i] = node{}
	}
	t.nodes = t.nodes[:0]
}

// BackwardFrom is Backward from a given gradient dy of y.
func (t *Tape) BackwardFrom(y *tensor.Tensor, dy []float32) {
	product := t.record(t.Arena.Tensor(1), func(g *gradient) {
		elem.AddScaled(g.of(y), dy, g.dy[0])
	}, nil, y)
	t.Backward(product, 1)
}

// Checkpoint runs f on x without keeping what f computes inside, and computes
// it again on the way back: memory for time. f must be a pure function of x
// and of parameters.
func (t *Tape) Checkpoint(x *tensor.Tensor, f func(ops tensor.Ops, x *tensor.Tensor) *tensor.Tensor) *tensor.Tensor {
	plain := tensor.CPU{Arena: new(tensor.Arena), Precision: t.Precision}
	out := f(&plain, x)
	y := t.Arena.Tensor(out.Shape...)
	copy(y.Data(), out.Data())
	y.SetNeeds(true)
	t.nodes = append(t.nodes, node{y: y, back: func(g *gradient) {
		inner := &Tape{CPU: &tensor.CPU{Arena: new(tensor.Arena), Precision: t.Precision}, local: t.local}
		leaf := tensor.New(x.Data(), x.Shape...)
		leaf.SetNeeds(x.Needs())
		inner.BackwardFrom(f(inner, leaf), g.dy)
		if dx := g.of(x); dx != nil {
			addTo(dx, inner.grad(leaf))
		}
		delete(t.local, leaf.Root())
	}})
	return y
}
