package sampler

import (
	"math"
	"slices"
	"testing"
)

// TestPhilox uses the known answers of the Random123 distribution.
func TestPhilox(t *testing.T) {
	const f = 0xffffffff
	for _, tt := range []struct {
		c    [4]uint32
		k    [2]uint32
		want [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{f, f, f, f}, [2]uint32{f, f}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			[2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		if got := philox(tt.c, tt.k); got != tt.want {
			t.Errorf("philox(%x, %x) = %x, want %x", tt.c, tt.k, got, tt.want)
		}
	}
}

func TestNoiseIsCounterBased(t *testing.T) {
	whole := make([]float32, 103)
	Noise(whole, 42, 7)
	for first := range 9 {
		for n := range 20 {
			part := make([]float32, n)
			NoiseAt(part, 42, 7, uint64(first))
			if !slices.Equal(part, whole[first:first+n]) {
				t.Fatalf("elements %d to %d differ when drawn by themselves", first, first+n)
			}
		}
	}
	for _, other := range [][2]uint64{{43, 7}, {42, 8}, {42, 7 << 32}, {42 << 32, 7}} {
		got := make([]float32, len(whole))
		Noise(got, other[0], other[1])
		if slices.Equal(got, whole) {
			t.Errorf("seed %d stream %d repeats seed 42 stream 7", other[0], other[1])
		}
	}
}

// TestNoiseMoments: mean, variance, skewness and kurtosis of a million draws,
// and the correlation of neighbours, within 5 standard errors.
func TestNoiseMoments(t *testing.T) {
	x := make([]float32, 1_000_000)
	Noise(x, 3, 0)
	n := float64(len(x))
	var m [5]float64
	var lag float64
	for i, v := range x {
		f := float64(v)
		for p, q := 1, f; p <= 4; p, q = p+1, q*f {
			m[p] += q / n
		}
		if i > 0 {
			lag += f * float64(x[i-1]) / n
		}
		if math.Abs(f) > 6.8 {
			t.Fatalf("a draw of %v", f)
		}
	}
	for _, tt := range []struct {
		name            string
		got, want, vari float64
	}{
		{"mean", m[1], 0, 1},
		{"variance", m[2], 1, 2},
		{"third moment", m[3], 0, 15},
		{"fourth moment", m[4], 3, 96},
		{"neighbours", lag, 0, 1},
	} {
		if d := math.Abs(tt.got - tt.want); d > 5*math.Sqrt(tt.vari/n) {
			t.Errorf("%s %.5f, want %.0f", tt.name, tt.got, tt.want)
		}
	}
}

// TestNoiseGolden keeps fixed seeds fixed over releases.
func TestNoiseGolden(t *testing.T) {
	got := make([]float32, 4)
	Noise(got, 1, 2)
	want := []float32{-0.42886275, -0.14084636, 1.6236722, 0.4085276}
	for i := range got {
		if math.Abs(float64(got[i]-want[i])) > 1e-6 {
			t.Fatalf("Noise(1, 2) starts with %v, want %v", got, want)
		}
	}
}

func BenchmarkNoise(b *testing.B) {
	x := make([]float32, 1<<16)
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		Noise(x, 1, 0)
	}
}
