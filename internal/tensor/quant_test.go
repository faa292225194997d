package tensor

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/kernel/quant"
	"github.com/kinora-video/kinora/internal/simd"
)

// blocks returns the golden blocks of a type as a matrix.
func blocks(t *testing.T, kind quant.Type) (s Stored, rows, cols int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "kernel", "quant", "testdata", kind.String()+".blocks"))
	if err != nil {
		t.Fatalf("%v: run python3 tools/reference/quant.py golden --out internal/kernel/quant/testdata", err)
	}
	numbers, size := kind.Block()
	rows, cols = len(b)/size, numbers
	if rows%3 == 0 {
		rows, cols = rows/3, 3*cols
	}
	return Stored{DType: OfQuant(kind), Bytes: b}, rows, cols
}

// TestQuantisedParameters: a parameter in blocks gives the bytes that the same
// numbers in f32 give, on each instruction set, whatever uses it, and no copy of
// a whole matrix in f32 stays. A product of less precision than f32 is another
// one, see TestLinearOfCodes.
func TestQuantisedParameters(t *testing.T) {
	for _, l := range simd.Levels() {
		restore, ok := simd.Use(l)
		if !ok {
			t.Fatalf("level %v is listed and cannot be used", l)
		}
		for _, kind := range quant.Types() {
			s, rows, cols := blocks(t, kind)
			for _, p := range []DType{F32, BF16} {
				for what, shape := range map[string][]int{"matrix": {rows, cols}, "filters": {rows, 1, 1, 1, cols}, "experts": {rows, 1, cols}, "table": {rows, cols}} {
					if what == "matrix" && p != F32 {
						continue
					}
					w := InPlace(s, shape...)
					plain := New(w.Values(), shape...)
					w.Fix()
					plain.Fix()
					if got, want := useParameter(p, what, w), useParameter(p, what, plain); !slices.Equal(got, want) {
						t.Errorf("%v, %v, %v, %s: %v, want %v", l, kind, p, what, got[:4], want[:4])
					}
					if w.st.forms[asValues{}] != nil {
						t.Errorf("%v, %v: a %s is kept in f32", kind, p, what)
					}
				}
			}
		}
		restore()
	}
}

// useParameter runs an operation on a parameter.
func useParameter(p DType, what string, w *Tensor) []float32 {
	c := NewCPU(p)
	cols := w.Dim(-1)
	x := make([]float32, 2*cols)
	for i := range x {
		x[i] = float32(i%7-3) / 64
	}
	switch what {
	case "matrix":
		return Values(c, c.Linear(c.Upload(x, 2, cols), w, nil, None))
	case "filters":
		return Values(c, c.Conv(c.Upload(x, 1, 1, 1, 2, cols), w, nil, nil, None))
	case "experts":
		scores := make([]float32, 2*w.Dim(0))
		scores[1], scores[w.Dim(0)+3] = 1, 1
		to := c.Route(c.Upload(scores, 2, w.Dim(0)), nil, 1)
		return Values(c, c.GroupedLinear(c.Dispatch(c.Upload(x, 2, cols), to), w, to))
	}
	return Values(c, c.Embed(w, []int32{3, 0, 3, int32(w.Dim(0) - 1)}))
}

// TestQuantisedSizes: the number of bytes follows the shape.
func TestQuantisedSizes(t *testing.T) {
	for _, kind := range quant.Types() {
		numbers, size := OfQuant(kind).Block()
		if got, ok := OfQuant(kind).Quant(); !ok || got != kind || OfQuant(kind).String() != kind.String() {
			t.Errorf("%v is of type %v", kind, got)
		}
		if n := OfQuant(kind).Bytes(3 * numbers); n != 3*size {
			t.Errorf("%v: three blocks take %d bytes, want %d", kind, n, 3*size)
		}
		for _, bad := range []struct{ bytes, cols int }{{3*size - 1, 3 * numbers}, {3 * size, 2 * numbers}, {3 * size, 3*numbers + 1}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%v: %d bytes for %d numbers are taken", kind, bad.bytes, bad.cols)
					}
				}()
				InPlace(Stored{DType: OfQuant(kind), Bytes: make([]byte, bad.bytes)}, 1, bad.cols)
			}()
		}
		s, _, _ := blocks(t, kind)
		if !s.Finite() {
			t.Errorf("%v: the golden is not finite", kind)
		}
		s.Bytes = slices.Clone(s.Bytes)
		for i := len(s.Bytes) - size; i < len(s.Bytes); i++ {
			s.Bytes[i] = math.MaxUint8
		}
		if s.Finite() {
			t.Errorf("%v: a factor that is no number is finite", kind)
		}
	}
}

// TestLinearUint8 compares with the product of numbers that are rounded by hand.
func TestLinearUint8(t *testing.T) {
	const m, n, k = 9, 70, 48
	q, scale := make([]byte, n*k), make([]float32, n)
	for i := range q {
		q[i] = byte(i * 37)
	}
	for j := range scale {
		scale[j] = float32(j%5+1) / 256
	}
	w := InPlace(Stored{DType: I8, Bytes: q, Scale: scale}, n, k)
	w.Fix()
	// From -1 to 255/16 - 1 there are 256 sixteenths.
	x, rounded := make([]float32, m*k), make([]float32, m*k)
	for i := range x {
		rounded[i] = float32(i*29%256)/16 - 1
		x[i] = min(max(rounded[i]+float32(i%3-1)/64, -1), 255.0/16-1)
	}
	x[0], x[1], rounded[0], rounded[1] = -1, 255.0/16-1, -1, 255.0/16-1
	bias := make([]float32, n)
	for j := range bias {
		bias[j] = float32(j)
	}
	c := NewCPU(F32)
	got := Values(c, c.LinearUint8(c.Upload(x, m, k), w, c.Upload(bias, n)))
	want := Values(c, c.Linear(c.Upload(rounded, m, k), w, c.Upload(bias, n), None))
	for i, v := range want {
		if d := got[i] - v; d > 1e-3 || d < -1e-3 {
			t.Fatalf("number %d is %v, want %v", i, got[i], v)
		}
	}
}
