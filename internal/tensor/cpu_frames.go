package tensor

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/kinora-video/kinora/internal/kernel/conv"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/norm"
)

// The operations of Carried on single frames.

// The keys of the forms that these keep with fixed parameters.
type (
	asFilter struct {
		precision DType
		lines     int
	}
	asEnlarging struct{ precision DType }
)

// Operand implements Carried.
func (c *CPU) Operand(x, g *Tensor, act Act) *Tensor {
	want(fits(g, x), "Operand", x, g)
	if c.precision != BF16 {
		if g == nil {
			return c.Activate(x, act)
		}
		return c.LengthNorm(x, g, act)
	}
	y := c.arena.of(BF16, x.Shape)
	norm.LengthBF16(halves(y), data(x), data(g), gemm.Act(act), x.Rows(), x.Dim(-1))
	return y
}

// halves are the elements of a tensor of bf16.
func halves(t *Tensor) []uint16 {
	if t.st.data == nil {
		panic(fmt.Sprintf("tensor: %v was freed", t))
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(t.st.data))), t.st.n)
}

// frame is a tensor as the kernels take it.
func frame(t *Tensor) conv.Frame {
	if t.st.place == Held && t.st.dtype == BF16 {
		return conv.Frame{BF16: halves(t)}
	}
	return conv.Frame{F32: data(t)}
}

// isFrame reports whether x is a frame of the channels that w takes.
func isFrame(x, w *Tensor) bool {
	return len(x.Shape) == 5 && x.Dim(0) == 1 && x.Dim(1) == 1 && len(w.Shape) == 5 && x.Dim(4) == w.Dim(4)
}

// ConvFrames implements Carried.
func (c *CPU) ConvFrames(w, b, add *Tensor, act Act, frames ...*Tensor) *Tensor {
	const op = "ConvFrames"
	want(len(frames) > 0 && len(w.Shape) == 5 && len(frames) <= w.Dim(1), op, append(frames, w)...)
	x := frames[len(frames)-1]
	clip := make([]conv.Frame, w.Dim(1))
	for i, f := range frames {
		want(isFrame(f, w) && f.Len() == x.Len(), op, f, x, w)
		clip[len(clip)-len(frames)+i] = frame(f)
	}
	s := convShape(x, w)
	y := c.arena.Tensor(1, 1, s.H, s.W, s.O)
	want((b == nil || b.Len() == s.O) && (add == nil || add.Len() == y.Len()), op, x, w, b, add)
	f := c.filter(w, s)
	conv.Causal(data(y), clip, f, gemm.Epilogue{Bias: data(b), Act: gemm.Act(act), Residual: data(add)}, s)
	return y
}

// filter is the parameter of a convolution of frames as its products want it.
func (c *CPU) filter(w *Tensor, s conv.Shape) *conv.Filter {
	p := c.kernelPrecision()
	if !w.Fixed() {
		return conv.NewFilter(p, data(w), s)
	}
	return w.Form(asFilter{c.precision, s.KT * s.KH}, func() any {
		if w.st.place != InStore {
			return conv.NewFilter(p, data(w), s)
		}
		defer runtime.KeepAlive(w)
		return conv.NewFilterStored(p, w.st.stored.numbers(0, w.Len()), s)
	}).(*conv.Filter)
}

// ConvNearest2 implements Carried.
func (c *CPU) ConvNearest2(x, w, b, add *Tensor) *Tensor {
	const op = "ConvNearest2"
	want(isFrame(x, w) && w.Dim(1) == 1 && w.Dim(2) == 3 && w.Dim(3) == 3, op, x, w)
	s := convShape(x, w)
	y := c.arena.Tensor(1, 1, 2*s.H, 2*s.W, s.O)
	want((b == nil || b.Len() == s.O) && (add == nil || add.Len() == y.Len()), op, x, w, b, add)
	mk := func() any {
		if w.st.place == InStore {
			return conv.NewEnlarging(c.kernelPrecision(), w.Values(), s.C, s.O)
		}
		return conv.NewEnlarging(c.kernelPrecision(), data(w), s.C, s.O)
	}
	var e *conv.Enlarging
	if w.Fixed() {
		e = w.Form(asEnlarging{c.precision}, mk).(*conv.Enlarging)
	} else {
		e = mk().(*conv.Enlarging)
	}
	conv.Enlarged(data(y), frame(x), e, gemm.Epilogue{Bias: data(b), Residual: data(add)}, s)
	return y
}
