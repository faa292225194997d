package vec

import "math"

// Constants of the exponential. x = n*ln 2 + r with |r| <= ln 2 / 2; e^r is a polynomial of degree 6, multiplied by
// 2^n in two halves, so that results below the normal range are rounded once more instead of becoming 0. ln 2 is
// split so that n*ln2Hi is exact.
const (
	expLog2e = 1.44269504088896341
	expHi    = 89     // e^89 overflows float32
	expLo    = -104.5 // e^-104.5 rounds to 0
	ln2Hi    = 0.693359375
	ln2Lo    = -2.12194440e-4
	// Minimax coefficients of (e^r - 1 - r)/r² on [-ln 2 / 2, ln 2 / 2], highest power first.
	expC5 = 1.9875691500e-4
	expC4 = 1.3981999507e-3
	expC3 = 8.3334519073e-3
	expC2 = 4.1665795894e-2
	expC1 = 1.6666665459e-1
	expC0 = 5.0000001201e-1

	sigmoidLo = -87

	roundMagic = 12582912.0 // 1.5 * 2^23: adding and subtracting it rounds to an integer

	geluA = 1.5957691216057308 // 2*sqrt(2/pi)
	geluB = 0.044715 * geluA
)

// exp1 is e^x as every path computes it.
func exp1(x float32) float32 {
	if x != x {
		return x
	}
	x = max(min(x, expHi), expLo)
	n := float32(x*expLog2e+roundMagic) - roundMagic
	r := x - n*ln2Hi
	r -= n * ln2Lo
	p := float32(expC5)
	p = p*r + expC4
	p = p*r + expC3
	p = p*r + expC2
	p = p*r + expC1
	p = p*r + expC0
	p = p*(r*r) + r + 1
	i := int32(n)
	half := i >> 1
	return p * math.Float32frombits(uint32(half+127)<<23) * math.Float32frombits(uint32(i-half+127)<<23)
}

func sigmoid1(x float32) float32 { return 1 / (1 + exp1(-x)) }

// sigmoids returns s = sigmoid(x) and 1-s, each to its own last place. Below sigmoidLo both keep their values at
// sigmoidLo, so that e^-x stays finite.
func sigmoids(x float32) (s, rest float32) {
	e := exp1(-max(x, sigmoidLo))
	s = 1 / (1 + e)
	return s, e * s
}

func expSubGo(dst, x []float32, scale, shift float32) {
	for i := range dst {
		dst[i] = exp1(scale*x[i] - shift)
	}
}

func expSumGo(dst, x []float32, scale, shift float32) float32 {
	var s float32
	for i := range dst {
		e := exp1(scale*x[i] - shift)
		dst[i] = e
		s += e
	}
	return s
}

func reluGo(dst, x []float32) {
	for i := range dst {
		dst[i] = max(x[i], 0)
	}
}

func reluGradGo(dx, dy, x []float32) {
	for i := range dx {
		if x[i] > 0 {
			dx[i] += dy[i]
		}
	}
}

func siluGo(dst, x []float32) {
	for i := range dst {
		dst[i] = x[i] * sigmoid1(x[i])
	}
}

// siluGradGo: silu' = s*(1 + x*(1-s)) where s = sigmoid(x).
func siluGradGo(dx, dy, x []float32) {
	for i := range dx {
		s, rest := sigmoids(x[i])
		dx[i] += dy[i] * s * (1 + x[i]*rest)
	}
}

// geluGo: 0.5*x*(1+tanh(u)) is x*sigmoid(2u), with 2u = geluA*x + geluB*x³.
func geluGo(dst, x []float32) {
	for i := range dst {
		v := x[i]
		dst[i] = v * sigmoid1(v*(geluA+geluB*v*v))
	}
}

// geluGradGo: with s = sigmoid(2u), gelu' = s*(1 + x*(1-s)*2u').
func geluGradGo(dx, dy, x []float32) {
	for i := range dx {
		v := x[i]
		s, rest := sigmoids(v * (geluA + geluB*v*v))
		dx[i] += dy[i] * s * (1 + v*rest*(geluA+3*geluB*v*v))
	}
}

func swiGLUGo(y, a, b []float32) {
	for i := range y {
		y[i] = a[i] * sigmoid1(a[i]) * b[i]
	}
}

func swiGLUGradGo(da, db, dy, a, b []float32) {
	for i := range da {
		s, rest := sigmoids(a[i])
		da[i] += dy[i] * b[i] * s * (1 + a[i]*rest)
		db[i] += dy[i] * a[i] * s
	}
}

// geluErfGo is max(x, 0) - |x|·Φ(-|x|), where Φ(-|x|) = e^(-x²/2)·P(1/(1+p·|x|)) with the coefficients of Abramowitz and
// Stegun 7.1.26, halved, and p divided by √2.
func geluErfGo(dst, x []float32) {
	for i, v := range x[:len(dst)] {
		a := abs(v)
		t := 1 / (1 + 0.231641888*a)
		p := float32(0.5307027145)
		p = p*t - 0.7265760135
		p = p*t + 0.7107068705
		p = p*t - 0.142248368
		p = p*t + 0.127414796
		dst[i] = max(v, 0) - p*t*exp1(-0.5*v*v)*a
	}
}
