package tensor

import (
	"runtime"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// asInt8 is the key of the form of a parameter that is multiplied in int8.
type asInt8 struct{}

// Products with weights that are stored in int8 or in blocks, by the precision of
// the backend:
//
//	F32   some columns at a time are widened to f32 and multiplied in f32
//	BF16  codes by codes: activations are rounded to int8 with a scale for each
//	      run of 16 or 32 along K, as the weights have
//	I16   codes by codes: a few rows as gemm.MulFew does it, more as
//	      gemm.MulCodesFine; weights in store that are no codes as F32
//	I8    int8 rows by int8 rows, with one scale for each row of activations;
//	      what is not stored so as BF16
//
// What the codes of activations leave over is multiplied too if the weights are Fine.
// Only the form of I8 is kept; the others read the weights where they are stored.

// small returns the stored numbers of a fixed matrix [N, K] in int8 or blocks; ok
// is false for any other parameter.
func small(w *Tensor) (stored gemm.Numbers, ok bool) {
	if _, quantised := w.st.dtype.Quant(); w.st.place != InStore || len(w.Shape) != 2 || !quantised && w.st.dtype != I8 {
		return nil, false
	}
	return w.st.stored.numbers(0, w.Len()), true
}

// int8Rows returns the form of a matrix that is multiplied row by row in int8; ok
// is false if w is multiplied in another way.
func (c *CPU) int8Rows(w *Tensor, stored gemm.Numbers) (packed *gemm.PackedInt8, ok bool) {
	n, k := w.Dim(0), w.Dim(1)
	rows, is := stored.(gemm.Stored)
	if c.precision != I8 || w.st.fine || !is || !gemm.FitsInt8(n, k, rows) {
		return nil, false
	}
	return packedRows(w, rows), true
}

// packedRows is the form of a matrix of int8 with a scale a row.
func packedRows(w *Tensor, rows gemm.Stored) *gemm.PackedInt8 {
	return w.Form(asInt8{}, func() any { return gemm.PackInt8(w.Dim(1), w.Dim(0), rows) }).(*gemm.PackedInt8)
}

// LinearUint8 implements Inference.
func (c *CPU) LinearUint8(x, w, b *Tensor) *Tensor {
	const op = "LinearUint8"
	stored, _ := small(w)
	rows, ok := stored.(gemm.Stored)
	want(ok && w.Fixed() && gemm.FitsInt8(w.Dim(0), w.Dim(1), rows) && x.Dim(-1) == w.Dim(1) && (b == nil || b.Len() == w.Dim(0)), op, x, w, b)
	defer runtime.KeepAlive(w)
	n, k := w.Dim(0), w.Dim(1)
	y := c.arena.Tensor(withLast(x, n)...)
	gemm.MulUint8(x.Rows(), mat(data(x), k, false), packedRows(w, rows), data(y), n, gemm.Epilogue{Bias: data(b)})
	return y
}

// linearFine is Linear with the precision I16, for stored numbers.
func (c *CPU) linearFine(x, w *Tensor, y []float32, ep gemm.Epilogue) {
	defer runtime.KeepAlive(w)
	n := w.Dim(0)
	if stored, ok := c.fine(x, w); ok && ep.Bias == nil && ep.Act == gemm.None {
		c.few(x, gemm.Few{N: n, W: stored[0], C: y, Residual: ep.Residual})
		return
	}
	k, numbers := w.Dim(1), w.st.stored.numbers(0, w.Len())
	a := mat(data(x), k, false)
	if codes, ok := codesOf(numbers); ok && k%codes.Run() == 0 {
		gemm.MulCodesFine(x.Rows(), n, k, a, codes, y, n, ep)
		return
	}
	gemm.MulStored(gemm.F32, x.Rows(), n, k, a, numbers, y, n, ep)
}

// linearSmall is Linear for stored numbers that are small.
func (c *CPU) linearSmall(x, w *Tensor, stored gemm.Numbers, y []float32, ep gemm.Epilogue) {
	defer runtime.KeepAlive(w)
	m, n, k := x.Rows(), w.Dim(0), w.Dim(1)
	a := mat(data(x), k, false)
	if packed, ok := c.int8Rows(w, stored); ok {
		gemm.MulInt8(m, a, packed, y, n, ep)
		return
	}
	if codes, ok := codesOf(stored); ok && c.precision != F32 && k%codes.Run() == 0 {
		mul := gemm.MulCodes
		if w.st.fine {
			mul = gemm.MulCodesFine
		}
		mul(m, n, k, a, codes, y, n, ep)
		return
	}
	gemm.MulStored(c.kernelPrecision(), m, n, k, a, stored, y, n, ep)
}

// codesOf returns stored numbers as codes, if they are.
func codesOf(stored gemm.Numbers) (gemm.Codes, bool) {
	if s, ok := stored.(gemm.Stored); ok {
		return s.Codes()
	}
	codes, ok := stored.(gemm.Codes)
	return codes, ok
}
