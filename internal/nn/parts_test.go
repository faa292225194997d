package nn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

// TestPartsComeAndGo runs two parts of which none, one or both stay in memory:
// the results are the same, and what is in memory is what was asked for.
func TestPartsComeAndGo(t *testing.T) {
	s := stocked()
	p := InPlace(s)
	a, b := layers(p)
	p.Freeze()
	parts := NewParts(p, "block.0.", "block.1.")
	if parts.Len() != 2 || parts.Bytes(0) != 30 || parts.Bytes(1) != 16 {
		t.Errorf("%d parts of %d and %d bytes", parts.Len(), parts.Bytes(0), parts.Bytes(1))
	}
	formed := func() string {
		return fmt.Sprint(a.W.Formed(), b.W.Formed())
	}
	for _, c := range []struct {
		stay   int
		after  string
		advice [2]int // in the first and the second pass
	}{{2, "true true", [2]int{4, 0}}, {1, "true false", [2]int{4, 4}}, {0, "false false", [2]int{8, 8}}, {9, "true true", [2]int{4, 0}}} {
		parts.Stay(c.stay)
		for pass := range 2 {
			s.advice = nil
			cpu := tensor.NewCPU(tensor.F32)
			x := cpu.Upload([]float32{1, 1, 1, 1}, 1, 4)
			var order []int
			err := parts.Run(t.Context(), cpu, 0, 2, func(i int) {
				order = append(order, i)
				x = []Linear{a, b}[i].Apply(cpu, x, tensor.None)
			})
			if err != nil || !slices.Equal(order, []int{0, 1}) {
				t.Fatal(err, order)
			}
			// Of a part that stays, the bytes in the file are released once.
			if got := tensor.Values(cpu, x); !slices.Equal(got, []float32{11, -10 - 0.5 + 8}) {
				t.Errorf("%d stay: the model says %v", c.stay, got)
			}
			if formed() != c.after || len(s.advice) != c.advice[pass] {
				t.Errorf("%d stay: in memory afterwards: %s, want %s; advice %q", c.stay, formed(), c.after, s.advice)
			}
		}
	}
}

// TestPartsEnd: a pass ends when its context does, and where a part cannot be
// read or panics nothing goes on reading.
func TestPartsEnd(t *testing.T) {
	p := InPlace(stocked())
	layers(p)
	p.Freeze()
	parts := NewParts(p, "block.0.", "block.1.")
	parts.Stay(0)
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	err := parts.Run(ctx, tensor.NewCPU(tensor.F32), 0, 2, func(int) { runs++; cancel() })
	if !errors.Is(err, context.Canceled) || runs != 1 {
		t.Errorf("%d parts have run, then %v", runs, err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		_ = parts.Run(t.Context(), tensor.NewCPU(tensor.F32), 0, 2, func(int) { panic("no") })
	}()
}
