package norm

import "math"

// This file is the specification of the forward kernels: plain Go, sums in float64. The gradients' specification is the
// derivative, which the tests take numerically.

// RefRMS is RMS without rstd.
func RefRMS(y, x, g []float32, rows, c int, eps float32) {
	for r := range rows {
		var ss float64
		for _, v := range x[r*c : (r+1)*c] {
			ss += float64(v) * float64(v)
		}
		k := 1 / math.Sqrt(ss/float64(c)+float64(eps))
		for j := range c {
			y[r*c+j] = float32(float64(x[r*c+j]) * k * at(g, j, 1))
		}
	}
}

// RefGroup is Group without mean and rstd; with n = rows, hw = 1 and one group it is Layer.
func RefGroup(y, x, g, b []float32, n, hw, c, groups int, eps float32) {
	per := c / groups
	for i := range n {
		for k := range groups {
			var s, ss float64
			members(i, k, hw, c, per, func(at, _ int) { s += float64(x[at]) })
			mean := s / float64(hw*per)
			members(i, k, hw, c, per, func(at, _ int) { d := float64(x[at]) - mean; ss += d * d })
			root := 1 / math.Sqrt(ss/float64(hw*per)+float64(eps))
			members(i, k, hw, c, per, func(o, j int) {
				y[o] = float32((float64(x[o])-mean)*root*at(g, j, 1) + at(b, j, 0))
			})
		}
	}
}

// members calls f with the offset and channel of every element of group k of image i.
func members(i, k, hw, c, per int, f func(at, channel int)) {
	for p := range hw {
		for j := k * per; j < (k+1)*per; j++ {
			f((i*hw+p)*c+j, j)
		}
	}
}

// RefSoftmax is Softmax.
func RefSoftmax(y, x []float32, rows, c int) {
	for r := range rows {
		top := math.Inf(-1)
		for _, v := range x[r*c : (r+1)*c] {
			top = max(top, float64(v))
		}
		var s float64
		for j := range c {
			s += math.Exp(float64(x[r*c+j]) - top)
		}
		for j := range c {
			y[r*c+j] = float32(math.Exp(float64(x[r*c+j])-top) / s)
		}
	}
}

// at is x[j], or otherwise where x is nil.
func at(x []float32, j int, otherwise float64) float64 {
	if x == nil {
		return otherwise
	}
	return float64(x[j])
}
