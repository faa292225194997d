package voice

import (
	"math"
	"testing"
)

func TestSincos(t *testing.T) {
	var sin, cos [bins]float32
	for i := range 300 {
		var x [bins]float32
		for k := range x {
			x[k] = float32(i*bins+k-150*bins) * 2.37e-4
		}
		sin = x
		sincos(&sin, &cos)
		for k, v := range x {
			ws, wc := math.Sincos(2 * math.Pi * float64(v))
			if e := max(math.Abs(float64(sin[k])-ws), math.Abs(float64(cos[k])-wc)); e > 3e-7 {
				t.Fatalf("sine and cosine of %v turns are %v and %v, want %v and %v: off by %.2g", v, sin[k], cos[k], ws, wc, e)
			}
		}
	}
	for i := range 100001 {
		x := float32(i) / 100000
		if got, want := sine(x), math.Sin(2*math.Pi*float64(x)); math.Abs(float64(got)-want) > 4e-7 {
			t.Fatalf("the sine of %v turns is %v, want %v", x, got, want)
		}
	}
}

// TestNoise checks that the noise is Gaussian enough, and that windows, sentences and
// seeds have each their own.
func TestNoise(t *testing.T) {
	n := newNoiseTables()
	var z [bins][2]float32
	var sum, square, fourth, cross float64
	const windows = 400
	seen := map[[2]float32]int{}
	for i := range windows {
		n.draw(&z, 3, 1, i)
		seen[z[0]]++
		for _, x := range z {
			re, im := float64(x[0]), float64(x[1])
			sum += re + im
			square += re*re + im*im
			fourth += re*re*re*re + im*im*im*im
			cross += re * im
		}
	}
	const count = 2 * bins * windows
	for name, tt := range map[string]struct{ got, want, by float64 }{
		"mean": {sum / count, 0, 0.01}, "variance": {square / count, 1, 0.01},
		"fourth moment": {fourth / count, 3, 0.1}, "correlation": {cross / count, 0, 0.01},
	} {
		if math.Abs(tt.got-tt.want) > tt.by {
			t.Errorf("the %s is %.4f, want %v", name, tt.got, tt.want)
		}
	}
	if len(seen) < windows-2 {
		t.Errorf("%d windows begin with %d different numbers", windows, len(seen))
	}
	first := func(seed, part uint64) [2]float32 { n.draw(&z, seed, part, 0); return z[0] }
	if a := first(3, 1); a == first(4, 1) || a == first(3, 2) || a != first(3, 1) {
		t.Error("the noise does not depend on seed and sentence alone")
	}
}
