package gemm_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/simd"
)

func normals(rng *rand.Rand, n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * scale)
	}
	return x
}

// someBlocks are random blocks of a type, and the numbers that they stand for.
func someBlocks(rng *rand.Rand, kind quant.Type, n int) (quant.Blocks, []float32) {
	_, bytes := kind.Block()
	b := quant.Blocks{Type: kind, Bytes: make([]byte, size(kind, n))}
	for i := range b.Bytes {
		b.Bytes[i] = byte(rng.Uint32())
	}
	for at := 0; at < len(b.Bytes); at += bytes { // factors of a moderate size
		for _, f := range map[quant.Type][]int{quant.Q2_K: {80, 82}, quant.Q3_K: {108}, quant.Q4_K: {0, 2}, quant.Q5_K: {0, 2}, quant.Q6_K: {208}, quant.Q4_1: {0, 2}, quant.Q5_1: {0, 2}}[kind] {
			b.Bytes[at+f+1] = 0x20 | b.Bytes[at+f+1]&0x83
		}
		if slices.Contains([]quant.Type{quant.Q8_0, quant.Q4_0, quant.Q5_0}, kind) {
			b.Bytes[at+1] = 0x20 | b.Bytes[at+1]&0x83
		}
	}
	wide := make([]float32, n)
	quant.Dequantize(kind, wide, b.Bytes)
	return b, wide
}

// refFew is the specification of MulFew: activations rounded to 16 bits, run by run,
// where rounded says so, and sums in f64; sizes has the sums of absolute values.
func refFew(m, n, k int, a, w []float32, rounded bool) (sums, sizes []float64) {
	x := make([]float64, m*k)
	for i := range x {
		x[i] = float64(a[i])
	}
	for i := 0; rounded && i < m; i++ {
		for at := 0; at < k; at += 32 {
			run := x[i*k+at:][:min(32, k-at)]
			top := 0.0
			for _, v := range run {
				top = max(top, math.Abs(v))
			}
			for j, v := range run {
				if top > 0 {
					run[j] = math.RoundToEven(float64(float32(v)*(32639/float32(top)))) * float64(float32(top)/32639)
				}
			}
		}
	}
	for i := range m {
		for j := range n {
			var sum, size float64
			for l, v := range w[j*k:][:k] {
				sum += x[i*k+l] * float64(v)
				size += math.Abs(x[i*k+l] * float64(v))
			}
			sums, sizes = append(sums, sum), append(sizes, size)
		}
	}
	return sums, sizes
}

// TestMulFew holds products of a few rows against their specification, for weights of
// all types, alone, several at once, gated, and with a residual.
func TestMulFew(t *testing.T) {
	for _, l := range simd.Levels() {
		restore, _ := simd.Use(l)
		rng := rand.New(rand.NewPCG(5, 6))
		for _, s := range [][3]int{{1, 5, 64}, {1, 40, 576}, {3, 17, 128}, {16, 9, 1536}, {2, 70, 96}, {1, 3, 256}, {1, 1, 32}} {
			m, n, k := s[0], s[1], s[2]
			a := normals(rng, m*k, 3)
			clear(a[:32])
			if k > 40 {
				a[40] = 1e4
			}
			for _, kind := range quant.Types() {
				if numbers, _ := kind.Block(); k%numbers != 0 {
					continue
				}
				few(t, fmt.Sprintf("%v, %v %v", l, s, kind), rng, m, n, k, a, true, func() (gemm.Numbers, []float32) {
					b, wide := someBlocks(rng, kind, n*k)
					return b, wide
				})
			}
			for _, f := range []gemm.Format{gemm.StoredF32, gemm.StoredBF16, gemm.StoredF16} {
				few(t, fmt.Sprintf("%v, %v format %d", l, s, f), rng, m, n, k, a, false, func() (gemm.Numbers, []float32) {
					w := gemm.Stored{Format: f, Bytes: make([]byte, n*k*f.Size())}
					for i := range w.Bytes {
						w.Bytes[i] = byte(rng.Uint32())
					}
					for i := f.Size() - 1; i < len(w.Bytes); i += f.Size() {
						w.Bytes[i] = 0x3c | w.Bytes[i]&0x83
					}
					wide := make([]float32, n*k)
					w.Widen(wide, 0)
					return w, wide
				})
			}
		}
		restore()
	}
}

// few compares products with weights that mk makes.
func few(t *testing.T, name string, rng *rand.Rand, m, n, k int, a []float32, rounded bool, mk func() (gemm.Numbers, []float32)) {
	t.Helper()
	const guard = 7
	up, wideUp := mk()
	gate, wideGate := mk()
	residual := normals(rng, m*n, 10)
	outs := make([][]float32, 3)
	for i := range outs {
		outs[i] = slices.Repeat([]float32{guard}, m*n+8)
	}
	gemm.MulFew(m, k, gemm.Matrix{Data: a, Stride: k},
		gemm.Few{N: n, W: up, C: outs[0]},
		gemm.Few{N: n, W: gate, C: outs[1], Residual: residual},
		gemm.Few{N: n, W: up, Gate: gate, C: outs[2]})
	sums, sizes := refFew(m, n, k, a, wideUp, rounded)
	gates, gateSizes := refFew(m, n, k, a, wideGate, rounded)
	near := func(what string, got float32, want, size float64) {
		t.Helper()
		if !(math.Abs(float64(got)-want) <= 2e-6*size+1e-6) {
			t.Fatalf("%s, %s: %g, want %g", name, what, got, want)
		}
	}
	for i, sum := range sums {
		near("plain", outs[0][i], sum, sizes[i])
		near("residual", outs[1][i], gates[i]+float64(residual[i]), gateSizes[i]+math.Abs(float64(residual[i])))
		g := gates[i] / (1 + math.Exp(-gates[i]))
		near("gated", outs[2][i], g*sum, math.Abs(g)*sizes[i]+(1+math.Abs(sum))*gateSizes[i])
	}
	for i, o := range outs {
		if !slices.Equal(o[m*n:], slices.Repeat([]float32{guard}, 8)) {
			t.Errorf("%s: result %d was written beyond its end", name, i)
		}
	}
}

// TestMulFewRows: a row gives the same bytes alone as with others, on one thread as on
// several.
func TestMulFewRows(t *testing.T) {
	defer simd.SetThreads(simd.Threads())
	rng := rand.New(rand.NewPCG(7, 8))
	const m, n, k = 5, 300, 576
	a := normals(rng, m*k, 1)
	for _, kind := range []quant.Type{quant.Q4_1, quant.Q8_0, quant.Q5_1} {
		w, _ := someBlocks(rng, kind, n*k)
		var first []float32
		for _, threads := range []int{1, 3} {
			simd.SetThreads(threads)
			c, one := make([]float32, m*n), make([]float32, n)
			gemm.MulFew(m, k, gemm.Matrix{Data: a, Stride: k}, gemm.Few{N: n, W: w, C: c})
			if first == nil {
				first = c
			}
			gemm.MulFew(1, k, gemm.Matrix{Data: a[3*k:], Stride: k}, gemm.Few{N: n, W: w, C: one})
			if !slices.Equal(first, c) || !slices.Equal(one, c[3*n:][:n]) {
				t.Errorf("%v, %d threads: other bytes", kind, threads)
			}
		}
	}
}

// BenchmarkFew is the products of a token: of SmolLM2's layers, and its last one.
func BenchmarkFew(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct {
		k, n int
		kind quant.Type
	}{{576, 576, quant.Q4_1}, {576, 1536, quant.Q4_1}, {1536, 576, quant.Q4_1}, {576, 49152, quant.Q8_0}, {4096, 4096, quant.Q4_0}} {
		w, _ := someBlocks(rng, s.kind, s.n*s.k)
		for _, m := range []int{1, 4} {
			a, c := normals(rng, m*s.k, 1), make([]float32, m*s.n)
			b.Run(fmt.Sprintf("%d×%d→%d/%v", m, s.k, s.n, s.kind), func(b *testing.B) {
				b.SetBytes(int64(len(w.Bytes)))
				for b.Loop() {
					gemm.MulFew(m, s.k, gemm.Matrix{Data: a, Stride: s.k}, gemm.Few{N: s.n, W: w, C: c})
				}
			})
		}
	}
}
