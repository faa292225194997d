package attn

import "math"

// This file is the specification of the forward kernels: plain Go in float64, with the whole row of scores at once.
// The gradients are specified as the derivative, which the tests compute numerically.

// RefSoftmax is Softmax.
func RefSoftmax(out, lse, q, k, v []float32, scale float32, s Shape, m Mask) {
	refSoftmax(out, lse, q, k, v, nil, scale, s, m)
}

// RefFlash is Flash.
func RefFlash(out, q, k, v, bias []float32, scale float32, s Shape, m Mask) {
	refSoftmax(out, nil, q, k, v, bias, scale, s, m)
}

func refSoftmax(out, lse, q, k, v, bias []float32, scale float32, s Shape, m Mask) {
	for i := range s.B * s.H * s.Q {
		b, h, n := i/s.Q/s.H, i/s.Q%s.H, i%s.Q
		qo := ((b*s.Q+n)*s.H + h) * s.D
		lo, hi := m.keys(s, b, n)
		top, sum := math.Inf(-1), 0.0
		scores := make([]float64, s.K)
		for j := lo; j < hi; j++ {
			scores[j] = float64(scale) * dot64(q[qo:qo+s.D], k[((b*s.K+j)*s.H+h)*s.D:])
			if bias != nil {
				scores[j] += float64(bias[(j-n+s.Q-1)*s.H+h])
			}
			top = max(top, scores[j])
		}
		acc := make([]float64, s.D)
		for j := lo; j < hi; j++ {
			w := math.Exp(scores[j] - top)
			sum += w
			for e := range s.D {
				acc[e] += w * float64(v[((b*s.K+j)*s.H+h)*s.D+e])
			}
		}
		for e := range s.D {
			out[qo+e] = 0
			if sum > 0 {
				out[qo+e] = float32(acc[e] / sum)
			}
		}
		if lse != nil {
			lse[i] = float32(top + math.Log(sum))
		}
	}
}

// RefLinear is Linear without den.
func RefLinear(out, q, k, qr, kr, v, state []float32, eps float32, s Shape, segs []Segment) {
	d := s.D
	for bh := range s.B * s.H {
		b, h := bh/s.H, bh%s.H
		for _, g := range segs {
			for i := g.Q0; i < g.Q1; i++ {
				qo := ((b*s.Q+i)*s.H + h) * d
				num, den := make([]float64, d), float64(eps)
				for j := g.K0; j < g.K1; j++ {
					ko := ((b*s.K+j)*s.H + h) * d
					den += dot64(q[qo:qo+d], k[ko:])
					w := dot64(qr[qo:qo+d], kr[ko:])
					for e := range d {
						num[e] += w * float64(v[ko+e])
					}
				}
				if state != nil {
					st := state[bh*(d+1)*d:]
					den += dot64(q[qo:qo+d], st[d*d:])
					for a := range d {
						for e := range d {
							num[e] += float64(qr[qo+a]) * float64(st[a*d+e])
						}
					}
				}
				for e := range d {
					out[qo+e] = float32(num[e] / den)
				}
			}
		}
	}
}

func dot64(a, b []float32) float64 {
	var s float64
	for i, v := range a {
		s += float64(v) * float64(b[i])
	}
	return s
}
