package gemm

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestWindows holds products of a picture that is read in place to those of its
// windows written out.
func TestWindows(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(21, 22))
		read := 0
		for p, name := range precisions {
			for _, s := range []struct{ m, n, lines, width, pitch int }{
				{1, 1, 1, 2, 2}, {12, 32, 3, 6, 2}, {13, 33, 2, 12, 4}, {97, 70, 3, 192, 64}, {200, 48, 9, 36, 12}, {25, 16, 1, 768, 256}, {31, 5, 2, 9, 3}, {14, 33, 2, 1152, 384}, {14, 33, 2, 1540, 4},
			} {
				k := s.lines * s.width
				b := matrix(rng, k, s.n, true, 1)
				w := PackWindows(p, s.lines, s.width, s.pitch, s.n, b)
				if w == nil {
					continue
				}
				read++
				// Lines lie one after another, a gap between them.
				line := (s.m-1)*s.pitch + s.width + 2
				values := matrix(rng, 1, s.lines*line+s.lines*line%2, false, 0).Data
				cells := slices.Repeat([]float32{float32(math.NaN())}, w.Cells(len(values))+w.Slack(s.pitch))
				if line%2 == 0 || w.Cells(2) == 2 {
					w.Load(cells, values)
				} else {
					t.Fatalf("%s: lines of %d values do not begin with a cell", name, line)
				}
				a := Matrix{Data: make([]float32, s.m*k), Stride: k}
				at := make([]int, s.lines)
				for l := range at {
					at[l] = w.Cells(l * line)
					for i := range s.m {
						copy(a.Data[i*k+l*s.width:][:s.width], values[l*line+i*s.pitch:])
					}
				}
				for l := range at { // some lines are zeros
					if s.m%2 == 1 && l%3 == 0 {
						at[l] = -1
						for i := range s.m {
							clear(a.Data[i*k+l*s.width:][:s.width])
						}
					}
				}
				o := newOutput(rng, s.m, s.n, 3)
				for e := range epilogues {
					if epilogues[e].residual < 2 {
						against(t, rng, fmt.Sprintf("%s %+v", name, s), o, e, sumTolerance(s.m, s.n, k, a, b),
							func(o output, ep Epilogue) { Ref(p, s.m, s.n, k, a, b, o.c, o.ldc, ep) },
							func(o output, ep Epilogue) { w.Mul(s.m, cells, at, w.Cells(s.pitch), o.c, o.ldc, ep) })
					}
				}
			}
		}
		if pathFor(F32).load != nil && read < 7 {
			t.Errorf("only %d products were made", read)
		}
	})
}

// TestWindowsStored: weights that are packed from where they lie become the cells
// that they become from memory.
func TestWindowsStored(t *testing.T) {
	levels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(23, 24))
		for p, name := range precisions {
			for _, s := range []struct{ n, lines, width, pitch int }{{1, 1, 2, 2}, {33, 3, 6, 2}, {200, 9, 36, 12}, {64, 3, 192, 64}, {5, 2, 9, 3}} {
				k := s.lines * s.width
				values, stored := make([]float32, s.n*k), []byte(nil)
				for i := range values {
					bits := uint32(rng.IntN(1<<7)|0x3F80) << 16 // 1 to 2, as bf16
					values[i] = math.Float32frombits(bits)
					stored = binary.LittleEndian.AppendUint16(stored, uint16(bits>>16))
				}
				want := PackWindows(p, s.lines, s.width, s.pitch, s.n, Matrix{Data: values, Stride: k, Trans: true})
				got := PackWindowsStored(p, s.lines, s.width, s.pitch, s.n, Stored{Format: StoredBF16, Bytes: stored})
				if (want == nil) != (got == nil) || want != nil && !slices.Equal(want.packed.cells, got.packed.cells) {
					t.Errorf("%s %+v: other cells", name, s)
				}
			}
		}
	})
}

func TestWindowsRefuse(t *testing.T) {
	b := Matrix{Data: make([]float32, 6*4), Stride: 4}
	w := PackWindows(F32, 1, 6, 2, 4, b)
	if w == nil {
		t.Skip("this level gathers patches")
	}
	for what, f := range map[string]func(){
		"slack": func() { w.Mul(3, make([]float32, 10), []int{0}, 2, make([]float32, 12), 4, Epilogue{}) },
		"c":     func() { w.Mul(3, make([]float32, 100), []int{0}, 2, make([]float32, 11), 4, Epilogue{}) },
		"lines": func() { w.Mul(3, make([]float32, 100), []int{0, 0}, 2, make([]float32, 12), 4, Epilogue{}) },
		"residual": func() {
			c := make([]float32, 12)
			w.Mul(3, make([]float32, 100), []int{0}, 2, c, 4, Epilogue{Residual: c})
		},
		"short residual": func() {
			w.Mul(3, make([]float32, 100), []int{0}, 2, make([]float32, 12), 4, Epilogue{Residual: make([]float32, 11)})
		},
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
