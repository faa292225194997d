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
	s.check("conv.Forward")
	check.Len("conv.Forward", "w", w, s.wLen())
	ForwardPacked(y, x, past, Pack(p, w, s), gemm.Epilogue{Bias: bias, Act: act}, s)
}

// Weights are those of a convolution in the layout that its products want, made
// once for many uses: one of the two.
type Weights struct {
	Matrix  *gemm.Packed  // [KT*KH*KW*C, O], for patches
	Windows *gemm.Windows // for frames that are read in place: see Shape.LongRows
}

// Pack lays out w [O,KT,KH,KW,C] for ForwardPacked on frames of the shape s.
func Pack(p gemm.Precision, w []float32, s Shape) Weights {
	check.Len("conv.Pack", "w", w, s.wLen())
	k := s.taps() * s.C
	f := s.forward(nil, nil)
	return f.pack(p, gemm.Matrix{Data: w, Stride: k, Trans: true}, s.O)
}

// ForwardPacked is Forward with the weights packed before. ep says what follows
// the products: Bias, and Act or Slope.
func ForwardPacked(y, x, past []float32, w Weights, ep gemm.Epilogue, s Shape) {
	const op = "conv.Forward"
	s.check(op)
	check.Len(op, "x", x, s.xLen())
	check.Len(op, "y", y, s.yLen())
	check.LenOrNil(op, "bias", ep.Bias, s.O)
	check.LenOrNil(op, "slope", ep.Slope, s.O)
	check.LenOrNil(op, "past", past, s.pastLen())
	f := s.forward(x, past)
	f.multiply(y, w, s.O, ep)
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
	f.multiply(dx, f.pack(p, gemm.Matrix{Data: *turned, Stride: s.C}, s.C), s.C, gemm.Epilogue{Accumulate: true})
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

// pack lays out w [KT*KH*KW*C, cols].
func (f *frames) pack(p gemm.Precision, w gemm.Matrix, cols int) Weights {
	if f.longRows() {
		if b := gemm.PackWindows(p, f.kt*f.kh, f.kw*f.c, f.c, cols, w); b != nil {
			return Weights{Windows: b}
		}
	}
	return Weights{Matrix: gemm.Pack(p, f.patch(), cols, w)}
}

// multiply computes out = patches · w with its epilogue, tile by tile;
// w is [KT*KH*KW*C, cols], out [N*T*H*W, cols].
func (f *frames) multiply(out []float32, w Weights, cols int, ep gemm.Epilogue) {
	if w.Windows != nil {
		f.multiplyWide(out, w.Windows, cols, ep)
		return
	}
	k, rows, b := f.patch(), f.n*f.t*f.h*f.w, w.Matrix
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
