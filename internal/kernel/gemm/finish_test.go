package gemm

import (
	"fmt"
	"math"
	"testing"
)

// TestFinishValues runs the epilogues over values of every size and the special
// ones, at widths around a vector's.
func TestFinishValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	x := []float32{0, inf, -inf, nan, 1e-45, -1e-38, 3e38, -3e38, 88.7, -88.7, 103.9, -103.9, 12, -12, 1e4, -1e4}
	for v := float32(-30); v < 30; v += 0.0371 {
		x = append(x, v)
	}
	levels(t, func(t *testing.T) {
		for _, p := range paths(F32) {
			for _, act := range []Act{None, ReLU, SiLU, GELU} {
				for _, cols := range []int{1, 15, 16, 17, 32, 100} {
					rows := len(x) / cols
					got := make([]float32, len(x))
					p.finish(got, cols, x, cols, nil, nil, act, nil, rows, cols)
					for i := range rows * cols {
						want := refAct(act, float64(x[i]))
						d := math.Abs(float64(got[i]) - want)
						// The exponent's rounding shows where the result is small.
						size := 1 + min(0, float64(x[i]))*max(-10, float64(x[i]))
						same := d <= 3e-7*math.Abs(want)*size+1e-37 || math.IsNaN(want) && got[i] != got[i] || float32(want) == got[i]
						if !same {
							t.Fatalf("%s: act %d of %g = %g, want %g", p.name, act, x[i], got[i], want)
						}
					}
				}
			}
		}
	})
}

// TestFinishPReLU: each column has its slope, and special values go the way of
// the formula.
func TestFinishPReLU(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	values := []float32{0, inf, -inf, nan, 1e-38, -1e-38, 3e38, -3e38, 2, -2, -0.5, 7}
	levels(t, func(t *testing.T) {
		for _, p := range paths(F32) {
			for _, cols := range []int{1, 7, 15, 16, 17, 33} {
				const rows = 5
				x, got, slope := make([]float32, rows*cols), make([]float32, rows*cols+1), make([]float32, cols)
				got[rows*cols] = 123
				for i := range x {
					x[i] = values[(i*5+i/cols)%len(values)]
				}
				for j := range slope {
					slope[j] = float32(j%9)/4 - 1
				}
				p.finish(got, cols, x, cols, nil, slope, None, nil, rows, cols)
				for i, v := range x {
					want := v
					if v < 0 {
						want = slope[i%cols] * v
					}
					if got[i] != want && (want == want || got[i] == got[i]) {
						t.Fatalf("%s: column %d of %d: %g became %g, want %g", p.name, i%cols, cols, v, got[i], want)
					}
				}
				if got[rows*cols] != 123 {
					t.Fatalf("%s: wrote beyond %d columns", p.name, cols)
				}
			}
		}
	})
}

func BenchmarkFinish(b *testing.B) {
	rows, cols := 96, 32
	x, bias := make([]float32, rows*cols), make([]float32, cols)
	for i := range x {
		x[i] = float32(i%100)/10 - 5
	}
	for _, act := range []Act{None, ReLU, SiLU, GELU} {
		b.Run(fmt.Sprint(act), func(b *testing.B) {
			c := make([]float32, len(x))
			p := pathFor(F32)
			for b.Loop() {
				p.finish(c, cols, x, cols, bias, nil, act, nil, rows, cols)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows*cols), "ns/value")
		})
	}
}
