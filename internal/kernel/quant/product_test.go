package quant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

var _ gemm.Codes = Blocks{}

// randomBlocks are n numbers of any bytes, whose binary16 factors are small.
func randomBlocks(rng *rand.Rand, t Type, n int) Blocks {
	numbers, bytes := t.Block()
	b := Blocks{t, make([]byte, n/numbers*bytes)}
	for i := range b.Bytes {
		b.Bytes[i] = byte(rng.Uint32())
	}
	for at := 0; at < len(b.Bytes); at += bytes {
		for _, f := range layouts[t].factors {
			// An exponent of 5 to 8 of 31: up to 2^-6.
			b.Bytes[at+f+1] = b.Bytes[at+f+1]&0x83 | byte(5+rng.IntN(4))<<2
		}
	}
	return b
}

func levels(t *testing.T, f func(t *testing.T)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, _ := simd.Use(l)
			defer restore()
			f(t)
		})
	}
}

// TestCodes: what a type's blocks are taken apart into are the numbers that
// Dequantize gives, for whole blocks and for parts, and nothing else is written.
func TestCodes(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, kind := range Types() {
			numbers, _ := kind.Block()
			b := randomBlocks(rng, kind, 5*numbers)
			want := make([]float32, 5*numbers)
			Dequantize(kind, want, b.Bytes)
			run := b.Run()
			for range 30 {
				lo := rng.IntN(5*numbers/run) * run
				hi := lo + (1+rng.IntN((5*numbers-lo)/run))*run
				const guard = -77
				q, runs := make([]int8, hi-lo+9), (hi-lo)/run
				scale, min := make([]float32, runs+3), make([]float32, runs+3)
				for i := range q {
					q[i] = guard
				}
				for i := range scale {
					scale[i], min[i] = guard, guard
				}
				b.Codes(q[:hi-lo], scale[:runs], min[:runs], lo)
				for i := range hi - lo {
					got := float32(scale[i/run] * float32(q[i]))
					if b.Mins() {
						got += min[i/run]
					}
					if got != want[lo+i] {
						t.Fatalf("%v [%d,%d): number %d is %g·%d + %g, want %g", kind, lo, hi, i, scale[i/run], q[i], min[i/run], want[lo+i])
					}
				}
				for i, v := range q[hi-lo:] {
					if v != guard {
						t.Fatalf("%v [%d,%d): wrote code %d beyond them", kind, lo, hi, i)
					}
				}
				for i := range 3 {
					if scale[runs+i] != guard || min[runs+i] != guard || !b.Mins() && min[0] != guard {
						t.Fatalf("%v [%d,%d): wrote a factor beyond them", kind, lo, hi)
					}
				}
			}
		}
	})
}

// TestProduct multiplies by blocks of every type: as the specification of
// products has it, and within the rounding of activations to int8 of the product
// of the numbers themselves.
func TestProduct(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, kind := range Types() {
			numbers, _ := kind.Block()
			for _, s := range [][3]int{{1, 3, 2 * numbers}, {14, 37, 3 * numbers}} {
				m, n, k := s[0], s[1], s[2]
				w, x := randomBlocks(rng, kind, n*k), make([]float32, m*k)
				for i := range x {
					x[i] = float32(rng.NormFloat64())
				}
				a, bias := gemm.Matrix{Data: x, Stride: k}, x[:n]
				got, want, exact := make([]float32, m*n), make([]float32, m*n), make([]float32, m*n)
				ep := gemm.Epilogue{Bias: bias, Act: gemm.SiLU}
				gemm.MulCodes(m, n, k, a, w, got, n, ep)
				gemm.RefCodes(m, n, k, a, w, want, n, ep)
				if d := relative(got, want); d > 1e-5 {
					t.Errorf("%v %v: off the specification by %g", kind, s, d)
				}
				gemm.MulCodes(m, n, k, a, w, got, n, gemm.Epilogue{})
				wide := make([]float32, n*k)
				Dequantize(kind, wide, w.Bytes)
				gemm.Ref(gemm.F32, m, n, k, a, gemm.Matrix{Data: wide, Stride: k, Trans: true}, exact, n, gemm.Epilogue{})
				if d := relative(got, exact); d > 0.01 && m > 1 || d > 0.05 { // few numbers may be unlucky
					t.Errorf("%v %v: off the exact product by %g", kind, s, d)
				}
			}
		}
	})
}

func relative(got, want []float32) float64 {
	var d, e float64
	for i, v := range want {
		d += math.Pow(float64(got[i])-float64(v), 2)
		e += float64(v) * float64(v)
	}
	return math.Sqrt(d / e)
}

func BenchmarkCodes(b *testing.B) {
	for _, kind := range Types() {
		const n = 1 << 18
		w := randomBlocks(rand.New(rand.NewPCG(5, 6)), kind, n)
		q, scale, min := make([]int8, n), make([]float32, n/w.Run()), make([]float32, n/w.Run())
		b.Run(fmt.Sprint(kind), func(b *testing.B) {
			for b.Loop() {
				w.Codes(q, scale, min, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/number")
		})
	}
}
