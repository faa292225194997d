package gemm

import "math"

// Ref is the specification of Mul: operands rounded as p says, products summed
// in f64, the sum rounded to f32 once, then the epilogue. Every path of Mul
// agrees with it within the rounding of f32 sums of k products.
func Ref(p Precision, m, n, k int, a, b Matrix, c []float32, ldc int, ep Epilogue) {
	line := func(dst []float64, at func(l int) float32) {
		for l := range dst {
			v := at(l)
			if p == BF16 {
				v = RoundBF16(v)
			}
			dst[l] = float64(v)
		}
	}
	rows := make([]float64, m*k)
	for i := range m {
		line(rows[i*k:][:k], func(l int) float32 { return a.at(i, l)[0] })
	}
	col := make([]float64, k)
	for j := range n {
		line(col, func(l int) float32 { return b.at(l, j)[0] })
		for i := range m {
			var sum float64
			for l, v := range rows[i*k:][:k] {
				sum += v * col[l]
			}
			refFinish(&c[i*ldc+j], sum, i*ldc+j, j, ep)
		}
	}
}

// refFinish is the specification of Epilogue for a sum of column j; at is where
// its residual lies.
func refFinish(c *float32, sum float64, at, j int, ep Epilogue) {
	if ep.Accumulate {
		*c = float32(float64(*c) + sum)
		return
	}
	if ep.Bias != nil {
		sum += float64(ep.Bias[j])
	}
	if ep.Slope != nil {
		sum = max(sum, 0) + float64(ep.Slope[j])*min(sum, 0)
	}
	sum = refAct(ep.Act, sum)
	if ep.Residual != nil {
		sum += float64(ep.Residual[at])
	}
	*c = float32(sum)
}

// refAct is the specification of Act.
func refAct(kind Act, x float64) float64 {
	switch kind {
	case ReLU:
		return max(x, 0)
	case SiLU:
		return x / (1 + math.Exp(-x))
	case GELU:
		// ½(1+tanh u) is 1/(1+e^-2u), which keeps its digits for negative u.
		return x / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}
	return x
}

// RoundBF16 rounds x to the nearest bfloat16, ties to even, as VCVTNEPS2BF16
// does: subnormal numbers become zero of the same sign, NaNs stay NaN.
func RoundBF16(x float32) float32 {
	return math.Float32frombits(uint32(bf16Bits(x)) << 16)
}

// bf16Bits is RoundBF16 as the upper 16 bits.
func bf16Bits(x float32) uint16 {
	u := math.Float32bits(x)
	switch exp := u & 0x7f800000; {
	case exp == 0:
		u &= 0x80000000
	case exp == 0x7f800000 && u&0x007fffff != 0:
		u |= 0x00400000
	default:
		u += 0x7fff + u>>16&1
	}
	return uint16(u >> 16)
}
