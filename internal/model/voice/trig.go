package voice

import "math"

// whole rounds a number below 2²² to an integer when it is added and subtracted.
const whole = 12582912 // 1.5·2²³

// sincos is the sine and the cosine of an angle in turns, to about 1e-7 as long as
// the angle has that many digits.
func sincos(x float32) (s, c float32) {
	n := float32(4*x+whole) - whole
	a := (x - n/4) * (2 * math.Pi)
	b := a * a
	s = a + a*b*(-1.6666654611e-1+b*(8.3321608736e-3-1.9515295891e-4*b))
	c = 1 - b/2 + b*b*(4.166664568298827e-2+b*(-1.388731625493765e-3+2.443315711809948e-5*b))
	// A quarter turn makes of (s, c) (c, -s).
	quarter := uint32(int32(n))
	sb, cb := math.Float32bits(s), math.Float32bits(c)
	swap := -(quarter & 1) & (sb ^ cb)
	sb ^= swap ^ quarter&2<<30
	cb ^= swap ^ (quarter+1)&2<<30
	return math.Float32frombits(sb), math.Float32frombits(cb)
}

// exp is e^x to the last digits of a float32, for -87 <= x <= 87, where it stays
// outside. x = n·ln 2 + r, and e^r is a polynomial.
func exp(x float32) float32 {
	x = min(max(x, -87), 87)
	n := float32(x*math.Log2E+whole) - whole
	r := x - n*0.693359375 - n*-2.12194440e-4
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	return (p*r*r + r + 1) * math.Float32frombits(uint32(int32(n)+127)<<23)
}
