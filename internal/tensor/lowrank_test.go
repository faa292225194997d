package tensor

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/simd"
)

// storedAs keeps numbers as a type has them.
func storedAs(d DType, x []float32) Stored {
	s := Stored{DType: d}
	if t, ok := d.Quant(); ok {
		s.Bytes = make([]byte, d.Bytes(len(x)))
		quant.Quantize(t, s.Bytes, x)
		return s
	}
	for _, v := range x {
		switch d {
		case F32:
			s.Bytes = binary.LittleEndian.AppendUint32(s.Bytes, math.Float32bits(v))
		case BF16:
			s.Bytes = binary.LittleEndian.AppendUint16(s.Bytes, uint16(math.Float32bits(gemm.RoundBF16(v))>>16))
		case I8:
			s.Bytes = append(s.Bytes, byte(int8(math.RoundToEven(float64(v)*64))))
		}
	}
	if d == I8 {
		s.Scale = slices.Repeat([]float32{1.0 / 64}, len(x)/64)
	}
	return s
}

// TestLowRank: a product of low rank is added to stored numbers of every kind
// where they are read, and products with them are those with the sums.
func TestLowRank(t *testing.T) {
	const n, k, m = 70, 320, 5
	waves := func(n int, step float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(math.Sin(float64(i) * step))
		}
		return x
	}
	for _, rank := range []int{1, 3, 67} {
		for _, d := range []DType{F32, BF16, I8, OfQuant(quant.Q8_0)} {
			w := storedAs(d, waves(n*k, 0.7))
			plain := InPlace(w, n, k).Values()
			b, a := waves(n*rank, 1.3), waves(rank*k, 0.31)
			w.Plus = []LowRank{
				{B: storedAs(F32, b), A: storedAs(BF16, a), Rank: rank, Factor: 0.25},
				{B: storedAs(BF16, b), A: storedAs(F32, a), Rank: rank, Factor: -0.5},
			}
			p := InPlace(w, n, k).For(AsMatrix)
			p.Fix()
			got := p.Values()
			a16, b16 := InPlace(storedAs(BF16, a), rank, k).Values(), InPlace(storedAs(BF16, b), n, rank).Values()
			for i := range got {
				want := float64(plain[i])
				for r := range rank {
					want += 0.25*float64(b[i/k*rank+r])*float64(a16[r*k+i%k]) - 0.5*float64(b16[i/k*rank+r])*float64(a[r*k+i%k])
				}
				if math.Abs(float64(got[i])-want) > 1e-4 {
					t.Fatalf("rank %d, %v: number %d is %v, want %v", rank, d, i, got[i], want)
				}
			}
			x := waves(m*k, 0.9)
			for _, l := range simd.Levels() {
				restore, _ := simd.Use(l)
				for _, precision := range []DType{F32, BF16} {
					p.Drop()
					c := NewCPU(precision)
					y := c.Linear(New(x, m, k), p, nil, None)
					summed := New(p.Values(), n, k).For(AsMatrix)
					summed.Fix()
					if want := c.Linear(New(x, m, k), summed, nil, None); !slices.Equal(Values(c, y), Values(c, want)) {
						t.Errorf("rank %d, %v, %v, %v: the product is not that with the sum", rank, d, l, precision)
					}
				}
				restore()
			}
		}
	}
}

// TestLowRankShapes: halves that do not fit the matrix are a mistake in the
// program.
func TestLowRankShapes(t *testing.T) {
	for _, plus := range []LowRank{{Rank: 0}, {Rank: 2, B: storedAs(F32, make([]float32, 8)), A: storedAs(F32, make([]float32, 8))}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was accepted", plus)
				}
			}()
			s := storedAs(F32, make([]float32, 12))
			s.Plus = []LowRank{plus}
			InPlace(s, 3, 4)
		}()
	}
}
