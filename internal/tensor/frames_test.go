package tensor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
)

// A framed is an operation on single frames and the same on a whole video.
type framed struct {
	got, want func(b tensor.Backend) *tensor.Tensor
}

func framedPairs() map[string]framed {
	type on = tensor.Backend
	type out = *tensor.Tensor
	frame := func(b on, seed uint64) out { return numbers(b, seed, 1, 1, 5, 6, 8) }
	filter := func(b on) (w, bias out) { return numbers(b, 5, 3, 3, 3, 3, 8), numbers(b, 6, 3) }
	gain := func(b on) out { return numbers(b, 7, 8) }
	add := func(b on) out { return numbers(b, 8, 1, 1, 5, 6, 3) }
	op := func(b on, seed uint64) out { return b.Operand(frame(b, seed), gain(b), tensor.SiLU) }
	norm := func(b on, seed uint64) out { return b.LengthNorm(frame(b, seed), gain(b), tensor.SiLU) }
	return map[string]framed{
		"the third frame": {
			func(b on) out {
				w, bias := filter(b)
				return b.ConvFrames(w, bias, add(b), tensor.ReLU, op(b, 1), op(b, 2), op(b, 3))
			},
			func(b on) out {
				w, bias := filter(b)
				y := b.Conv(b.Concat(1, norm(b, 1), norm(b, 2), norm(b, 3)), w, bias, nil, tensor.ReLU)
				return b.Add(b.Narrow(y, 1, 2, 3), add(b))
			},
		},
		"the first frame": {
			func(b on) out {
				w, _ := filter(b)
				return b.ConvFrames(w, nil, nil, tensor.None, b.Operand(frame(b, 1), nil, tensor.ReLU))
			},
			func(b on) out {
				w, _ := filter(b)
				return b.Conv(b.Activate(frame(b, 1), tensor.ReLU), w, nil, nil, tensor.None)
			},
		},
		"an enlarged frame": {
			func(b on) out {
				return b.ConvNearest2(op(b, 1), numbers(b, 5, 3, 1, 3, 3, 8), numbers(b, 6, 3), numbers(b, 8, 1, 1, 10, 12, 3))
			},
			func(b on) out {
				y := b.Conv(b.Nearest2(norm(b, 1)), numbers(b, 5, 3, 1, 3, 3, 8), numbers(b, 6, 3), nil, tensor.None)
				return b.Add(y, numbers(b, 8, 1, 1, 10, 12, 3))
			},
		},
	}
}

// TestFrames compares the operations on single frames with those on whole videos,
// in both precisions and on every instruction set, and the backend that hides its
// memory with the CPU.
func TestFrames(t *testing.T) {
	for _, l := range simd.Levels() {
		restore, _ := simd.Use(l)
		for name, p := range framedPairs() {
			for precision, limit := range map[tensor.DType]float64{tensor.F32: 1e-6, tensor.BF16: 5e-3} {
				c := tensor.NewCPU(precision)
				y, w := p.got(c), p.want(c)
				if !slices.Equal(y.Shape, w.Shape) {
					t.Fatalf("%s: the shape is %v, want %v", name, y.Shape, w.Shape)
				}
				got := tensor.Values(c, y)
				if d := distance(got, tensor.Values(c, w)); !(d <= limit) {
					t.Errorf("%v, %v, %s: off by %.3g, limit %.3g", l, precision, name, d, limit)
				}
				o := tensortest.NewOpaque(tensor.NewCPU(precision))
				if !slices.Equal(tensor.Values(o, p.got(o)), got) {
					t.Errorf("%s: other bytes on a backend that hides its memory", name)
				}
			}
		}
		restore()
	}
}

// TestRetain: what is retained outlives Reset, until it is freed; nothing but a
// result can be.
func TestRetain(t *testing.T) {
	for name, b := range map[string]tensor.Backend{
		"cpu": tensor.NewCPU(tensor.BF16), "opaque": tensortest.NewOpaque(tensor.NewCPU(tensor.BF16)),
	} {
		kept := b.Retain(b.Scale(b.Upload([]float32{1, 2, 3}, 3), 2))
		op := b.Retain(b.Operand(b.Upload([]float32{1, 2, 3, 4}, 1, 1, 1, 2, 2), nil, tensor.None))
		b.Reset()
		for range 3 { // would use the memory again
			b.Scale(b.Upload([]float32{9, 9, 9}, 3), 1)
		}
		if got := tensor.Values(b, kept); !slices.Equal(got, []float32{2, 4, 6}) || !kept.Lasts() {
			t.Errorf("%s: what was retained is %v", name, got)
		}
		one := make([]float32, 2*2)
		one[0], one[3] = 1, 1
		w := b.Upload(one, 2, 1, 1, 1, 2)
		if got := tensor.Values(b, b.ConvFrames(w, nil, nil, tensor.None, op)); !slices.Equal(got, []float32{1, 2, 3, 4}) {
			t.Errorf("%s: the operand that was retained is %v", name, got)
		}
		b.Free(op)
		b.Free(kept)
		for what, f := range map[string]func(){
			"a retained tensor": func() { b.Retain(kept) },
			"a freed operand":   func() { b.ConvFrames(w, nil, nil, tensor.None, op) },
			"what was uploaded": func() { tensor.NewCPU(tensor.F32).Retain(tensor.Zeros(3)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: %s: no panic", name, what)
					}
				}()
				f()
			}()
		}
	}
}

// TestOperandIsForFrames: other operations refuse an operand in bf16.
func TestOperandIsForFrames(t *testing.T) {
	c := tensor.NewCPU(tensor.BF16)
	op := c.Operand(tensor.Zeros(1, 1, 1, 2, 2), nil, tensor.None)
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "operands") {
			t.Errorf("panic %q", p)
		}
	}()
	c.Scale(op, 1)
}
