package tensor

import (
	"fmt"
	"runtime"

	"github.com/kinora-video/kinora/internal/kernel/conv"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// CPU runs the operations on the processor. One goroutine uses it at a time;
// each operation is spread over the worker pool.
type CPU struct {
	arena     arena
	precision DType
}

var _ Trainer = (*CPU)(nil)

// NewCPU returns a CPU with an arena of its own. Its products round their
// operands to precision, F32, BF16, I8 or I16; I8 is BF16 for weights that are not
// stored as rows of I8, and I16 is F32 for all but products with stored weights in
// int8 or blocks. Only package backend calls it.
func NewCPU(precision DType) *CPU {
	if precision != F32 && precision != BF16 && precision != I8 && precision != I16 {
		panic(fmt.Sprintf("tensor: the CPU has no products of %v", precision))
	}
	return &CPU{precision: precision}
}

// Precision implements Backend.
func (c *CPU) Precision() DType { return c.precision }

func (c *CPU) kernelPrecision() gemm.Precision {
	if c.precision == F32 || c.precision == I16 {
		return gemm.F32
	}
	return gemm.BF16
}

func (c *CPU) like(x *Tensor) *Tensor { return c.arena.Tensor(x.Shape...) }

// data returns the elements of a tensor that is on the host, held by a CPU, or
// in store; for one in store a copy in f32 is kept. It returns nil for nil.
func data(t *Tensor) []float32 {
	switch {
	case t == nil:
		return nil
	case t.st.place == InStore:
		return t.Form(asValues{}, func() any { return t.Values() }).([]float32)
	case t.st.data == nil && t.st.n > 0:
		panic(fmt.Sprintf("tensor: %v is not in the CPU's memory, or was freed", t))
	case t.st.dtype != F32:
		panic(fmt.Sprintf("tensor: %v holds operands of a convolution of frames, which nothing else takes", t))
	}
	return t.st.data
}

func want(ok bool, op string, ts ...*Tensor) {
	if !ok {
		panic(fmt.Sprintf("tensor: %s does not take %v", op, ts))
	}
}

// The keys of the forms that the CPU keeps with fixed parameters, see Form.
type (
	asValues  struct{}
	asMatrix  struct{ precision gemm.Precision }
	asExperts struct{ precision gemm.Precision }
	asWindows struct {
		precision    gemm.Precision
		lines, pitch int
	}
)

// matrix returns a fixed parameter [N, ...] in the layout that products take.
func (c *CPU) matrix(w *Tensor) *gemm.Packed {
	return w.Form(asMatrix{c.kernelPrecision()}, func() any {
		n := w.Dim(0)
		return c.pack(w, 0, n, w.Len()/n)
	}).(*gemm.Packed)
}

// filters is the fixed parameter of a convolution as its products want it.
func (c *CPU) filters(w *Tensor, s conv.Shape) conv.Weights {
	if lines, width := s.Lines(); s.LongRows() {
		windows := w.Form(asWindows{c.kernelPrecision(), lines, s.C}, func() any { return c.packWindows(w, lines, width, s.C) })
		if b := windows.(*gemm.Windows); b != nil {
			return conv.Weights{Windows: b}
		}
	}
	return conv.Weights{Matrix: c.matrix(w)}
}

// packWindows lays out the filters of a convolution for pictures that are read in
// place; it is nil where that cannot be.
func (c *CPU) packWindows(w *Tensor, lines, width, pitch int) *gemm.Windows {
	n, p := w.Dim(0), c.kernelPrecision()
	if w.st.place != InStore {
		return gemm.PackWindows(p, lines, width, pitch, n, mat(data(w), lines*width, true))
	}
	defer runtime.KeepAlive(w)
	return gemm.PackWindowsStored(p, lines, width, pitch, n, w.st.stored.numbers(0, w.Len()))
}

// experts are the matrices of a fixed parameter [E, N, K].
func (c *CPU) experts(w *Tensor) []*gemm.Packed {
	return w.Form(asExperts{c.kernelPrecision()}, func() any {
		out := make([]*gemm.Packed, w.Dim(0))
		for i := range out {
			out[i] = c.pack(w, i, w.Dim(1), w.Dim(2))
		}
		return out
	}).([]*gemm.Packed)
}

// pack lays out the i-th matrix [n, k] of a parameter.
func (c *CPU) pack(w *Tensor, i, n, k int) *gemm.Packed {
	if w.st.place != InStore {
		return gemm.Pack(c.kernelPrecision(), k, n, mat(data(w)[i*n*k:(i+1)*n*k], k, true))
	}
	defer runtime.KeepAlive(w)
	return gemm.PackStored(c.kernelPrecision(), k, n, w.st.stored.numbers(i*n*k, (i+1)*n*k))
}

// Ready implements Backend.
func (c *CPU) Ready(params ...*Tensor) {
	for _, p := range params {
		switch {
		case !p.Fixed():
		case p.Use() == AsMatrix:
			if stored, ok := small(p); ok {
				c.int8Rows(p, stored)
			} else {
				c.matrix(p)
			}
		case p.Use() == AsExperts:
			c.experts(p)
		default:
			data(p)
		}
	}
}

// Upload implements Ops: the CPU computes on the caller's slice itself.
func (c *CPU) Upload(data []float32, shape ...int) *Tensor { return New(data, shape...) }

// Scope implements Ops.
func (c *CPU) Scope(f func() *Tensor) *Tensor {
	mark := len(c.arena.inUse)
	t := f()
	c.arena.since(mark, t)
	return t
}

// Download implements Backend.
func (c *CPU) Download(dst []float32, t *Tensor) {
	want(len(dst) == t.Len(), "Download", t)
	copy(dst, data(t))
}

// Keep implements Backend.
func (c *CPU) Keep(t *Tensor) *Tensor {
	want(t.st.place != Held || t.st.dtype == F32, "Keep", t)
	st := &storage{n: t.Len(), place: Held, data: c.arena.Get(t.Len()), lasts: true, pooled: true}
	copy(st.data, data(t))
	return newTensor(st, t.Shape)
}

// Retain implements Backend.
func (c *CPU) Retain(t *Tensor) *Tensor {
	want(c.arena.Retain(t), "Retain", t)
	return t
}

// Free implements Backend.
func (c *CPU) Free(t *Tensor) {
	switch st := t.st; {
	case st.place != Held || st.data == nil:
	case st.pooled:
		c.arena.take(st)
	case st.lasts:
		st.data = nil
	default:
		c.arena.Recycle(t)
	}
}

// Reset implements Backend.
func (c *CPU) Reset() { c.arena.Reset() }

// Empty implements Gradients.
func (c *CPU) Empty(shape ...int) *Tensor { return c.arena.Tensor(shape...) }

// Zeros implements Gradients.
func (c *CPU) Zeros(shape ...int) *Tensor {
	t := c.arena.Tensor(shape...)
	clear(t.st.data)
	return t
}

// Lasting implements Gradients.
func (c *CPU) Lasting(shape ...int) *Tensor {
	n := Elems(shape)
	return newTensor(&storage{n: n, place: Held, data: make([]float32, n), lasts: true}, shape)
}
