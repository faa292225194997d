package conv

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// DownShape is the geometry of a convolution of pictures with stride two: x
// [N,H,W,C], w [O,K,K,C], y [N,OutH,OutW,O]. The picture has Before rows and
// columns of zeros before it, and one after it.
type DownShape struct{ N, H, W, C, O, K, Before int }

func (s DownShape) out(n int) int { return (n+1+s.Before-s.K)/2 + 1 }

// OutH is the height of the result.
func (s DownShape) OutH() int { return s.out(s.H) }

// OutW is the width of the result.
func (s DownShape) OutW() int { return s.out(s.W) }

func (s DownShape) check(op string) {
	if s.N < 0 || s.C < 1 || s.O < 1 || s.K < 1 || s.Before < 0 || min(s.H, s.W)+1+s.Before < s.K {
		panic(fmt.Sprintf("%s: bad sizes in %+v", op, s))
	}
}

// Down computes y = act(conv(x, w) + bias) with stride two, with the weights
// packed [K*K*C, O]. It panics when a slice is too short.
func Down(y, x []float32, w *gemm.Packed, ep gemm.Epilogue, s DownShape) {
	const op = "conv.Down"
	s.check(op)
	check.Len(op, "x", x, s.N*s.H*s.W*s.C)
	check.LenOrNil(op, "bias", ep.Bias, s.O)
	rows, k := s.N*s.OutH()*s.OutW(), s.K*s.K*s.C
	check.Len(op, "y", y, rows*s.O)
	tile := tileRows(k)
	simd.For(rows, tile, func(lo, hi int) {
		col := borrow(tile * k)
		defer giveBack(col)
		for p := lo; p < hi; p++ {
			s.patch((*col)[(p-lo)*k:][:k], x, p)
		}
		gemm.MulPacked(hi-lo, gemm.Matrix{Data: *col, Stride: k}, w, y[lo*s.O:], s.O, ep)
	})
}

// patch writes what position p of the result sees to dst [K,K,C].
func (s DownShape) patch(dst, x []float32, p int) {
	w, h, n := p%s.OutW(), p/s.OutW()%s.OutH(), p/s.OutW()/s.OutH()
	w0, part := 2*w-s.Before, s.K*s.C
	lo, hi := max(w0, 0), min(w0+s.K, s.W) // the columns inside the picture
	for kh := range s.K {
		d, row := dst[kh*part:][:part], 2*h-s.Before+kh
		if row < 0 || row >= s.H || lo >= hi {
			clear(d)
			continue
		}
		clear(d[:(lo-w0)*s.C])
		copy(d[(lo-w0)*s.C:], x[((n*s.H+row)*s.W+lo)*s.C:][:(hi-lo)*s.C])
		clear(d[(hi-w0)*s.C:])
	}
}
