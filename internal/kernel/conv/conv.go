package conv

import (
	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// tileFloats bounds the patches of one tile: half of a 1 MiB second-level
// cache, which leaves room for the panels of the weights.
const tileFloats = 128 << 10

// tileRows is the number of positions in a tile of patches of k values each: a
// multiple of the matrix kernels' heights, and never dependent on the threads.
func tileRows(k int) int {
	const step = 48
	return min(max(tileFloats/k/step, 1)*step, 960)
}

// Forward computes y = act(conv(x, w) + bias): x [N,T,H,W,C], w [O,KT,KH,KW,C],
// bias [O] or nil, y [N,T,H,W,O]. past is nil, which means zeros, or
// [N,KT-1,H,W,C], the frames before x. It panics when a slice is too short.
func Forward(p gemm.Precision, y, x, past, w, bias []float32, act gemm.Act, s Shape) {
	forward("conv.Forward", p, y, x, past, w, gemm.Epilogue{Bias: bias, Act: act}, s)
}

// ForwardPReLU is Forward with PReLU for its activation: slope [O] is what each
// channel's values below zero are multiplied by.
func ForwardPReLU(p gemm.Precision, y, x, past, w, bias, slope []float32, s Shape) {
	check.Len("conv.ForwardPReLU", "slope", slope, s.O)
	forward("conv.ForwardPReLU", p, y, x, past, w, gemm.Epilogue{Bias: bias, Slope: slope}, s)
}

func forward(op string, p gemm.Precision, y, x, past, w []float32, ep gemm.Epilogue, s Shape) {
	s.check(op)
	check.Len(op, "x", x, s.xLen())
	check.Len(op, "y", y, s.yLen())
	check.Len(op, "w", w, s.wLen())
	check.LenOrNil(op, "bias", ep.Bias, s.O)
	check.LenOrNil(op, "past", past, s.pastLen())
	k := s.taps() * s.C
	f := s.forward(x, past)
	f.multiply(p, y, gemm.Matrix{Data: w, Stride: k, Trans: true}, s.O, ep)
}

// GradInput adds to dx [N,T,H,W,C] the gradient that reaches x from
// dy [N,T,H,W,O] through w [O,KT,KH,KW,C]. It panics when a slice is too short.
func GradInput(p gemm.Precision, dx, dy, w []float32, s Shape) {
	const op = "conv.GradInput"
	s.check(op)
	check.Len(op, "dx", dx, s.xLen())
	check.Len(op, "dy", dy, s.yLen())
	check.Len(op, "w", w, s.wLen())
	taps := s.taps()
	k := taps * s.O
	turned := borrow(k * s.C)
	defer giveBack(turned)
	turn(*turned, w, s)
	f := s.backward(dy)
	f.multiply(p, dx, gemm.Matrix{Data: *turned, Stride: s.C}, s.C, gemm.Epilogue{Accumulate: true})
}

// turn writes the weights of the reverse convolution: w [O,taps,C] into
// dst [taps,O,C] with the order of the taps reversed in time and space.
func turn(dst, w []float32, s Shape) {
	taps := s.taps()
	for o := range s.O {
		for tap := range taps {
			copy(dst[((taps-1-tap)*s.O+o)*s.C:][:s.C], w[(o*taps+tap)*s.C:][:s.C])
		}
	}
}

// multiply computes out = patches · w with its epilogue, tile by tile;
// w is [KT*KH*KW*C, cols], out [N*T*H*W, cols].
func (f *frames) multiply(p gemm.Precision, out []float32, w gemm.Matrix, cols int, ep gemm.Epilogue) {
	k, rows := f.patch(), f.n*f.t*f.h*f.w
	if k > f.c && f.w >= wideRow {
		if b := gemm.PackWindows(p, f.kt*f.kh, f.kw*f.c, f.c, cols, w); b != nil {
			f.multiplyWide(out, b, cols, ep)
			return
		}
	}
	b := gemm.Pack(p, k, cols, w)
	if k == f.c { // one tap: the video is its own patches
		gemm.MulPacked(rows, gemm.Matrix{Data: f.data, Stride: k}, b, out, cols, ep)
		return
	}
	tile := tileRows(k)
	simd.For(rows, tile, func(lo, hi int) {
		col := borrow(tile * k)
		defer giveBack(col)
		f.gather(*col, lo, hi, 0, f.kt*f.kh)
		gemm.MulPacked(hi-lo, gemm.Matrix{Data: *col, Stride: k}, b, out[lo*cols:], cols, ep)
	})
}
