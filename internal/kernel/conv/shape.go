package conv

import "fmt"

// Shape is the geometry of a convolution: x [N,T,H,W,C], w [O,KT,KH,KW,C],
// y [N,T,H,W,O]. KH and KW are odd. For a depthwise convolution O equals C and
// w is [KT,KH,KW,C].
type Shape struct{ N, T, H, W, C, O, KT, KH, KW int }

// rows is the number of output positions.
func (s Shape) rows() int { return s.N * s.T * s.H * s.W }

// taps is the number of positions a kernel covers.
func (s Shape) taps() int { return s.KT * s.KH * s.KW }

// FLOPs counts the multiplications and additions of one dense forward pass,
// padding included. Each gradient costs as much again.
func (s Shape) FLOPs() float64 {
	return 2 * float64(s.rows()) * float64(s.taps()) * float64(s.C) * float64(s.O)
}

// check panics if the shape is invalid.
func (s Shape) check(op string) {
	if s.N < 0 || s.T < 0 || s.H < 0 || s.W < 0 || s.C < 1 || s.O < 1 {
		panic(fmt.Sprintf("%s: bad sizes in %+v", op, s))
	}
	if s.KT < 1 || s.KH < 1 || s.KW < 1 || s.KH%2 == 0 || s.KW%2 == 0 {
		panic(fmt.Sprintf("%s: kernel must be positive and odd in H and W: %+v", op, s))
	}
}

func (s Shape) checkDepthwise(op string) {
	s.check(op)
	if s.O != s.C {
		panic(fmt.Sprintf("%s: depthwise needs O == C: %+v", op, s))
	}
}

func (s Shape) xLen() int    { return s.rows() * s.C }
func (s Shape) yLen() int    { return s.rows() * s.O }
func (s Shape) wLen() int    { return s.O * s.taps() * s.C }
func (s Shape) pastLen() int { return s.N * (s.KT - 1) * s.H * s.W * s.C }

// forward is the input of the convolution as a source of patches.
func (s Shape) forward(x, past []float32) frames {
	return frames{
		data: x, past: past, first: 1 - s.KT, n: s.N, t: s.T, h: s.H, w: s.W, c: s.C,
		kt: s.KT, kh: s.KH, kw: s.KW,
	}
}

// backward is the gradient of its output as a source of patches: the same
// convolution with the taps reversed, so that time runs backwards.
func (s Shape) backward(dy []float32) frames {
	return frames{data: dy, n: s.N, t: s.T, h: s.H, w: s.W, c: s.O, kt: s.KT, kh: s.KH, kw: s.KW}
}
