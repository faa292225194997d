package reel

import (
	"math"

	"github.com/kinora-video/kinora/internal/tensor"
)

// ropeBase is the ratio between the fastest and the slowest rotation of an
// axis. Positions are small here (tens), so the ratio is small too.
const ropeBase = 100

// angles writes n rotation angles for position p.
func angles(dst []float64, p float64) {
	n := float64(len(dst))
	for i := range dst {
		dst[i] = p * math.Pow(ropeBase, -float64(i)/n)
	}
}

// table returns cos and sin [positions, d/2] of the angles that at fills in.
func table(o tensor.Ops, positions, d int, at func(p int, dst []float64)) (cos, sin *tensor.Tensor) {
	half := d / 2
	cs, sn := make([]float32, positions*half), make([]float32, positions*half)
	a := make([]float64, half)
	for p := range positions {
		at(p, a)
		for i, x := range a {
			cs[p*half+i], sn[p*half+i] = float32(math.Cos(x)), float32(math.Sin(x))
		}
	}
	return o.Upload(cs, positions, half), o.Upload(sn, positions, half)
}

// axisTable has the rotary positions along one axis (Su 2021).
func axisTable(o tensor.Ops, n, d int) (cos, sin *tensor.Tensor) {
	return table(o, n, d, func(p int, dst []float64) { angles(dst, float64(p)) })
}

// gridTable has the rotary positions of the tokens of groups start ≤ t <
// start+g, each of h×w tokens. Of the pairs of channels, a third (rounded up)
// rotate with time, the rest with y and x.
func gridTable(o tensor.Ops, start, g, h, w, d int) (cos, sin *tensor.Tensor) {
	half := d / 2
	nt := (half + 2) / 3
	ny := (half - nt + 1) / 2
	return table(o, g*h*w, d, func(p int, dst []float64) {
		angles(dst[:nt], float64(start+p/(h*w)))
		angles(dst[nt:nt+ny], float64(p/w%h))
		angles(dst[nt+ny:], float64(p%w))
	})
}

// waves writes sines and cosines of x·π·f, for frequencies f in equal ratios
// from 1 to top: a smooth code of a number of order 1.
func waves(dst []float32, x, top float64) {
	half := len(dst) / 2
	for k := range half {
		a := x * math.Pi * math.Pow(top, float64(k)/float64(half-1))
		dst[k], dst[half+k] = float32(math.Sin(a)), float32(math.Cos(a))
	}
}
