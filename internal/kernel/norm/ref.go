package norm

import "math"

// This file is the specification of the forward kernels: plain Go, with sums in float64. The gradients are
// specified as the derivative, which the tests compute numerically.

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

// RefLayer is Layer.
func RefLayer(y, x, g, b []float32, rows, c int, eps float32) {
	for r := range rows {
		row := x[r*c : (r+1)*c]
		var m, v float64
		for _, e := range row {
			m += float64(e) / float64(c)
		}
		for _, e := range row {
			v += (float64(e) - m) * (float64(e) - m) / float64(c)
		}
		for j, e := range row {
			y[r*c+j] = float32((float64(e)-m)/math.Sqrt(v+float64(eps))*at(g, j, 1) + at(b, j, 0))
		}
	}
}

// RefLength is Length without an activation.
func RefLength(y, x, g []float32, rows, c int) {
	for r := range rows {
		var ss float64
		for _, e := range x[r*c : (r+1)*c] {
			ss += float64(e) * float64(e)
		}
		for j := range c {
			y[r*c+j] = float32(float64(x[r*c+j]) / max(math.Sqrt(ss), shortest) * math.Sqrt(float64(c)) * at(g, j, 1))
		}
	}
}

// at is x[j], or otherwise if x is nil.
func at(x []float32, j int, otherwise float64) float64 {
	if x == nil {
		return otherwise
	}
	return float64(x[j])
}
