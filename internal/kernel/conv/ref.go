package conv

import (
	"math"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
)

// This file is the specification: plain loops in the order of the formulas,
// with sums in f64. The tests hold every other path against it.

// refAt is x[n,t,h,w,c], zero outside the frame and, before the first frame,
// the caller's past.
func refAt(x, past []float32, s Shape, n, t, h, w, c int) float64 {
	if h < 0 || h >= s.H || w < 0 || w >= s.W || t >= s.T {
		return 0
	}
	if t >= 0 {
		return float64(x[(((n*s.T+t)*s.H+h)*s.W+w)*s.C+c])
	}
	if past == nil {
		return 0
	}
	return float64(past[(((n*(s.KT-1)+t+s.KT-1)*s.H+h)*s.W+w)*s.C+c])
}

// refEach calls f for every output position and kernel tap: p is the index of
// the position, tap that of the tap, and t, h, w the input position they meet at.
func refEach(s Shape, f func(n, p, tap, t, h, w int)) {
	for n := range s.N {
		for t := range s.T {
			for h := range s.H {
				for w := range s.W {
					p := ((n*s.T+t)*s.H+h)*s.W + w
					tap := 0
					for kt := range s.KT {
						for kh := range s.KH {
							for kw := range s.KW {
								f(n, p, tap, t-s.KT+1+kt, h-s.KH/2+kh, w-s.KW/2+kw)
								tap++
							}
						}
					}
				}
			}
		}
	}
}

func (s Shape) inside(t, h, w int) bool {
	return t >= 0 && t < s.T && h >= 0 && h < s.H && w >= 0 && w < s.W
}

func refForward(y, x, past, w, bias []float32, act gemm.Act, s Shape) {
	sum := make([]float64, s.yLen())
	k := s.taps() * s.C
	refEach(s, func(n, p, tap, t, h, wi int) {
		for c := range s.C {
			v := refAt(x, past, s, n, t, h, wi, c)
			for o := range s.O {
				sum[p*s.O+o] += v * float64(w[o*k+tap*s.C+c])
			}
		}
	})
	for i, v := range sum {
		if bias != nil {
			v += float64(bias[i%s.O])
		}
		y[i] = float32(refAct(act, v))
	}
}

func refAct(act gemm.Act, v float64) float64 {
	switch act {
	case gemm.ReLU:
		return max(v, 0)
	case gemm.SiLU:
		return v / (1 + math.Exp(-v))
	case gemm.GELU:
		return 0.5 * v * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
	}
	return v
}

func refGradInput(dx, dy, w []float32, s Shape) {
	sum := make([]float64, s.xLen())
	k := s.taps() * s.C
	refEach(s, func(n, p, tap, t, h, wi int) {
		if !s.inside(t, h, wi) {
			return
		}
		q := ((n*s.T+t)*s.H+h)*s.W + wi
		for c := range s.C {
			for o := range s.O {
				sum[q*s.C+c] += float64(dy[p*s.O+o]) * float64(w[o*k+tap*s.C+c])
			}
		}
	})
	refAdd(dx, sum)
}

func refGradWeight(dw, dbias, dy, x, past []float32, s Shape) {
	k := s.taps() * s.C
	sum := make([]float64, s.O*k)
	refEach(s, func(n, p, tap, t, h, wi int) {
		for c := range s.C {
			v := refAt(x, past, s, n, t, h, wi, c)
			for o := range s.O {
				sum[o*k+tap*s.C+c] += float64(dy[p*s.O+o]) * v
			}
		}
	})
	refAdd(dw, sum)
	refBias(dbias, dy, s)
}

func refBias(dbias, dy []float32, s Shape) {
	sum := make([]float64, s.O)
	for i := range s.yLen() {
		sum[i%s.O] += float64(dy[i])
	}
	refAdd(dbias, sum)
}

// refAdd is dst += sum, or nothing for a gradient that is not wanted.
func refAdd(dst []float32, sum []float64) {
	if dst == nil {
		return
	}
	for i, v := range sum {
		dst[i] += float32(v)
	}
}

func refDepthwise(y, x, past, w, bias []float32, s Shape) {
	sum := make([]float64, s.yLen())
	refEach(s, func(n, p, tap, t, h, wi int) {
		for c := range s.C {
			sum[p*s.C+c] += refAt(x, past, s, n, t, h, wi, c) * float64(w[tap*s.C+c])
		}
	})
	for i, v := range sum {
		if bias != nil {
			v += float64(bias[i%s.C])
		}
		y[i] = float32(v)
	}
}

func refDepthwiseGradInput(dx, dy, w []float32, s Shape) {
	sum := make([]float64, s.xLen())
	refEach(s, func(n, p, tap, t, h, wi int) {
		if !s.inside(t, h, wi) {
			return
		}
		q := ((n*s.T+t)*s.H+h)*s.W + wi
		for c := range s.C {
			sum[q*s.C+c] += float64(dy[p*s.C+c]) * float64(w[tap*s.C+c])
		}
	})
	refAdd(dx, sum)
}

func refDepthwiseGradWeight(dw, dbias, dy, x, past []float32, s Shape) {
	sum := make([]float64, s.taps()*s.C)
	refEach(s, func(n, p, tap, t, h, wi int) {
		for c := range s.C {
			sum[tap*s.C+c] += float64(dy[p*s.C+c]) * refAt(x, past, s, n, t, h, wi, c)
		}
	})
	refAdd(dw, sum)
	refBias(dbias, dy, s)
}
