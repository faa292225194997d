package tensor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/simd"
)

func normals(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// eachLevel runs f at each vector level the CPU has.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for _, l := range simd.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			restore, ok := simd.Use(l)
			if !ok {
				t.Fatalf("level %v is listed and cannot be used", l)
			}
			defer restore()
			f(t)
		})
	}
}

// off is the relative L2 of a difference.
func off(got, want []float32) float64 {
	var d, e float64
	for i, v := range want {
		d += math.Pow(float64(got[i])-float64(v), 2)
		e += float64(v) * float64(v)
	}
	return math.Sqrt(d / e)
}

// TestLinearOfCodes: a backend of bf16 multiplies by blocks and by int8 as the
// specification of codes has it, and keeps nothing.
func TestLinearOfCodes(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(31, 32))
		weights := map[string]Stored{"int8": int8Rows(rng, 33, 96, 3)}
		shapes := map[string][2]int{"int8": {33, 96}}
		for _, kind := range quant.Types() {
			s, rows, cols := blocks(t, kind)
			weights[kind.String()], shapes[kind.String()] = s, [2]int{rows, cols}
		}
		for name, s := range weights {
			n, k := shapes[name][0], shapes[name][1]
			const m = 14
			x, bias := normals(rng, m*k), normals(rng, n)
			for i, p := range []DType{BF16, I8, BF16, I8} {
				w, spec := InPlace(s, n, k).For(AsMatrix), gemm.RefCodes
				if i >= 2 {
					w, spec = w.Fine(), gemm.RefCodesFine
				}
				w.Fix()
				c := NewCPU(p)
				c.Ready(w)
				got := Values(c, c.Linear(c.Upload(x, m, k), w, New(bias, n), ReLU))
				codes, ok := codesOf(s.numbers(0, n*k))
				if !ok {
					t.Fatalf("%s are no codes", name)
				}
				want := make([]float32, m*n)
				spec(m, n, k, gemm.Matrix{Data: x, Stride: k}, codes, want, n, gemm.Epilogue{Bias: bias, Act: gemm.ReLU})
				if d := off(got, want); !(d < 1e-4) {
					t.Errorf("%s, %v: off by %g", name, p, d)
				}
				if w.Formed() {
					t.Errorf("%s, %v: a form is kept", name, p)
				}
			}
		}
	})
}

// int8Rows are random weights [n, k] with so many scales a row.
func int8Rows(rng *rand.Rand, n, k, scales int) Stored {
	s := Stored{DType: I8, Bytes: make([]byte, n*k), Scale: make([]float32, n*scales)}
	for i := range s.Bytes {
		s.Bytes[i] = byte(rng.Uint32())
	}
	for i := range s.Scale {
		s.Scale[i] = rng.Float32() / 100
	}
	return s
}

// TestLinearOfRows: int8 with one scale a row is multiplied by rows on a backend
// of int8, and what it keeps is dropped with the other forms.
func TestLinearOfRows(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(33, 34))
		const m, n, k = 13, 37, 150
		s, x, bias := int8Rows(rng, n, k, 1), normals(rng, m*k), normals(rng, n)
		w := InPlace(s, n, k).For(AsMatrix)
		w.Fix()
		c := NewCPU(I8)
		c.Ready(w)
		if _, ok := w.st.forms[asInt8{}].(*gemm.PackedInt8); !ok || len(w.st.forms) != 1 {
			t.Errorf("ready: the forms are %v", w.st.forms)
		}
		got, want := Values(c, c.Linear(c.Upload(x, m, k), w, New(bias, n), None)), make([]float32, m*n)
		wide := w.Values()
		gemm.Ref(gemm.F32, m, n, k, gemm.Matrix{Data: x, Stride: k}, gemm.Matrix{Data: wide, Stride: k, Trans: true}, want, n, gemm.Epilogue{Bias: bias})
		if d := off(got, want); !(d < 0.02) {
			t.Errorf("off the exact product by %g", d)
		}
		if len(w.st.forms) != 1 {
			t.Errorf("after the product the forms are %v", w.st.forms)
		}
		w.Drop()
		if again := Values(c, c.Linear(c.Upload(x, m, k), w, New(bias, n), None)); !slices.Equal(again, got) {
			t.Error("other bytes after the form was dropped")
		}
	})
}

// TestLinearOfOddRows: int8 that does not divide into runs is multiplied in bf16,
// and on an exact backend all weights are multiplied in f32, to the byte as the
// same numbers in f32 are.
func TestLinearOfOddRows(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(35, 36))
		const m, n = 13, 37
		for _, c := range []struct {
			p         DType
			k, scales int
		}{{F32, 150, 1}, {F32, 96, 1}, {F32, 96, 3}, {BF16, 150, 1}, {BF16, 150, 3}, {I8, 150, 3}} {
			s, x := int8Rows(rng, n, c.k, c.scales), normals(rng, m*c.k)
			w := InPlace(s, n, c.k)
			plain := New(w.Values(), n, c.k)
			w.Fix()
			plain.Fix()
			cpu := NewCPU(c.p)
			got := Values(cpu, cpu.Linear(cpu.Upload(x, m, c.k), w, nil, SiLU))
			want := Values(cpu, cpu.Linear(cpu.Upload(x, m, c.k), plain, nil, SiLU))
			if !slices.Equal(got, want) {
				t.Errorf("%+v: other bytes than in f32", c)
			}
			if w.Formed() {
				t.Errorf("%+v: a form is kept", c)
			}
		}
	})
}
