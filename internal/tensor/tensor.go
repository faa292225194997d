// Package tensor holds what a model computes with: tensors, which own a buffer
// of some type in some memory; the operations a model may use (Ops); what a
// backend does beside them (Backend, and Trainer for those that learn); and the
// first backend, the CPU.
//
// It never differentiates (package autograd records what is needed for that)
// and never opens a file: weights come to it as bytes (Stored).
package tensor

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/kinora-video/kinora/internal/kernel/quant"
)

// DType is the type of a number in memory. As a precision it is the type that
// the operands of products are rounded to; sums are always f32.
type DType uint8

// The types of numbers.
const (
	F32 DType = iota
	BF16
	F16
	I8  // times the scale of its row
	I16 // times the scale of its run; as a precision alone, see gemm.MulFew
	// The types of blocks of small numbers, in which weights may be stored. They
	// are those of package quant, in its order.
	Q8_0
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q2_K
	Q3_K
	Q4_K
	Q5_K
	Q6_K
)

// The types whose numbers stand alone: their names and bytes.
var (
	dtypeNames = [...]string{F32: "f32", BF16: "bf16", F16: "f16", I8: "int8", I16: "int16"}
	dtypeSizes = [...]int{F32: 4, BF16: 2, F16: 2, I8: 1, I16: 2}
)

// Quant returns the type of blocks; ok is false if numbers of type d stand alone.
func (d DType) Quant() (t quant.Type, ok bool) {
	if d < Q8_0 {
		return 0, false
	}
	return quant.Type(d - Q8_0), true
}

// OfQuant is the type of numbers that are stored in blocks of type t.
func OfQuant(t quant.Type) DType { return Q8_0 + DType(t) }

// String is the type's name.
func (d DType) String() string {
	if t, ok := d.Quant(); ok {
		return t.String()
	}
	return dtypeNames[d]
}

// Block returns how many numbers are stored together, and in how many bytes: 1
// and a number's size if they stand alone.
func (d DType) Block() (numbers, bytes int) {
	if t, ok := d.Quant(); ok {
		return t.Block()
	}
	return 1, dtypeSizes[d]
}

// Bytes is the number of bytes of n numbers, such as those of a row. They must be
// whole blocks.
func (d DType) Bytes(n int) int {
	numbers, bytes := d.Block()
	if n%numbers != 0 {
		panic(fmt.Sprintf("tensor: %d numbers are not whole blocks of %d", n, numbers))
	}
	return n / numbers * bytes
}

// A Place says where the elements of a tensor lie.
type Place uint8

// The places.
const (
	// Host is the program's memory: parameters that are trained, and the slices
	// given to Upload.
	Host Place = iota
	// Held is memory of a backend, which only that backend can see.
	Held
	// InStore is where weights lie as they were stored: the program's own
	// bytes, or a mapped file.
	InStore
)

// A Tensor is a dense row-major array with a shape. Video is [B, T, H, W, C],
// tokens are [B, N, C]: channels last. It is f32 unless it is InStore, or what
// Operand returned.
//
// Tensors made by Reshape share their buffer, gradient included.
type Tensor struct {
	Shape []int
	st    *storage
}

// storage is a buffer.
type storage struct {
	root   *Tensor // the first tensor over this storage
	n      int     // elements
	place  Place
	dtype  DType
	data   []float32 // if on the host or held by the CPU
	mem    any       // the handle of a backend other than the CPU
	stored Stored    // if in store

	grad *Tensor
	// needs says that a gradient is wanted: t is a parameter, or was computed
	// from one under a tape.
	needs bool
	// lasts says that Reset does not take the buffer back. pooled says that,
	// even so, Free returns it to an arena.
	lasts, pooled bool
	// param says that it is a parameter. fixed says that it does not change any
	// more, so that backends may keep forms of it.
	param, fixed bool
	use          Use
	fine         bool // see Fine
	slot         int  // index in the arena's list of buffers in use

	mu    sync.Mutex
	forms map[any]any
}

func newTensor(st *storage, shape []int) *Tensor {
	t := &Tensor{Shape: shape, st: st}
	st.root = t
	return t
}

// New returns a tensor on the host over data, which the caller still owns. It
// panics when the shape does not fit the data.
func New(data []float32, shape ...int) *Tensor {
	if n := Elems(shape); n != len(data) {
		panic(fmt.Sprintf("tensor: shape %v holds %d elements, the slice %d", shape, n, len(data)))
	}
	return newTensor(&storage{n: len(data), data: data, lasts: true}, shape)
}

// Zeros returns a tensor of zeros on the host.
func Zeros(shape ...int) *Tensor { return New(make([]float32, Elems(shape)), shape...) }

// Param returns a parameter of zeros on the host: its gradient is wanted and
// lives as long as it does.
func Param(shape ...int) *Tensor {
	t := Zeros(shape...)
	t.st.needs, t.st.param = true, true
	return t
}

// Hold returns a tensor whose f32 elements a backend holds under a handle of
// its own, which Mem returns. With lasts, Reset does not take it back.
func Hold(mem any, lasts bool, shape ...int) *Tensor {
	return newTensor(&storage{n: Elems(shape), place: Held, mem: mem, lasts: lasts}, shape)
}

// Root is the tensor that t is a view of, or t itself.
func (t *Tensor) Root() *Tensor { return t.st.root }

// Elems is the number of elements of a shape.
func Elems(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Place says where the elements are.
func (t *Tensor) Place() Place { return t.st.place }

// DType is the type of the elements.
func (t *Tensor) DType() DType { return t.st.dtype }

// Mem is the handle that Hold was given.
func (t *Tensor) Mem() any { return t.st.mem }

// Data is the buffer of a tensor on the host, in row-major order. It panics for
// any other tensor: only Download reads what a backend holds.
func (t *Tensor) Data() []float32 {
	if t.st.place != Host {
		panic(fmt.Sprintf("tensor: the elements of %v are not on the host", t))
	}
	return t.st.data
}

// Values returns a copy of the elements of a tensor on the host or in store.
func (t *Tensor) Values() []float32 {
	v := make([]float32, t.Len())
	t.CopyTo(v)
	return v
}

// CopyTo writes the elements of a tensor on the host or in store to dst, which
// has the same length.
func (t *Tensor) CopyTo(dst []float32) {
	if len(dst) != t.Len() {
		panic(fmt.Sprintf("tensor: %d values of %v", len(dst), t))
	}
	if t.st.place == InStore {
		t.st.stored.widen(dst)
		runtime.KeepAlive(t)
		return
	}
	copy(dst, t.Data())
}

// Set replaces the elements of a tensor on the host. No pass that uses it may
// be running.
func (t *Tensor) Set(values []float32) {
	if len(values) != t.Len() {
		panic(fmt.Sprintf("tensor: %d values for %v", len(values), t))
	}
	copy(t.Data(), values)
	t.Drop()
}

// Len is the number of elements.
func (t *Tensor) Len() int { return t.st.n }

// Dim is the size of axis i; negative i counts from the last axis.
func (t *Tensor) Dim(i int) int {
	if i < 0 {
		i += len(t.Shape)
	}
	return t.Shape[i]
}

// Rows is the number of rows, a row being one run of the last axis.
func (t *Tensor) Rows() int { return t.Len() / t.Dim(-1) }

// Reshape returns a view with another shape of as many elements.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	if Elems(shape) != t.Len() {
		panic(fmt.Sprintf("tensor: cannot view %v as %v", t.Shape, shape))
	}
	return &Tensor{Shape: shape, st: t.st}
}

// Leaf returns a tensor over the same elements with its own gradient.
func (t *Tensor) Leaf() *Tensor {
	return newTensor(&storage{n: t.st.n, place: t.st.place, data: t.st.data, mem: t.st.mem, lasts: true}, t.Shape)
}

// Needs reports whether a gradient is wanted.
func (t *Tensor) Needs() bool { return t != nil && t.st.needs }

// SetNeeds marks t as wanting a gradient, or not.
func (t *Tensor) SetNeeds(needs bool) { t.st.needs = needs }

// Grad is the gradient, or nil when none has been asked for yet.
func (t *Tensor) Grad() *Tensor { return t.st.grad }

// SetGrad makes g, of the same shape, the gradient.
func (t *Tensor) SetGrad(g *Tensor) { t.st.grad = g }

// Lasts reports whether the elements outlive the backend's next Reset.
func (t *Tensor) Lasts() bool { return t.st.lasts }

// String gives the shape.
func (t *Tensor) String() string { return fmt.Sprintf("tensor%v", t.Shape) }
