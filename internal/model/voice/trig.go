package voice

import "math"

// whole rounds a number below 2²² to an integer when it is added and subtracted.
const whole = 12582912 // 1.5·2²³

// sincos makes of angles in turns, in sin, their sines and cosines, to about 1e-7 as
// long as the angles have that many digits.
func sincos(sin, cos *[bins]float32) {
	for k, x := range sin {
		n := float32(4*x+whole) - whole
		a := (x - n/4) * (2 * math.Pi)
		b := a * a
		s := a + a*b*(-1.6666654611e-1+b*(8.3321608736e-3-1.9515295891e-4*b))
		c := 1 - b/2 + b*b*(4.166664568298827e-2+b*(-1.388731625493765e-3+2.443315711809948e-5*b))
		// A quarter turn makes of (s, c) (c, -s).
		quarter := uint32(int32(n))
		sb, cb := math.Float32bits(s), math.Float32bits(c)
		swap := -(quarter & 1) & (sb ^ cb)
		sin[k] = math.Float32frombits(sb ^ swap ^ quarter&2<<30)
		cos[k] = math.Float32frombits(cb ^ swap ^ (quarter+1)&2<<30)
	}
}

// sine is the sine of an angle between 0 and 1 turn, to about 1e-7.
func sine(x float32) float32 {
	// It is that of an angle of at most a quarter turn, from the middle, turned.
	a := (0.5 - x) * 2
	if a > 0.5 {
		a = 1 - a
	} else if a < -0.5 {
		a = -1 - a
	}
	a *= math.Pi
	b := a * a
	return a + a*b*(-1.6666666664e-1+b*(8.3333315e-3+b*(-1.98409e-4+b*(2.7526e-6-2.39e-8*b))))
}
