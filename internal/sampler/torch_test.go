package sampler

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// makeGoldens tells how to make a missing golden.
const makeGoldens = "make the goldens with: python3 tools/reference/schedules.py --out internal/sampler/testdata (tools/reference/README.md says with which packages)"

// golden reads a tensor of a file that the oracle wrote.
type golden struct {
	t *testing.T
	f *safetensors.File
}

func openGolden(t *testing.T, name string) golden {
	t.Helper()
	f, err := safetensors.Open("testdata/" + name)
	if err != nil {
		t.Fatalf("%v: %s", err, makeGoldens)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return golden{t, f}
}

func (g golden) read(format string, args ...any) []float32 {
	g.t.Helper()
	name := fmt.Sprintf(format, args...)
	x, _, err := g.f.Float32(name)
	if err != nil {
		g.t.Fatalf("%v: %s", err, makeGoldens)
	}
	return x
}

// near fails where two slices differ by more than bar.
func near(t *testing.T, what string, got, want []float32, bar float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - float64(w)); !(d <= bar) {
			t.Fatalf("%s: value %d is %v, torch has %v", what, i, got[i], w)
		}
	}
}

// ulps allows a draw, which is below 6, a few units in its last place.
const ulps = 2e-6

func TestTorchNoise(t *testing.T) {
	g := openGolden(t, "noise.safetensors")
	for _, seed := range []uint64{0, 1, 42, 1<<32 + 5} {
		for _, n := range []int{1, 15, 16, 17, 1000, 1_000_000} {
			x := make([]float32, n)
			NewTorch(seed).Fill(x)
			what := fmt.Sprintf("seed %d, %d numbers", seed, n)
			near(t, what, x[:min(n, 20)], g.read("%d/%d/first", seed, n), ulps)
			near(t, what+", the end", x[max(0, n-20):], g.read("%d/%d/last", seed, n), ulps)
			var sum, abs, square float64
			for _, v := range x {
				sum, abs, square = sum+float64(v), abs+math.Abs(float64(v)), square+float64(v)*float64(v)
			}
			// A sum errs by the errors of its terms and by its own rounding to f32.
			near(t, what+", sums", []float32{float32(sum), float32(abs), float32(square)}, g.read("%d/%d/sums", seed, n), float64(n)*2e-7+1e-6)
		}
		var chain []float32
		torch := NewTorch(seed)
		for _, n := range []int{3, 16, 4, 33, 1, 1, 40} {
			x := make([]float32, n)
			torch.Fill(x)
			chain = append(chain, x...)
		}
		near(t, fmt.Sprintf("seed %d, draws in a row", seed), chain, g.read("%d/chain", seed), ulps)
	}
}

// TestTorchSeed: torch takes the lower 32 bits.
func TestTorchSeed(t *testing.T) {
	x, y := make([]float32, 32), make([]float32, 32)
	NewTorch(5).Fill(x)
	NewTorch(7<<32 | 5).Fill(y)
	if !slices.Equal(x, y) {
		t.Error("the upper bits of a seed count")
	}
	NewTorch(6).Fill(y)
	if slices.Equal(x, y) {
		t.Error("two seeds give the same noise")
	}
}

func BenchmarkTorch(b *testing.B) {
	x := make([]float32, 1<<16)
	b.SetBytes(int64(4 * len(x)))
	torch := NewTorch(1)
	for b.Loop() {
		torch.Fill(x)
	}
}
