package gemm

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"github.com/kinora-video/kinora/internal/simd"
)

// finePairBytes is the size of the codes of two runs of activations, as the assembly
// reads them: 64 high halves, 64 low ones, and 16 numbers each of three kinds, one for
// four codes: their scale, -8 times their sum, and the scale times their sum.
const finePairBytes = 320

// fewDots are products of one row with the columns of weights, which follow one
// another. The assembly reads it by offset.
type fewDots struct {
	w, x, out   unsafe.Pointer
	pairs, cols int // at least 1
}

//go:noescape
func fewQ4_1(fewDots *fewDots)

//go:noescape
func fewQ4_0(fewDots *fewDots)

//go:noescape
func fewQ8_0(fewDots *fewDots)

// finePairs writes the codes of pairs of runs; one whose values are all below least
// has zeros.
//
//go:noescape
func finePairs(x *float32, to *byte, pairs int, least float32)

// blocks is a matrix of blocks, as package quant has it.
type blocks interface {
	// Raw returns the name of the type and the bytes.
	Raw() (name string, bytes []byte)
}

// fusedKernel is the kernel that reads weights where they are, and the bytes of a
// column; nil where there is none for their type, for the processor, or for k.
func (x *fewRows) fusedKernel(w Numbers) (kernel func(*fewDots), of []byte, column int) {
	b, ok := w.(blocks)
	if !ok || x.k%(2*CodeRun) != 0 || x.k == 0 || !simd.VNNI() || !cpu.X86.HasAVX512VBMI {
		return nil, nil, 0
	}
	name, bytes := b.Raw()
	switch name {
	case "q4_1":
		return fewQ4_1, bytes, x.k / CodeRun * 20
	case "q4_0":
		return fewQ4_0, bytes, x.k / CodeRun * 18
	case "q8_0":
		return fewQ8_0, bytes, x.k / CodeRun * 34
	}
	return nil, nil, 0
}

// isFused reports whether products with w are fused.
func (x *fewRows) isFused(w Numbers) bool {
	k, _, _ := x.fusedKernel(w)
	return k != nil
}

// fillPairs writes the codes of all rows as fused products take them.
func (x *fewRows) fillPairs() {
	n := x.k / (2 * CodeRun)
	each := n * finePairBytes / 4
	x.pairs = getCells(x.m * each)
	pr := product{a: x.a}
	for i := range x.m {
		row := pr.row(i, x.k)
		finePairs(&row[0], (*byte)(unsafe.Pointer(&x.pairs.cells[i*each])), n, minPeak)
	}
}

// fused writes the products of the columns [n0,n1) of w, [m, n1-n0], if it can.
func (x *fewRows) fused(sums []float32, w Numbers, n0, n1 int) bool {
	kernel, bytes, column := x.fusedKernel(w)
	if kernel == nil {
		return false
	}
	n := x.k / (2 * CodeRun)
	cols := n1 - n0
	for i := range x.m {
		d := fewDots{
			w: unsafe.Pointer(&bytes[n0*column]), x: unsafe.Pointer(&x.pairs.cells[i*n*finePairBytes/4]),
			out: unsafe.Pointer(&sums[i*cols]), pairs: n, cols: cols,
		}
		kernel(&d)
	}
	return true
}
