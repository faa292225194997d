// Package tensor holds what a model computes with: shapes over storage, an
// arena that activations come from, and the set of operations a model may use
// (Ops) with its first implementation, the CPU.
//
// It never differentiates (package autograd wraps Ops for that) and never
// reads a file.
package tensor

import (
	"fmt"
	"sync"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// A Tensor is a dense row-major array of float32 with a shape. Video is
// [B, T, H, W, C], tokens are [B, N, C]: channels last.
//
// Tensors made by Reshape share their storage, gradient included.
type Tensor struct {
	Shape []int
	st    *storage
}

type storage struct {
	root *Tensor // the first tensor over this storage
	data []float32
	grad []float32
	// needs says that a gradient is wanted (a parameter, or something
	// computed from one under a tape).
	needs bool
	// keep says that the arena does not own data: parameters and inputs.
	keep bool
	// packed caches the packed form of a frozen weight, made once by whichever
	// backend comes first.
	packed   *gemm.Packed
	packOnce sync.Once
}

// New returns a tensor over data, which the caller goes on owning. It panics
// when the shape does not fit the data.
func New(data []float32, shape ...int) *Tensor {
	if n := Elems(shape); n != len(data) {
		panic(fmt.Sprintf("tensor: shape %v holds %d elements, the slice %d", shape, n, len(data)))
	}
	t := &Tensor{Shape: shape, st: &storage{data: data, keep: true}}
	t.st.root = t
	return t
}

// Root is the tensor that t is a view of, or t itself.
func (t *Tensor) Root() *Tensor { return t.st.root }

// Zeros returns a tensor of zeros outside any arena.
func Zeros(shape ...int) *Tensor { return New(make([]float32, Elems(shape)), shape...) }

// Param returns a tensor of zeros whose gradient is wanted and lives as long
// as it does.
func Param(shape ...int) *Tensor {
	t := Zeros(shape...)
	t.st.needs = true
	return t
}

// Elems is the number of elements of a shape.
func Elems(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Data is the storage, in row-major order.
func (t *Tensor) Data() []float32 { return t.st.data }

// Len is the number of elements.
func (t *Tensor) Len() int { return len(t.st.data) }

// Dim is the size of axis i; negative i counts from the last axis.
func (t *Tensor) Dim(i int) int {
	if i < 0 {
		i += len(t.Shape)
	}
	return t.Shape[i]
}

// Rows is the number of rows when the last axis is the row.
func (t *Tensor) Rows() int { return t.Len() / t.Dim(-1) }

// Reshape returns a view with another shape of as many elements.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	if Elems(shape) != t.Len() {
		panic(fmt.Sprintf("tensor: cannot view %v as %v", t.Shape, shape))
	}
	return &Tensor{Shape: shape, st: t.st}
}

// Needs says whether a gradient is wanted.
func (t *Tensor) Needs() bool { return t != nil && t.st.needs }

// SetNeeds marks t as wanting a gradient, or not.
func (t *Tensor) SetNeeds(needs bool) { t.st.needs = needs }

// Grad is the gradient, or nil when none has been asked for yet.
func (t *Tensor) Grad() []float32 { return t.st.grad }

// SetGrad makes g the storage of the gradient.
func (t *Tensor) SetGrad(g []float32) { t.st.grad = g }

// Owned says whether an arena owns the data of t, so that it may be recycled.
func (t *Tensor) Owned() bool { return !t.st.keep }

// TakeData removes the data from t, for an arena to recycle.
func (t *Tensor) TakeData() []float32 {
	d := t.st.data
	t.st.data = nil
	return d
}

// String gives the shape.
func (t *Tensor) String() string { return fmt.Sprintf("tensor%v", t.Shape) }
