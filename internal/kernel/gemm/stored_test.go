package gemm

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
)

// stored writes numbers [rows, cols] in a format, at an odd address, and also
// returns their values. Int8 numbers have two scales per row if possible.
func stored(rng *rand.Rand, f Format, rows, cols int) (w Stored, says []float32) {
	w = Stored{Format: f, Bytes: make([]byte, 1, 1+rows*cols*f.Size())}
	run := cols
	if cols%2 == 0 {
		run /= 2
	}
	for range rows {
		for j := range cols {
			if f == StoredI8 && j%run == 0 {
				w.Scale = append(w.Scale, rng.Float32())
			}
			v := float32(rng.NormFloat64())
			switch f {
			case StoredF32:
				w.Bytes = binary.LittleEndian.AppendUint32(w.Bytes, math.Float32bits(v))
			case StoredBF16:
				v = RoundBF16(v)
				w.Bytes = binary.LittleEndian.AppendUint16(w.Bytes, uint16(math.Float32bits(v)>>16))
			case StoredF16: // 2^e with a few bits of mantissa
				h := uint16(rng.IntN(8)+10)<<10 | uint16(rng.IntN(1024))
				v = float32(math.Ldexp(1+float64(h&1023)/1024, int(h>>10)-15))
				w.Bytes = binary.LittleEndian.AppendUint16(w.Bytes, h)
			case StoredI8:
				q := int8(rng.IntN(255) - 127)
				v = w.Scale[len(w.Scale)-1] * float32(q)
				w.Bytes = append(w.Bytes, byte(q))
			}
			says = append(says, v)
		}
	}
	w.Bytes = w.Bytes[1:]
	return w, says
}

// TestPackStored checks that weights packed from their stored form give the
// same bytes as the same weights in f32, packed or not, alone and in groups.
func TestPackStored(t *testing.T) {
	defer func(cells int) { maxStrip = cells }(maxStrip)
	maxStrip = 1 << 15
	for _, l := range simd.Levels() {
		restore, ok := simd.Use(l)
		if !ok {
			t.Fatalf("level %v is listed and cannot be used", l)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for _, f := range []Format{StoredF32, StoredBF16, StoredF16, StoredI8} {
			for _, p := range []Precision{F32, BF16} {
				for _, s := range [][3]int{{1, 1, 1}, {7, 130, 36}, {50, 33, 801}, {130, 260, 1700}} {
					m, n, k := s[0], s[1], s[2]
					w, says := stored(rng, f, n, k)
					a := make([]float32, m*k)
					for i := range a {
						a[i] = float32(rng.NormFloat64())
					}
					want, got := make([]float32, m*n), make([]float32, m*n)
					x := Matrix{Data: a, Stride: k}
					Mul(p, m, n, k, x, Matrix{Data: says, Stride: k, Trans: true}, want, n, Epilogue{Act: SiLU})
					pk := PackStored(p, k, n, w)
					MulPacked(m, x, pk, got, n, Epilogue{Act: SiLU})
					if !slices.Equal(got, want) {
						t.Errorf("%v, format %d, precision %d, %v: packed as stored gives other bytes", l, f, p, s)
					}
					clear(got)
					MulStored(p, m, n, k, x, w, got, n, Epilogue{Act: SiLU})
					if !slices.Equal(got, want) {
						t.Errorf("%v, format %d, precision %d, %v: multiplied as stored gives other bytes", l, f, p, s)
					}
					clear(got)
					half := m / 2
					GroupedPacked([]GroupPacked{
						{M: half, A: x, B: pk, C: got, LDC: n},
						{M: 0, B: pk, LDC: n},
						{M: m - half, A: Matrix{Data: a[half*k:], Stride: k}, B: pk, C: got[half*n:], LDC: n},
					}, SiLU)
					if !slices.Equal(got, want) {
						t.Errorf("%v, format %d, precision %d, %v: groups give other bytes", l, f, p, s)
					}
				}
			}
		}
		restore()
	}
}

// TestStoredCodes: int8 whose scales last for whole runs are codes, others are not.
func TestStoredCodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct{ cols, run int }{{64, 32}, {32, 16}, {96, 16}, {66, 0}, {40, 0}} {
		w, says := stored(rng, StoredI8, 6, c.cols)
		codes, ok := w.Codes()
		if ok != (c.run > 0) {
			t.Fatalf("rows of %d, two scales each: codes %v", c.cols, ok)
		}
		if !ok {
			continue
		}
		if codes.Run() != c.run || codes.Mins() {
			t.Fatalf("rows of %d, two scales each: runs of %d, want %d", c.cols, codes.Run(), c.run)
		}
		q, scale := make([]int8, 2*c.cols-c.run), make([]float32, 2*c.cols/c.run-1)
		codes.Codes(q, scale, nil, 2*c.cols+c.run)
		for i, v := range q {
			if got := scale[i/c.run] * float32(v); got != says[2*c.cols+c.run+i] {
				t.Fatalf("rows of %d: code %d stands for %g, want %g", c.cols, i, got, says[2*c.cols+c.run+i])
			}
		}
	}
	if _, ok := (Stored{Format: StoredBF16, Bytes: make([]byte, 64)}).Codes(); ok {
		t.Error("bf16 gives codes")
	}
}

func TestStoredOfAnotherSizePanics(t *testing.T) {
	for name, w := range map[string]Stored{
		"short":    {Format: StoredBF16, Bytes: make([]byte, 11)},
		"unscaled": {Format: StoredI8, Bytes: make([]byte, 6)},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			PackStored(F32, 3, 2, w)
		}()
	}
}
