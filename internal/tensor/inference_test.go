package tensor_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/tensor/tensortest"
)

// numbers uploads random numbers in [-1, 1).
func numbers(o tensor.Ops, seed uint64, shape ...int) *tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, tensor.Elems(shape))
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return o.Upload(x, shape...)
}

// everySecond takes every second row and column of frames [N, T, H, W, C].
func everySecond(o tensor.Ops, x *tensor.Tensor) *tensor.Tensor {
	for axis := 2; axis <= 3; axis++ {
		var kept []*tensor.Tensor
		for i := 0; i < x.Dim(axis); i += 2 {
			kept = append(kept, o.Narrow(x, axis, i, i+1))
		}
		x = o.Concat(axis, kept...)
	}
	return x
}

// biased adds bias to the scores of attention by means of Ops alone: head by
// head, softmax of the whole matrix of scores.
func biased(o tensor.Ops, q, k, v, bias *tensor.Tensor, scale float32) *tensor.Tensor {
	head := func(x *tensor.Tensor, h int) *tensor.Tensor {
		return o.Narrow(x, 2, h, h+1).Reshape(x.Dim(1), x.Dim(3))
	}
	var heads []*tensor.Tensor
	nq, nk, d := q.Dim(1), k.Dim(1), q.Dim(3)
	for h := range q.Dim(2) {
		scores := o.Scale(o.Linear(head(q, h), head(k, h), nil, tensor.None), scale)
		var near []*tensor.Tensor
		for i := range nq {
			near = append(near, o.Narrow(o.Narrow(bias, 1, h, h+1), 0, nq-1-i, nq-1-i+nk).Reshape(1, nk))
		}
		p := o.Softmax(o.Add(scores, o.Concat(0, near...)))
		vt := o.Shuffle(head(v, h).Reshape(1, 1, 1, nk, d), 1, 1, d) // one number a pixel
		var columns []*tensor.Tensor
		for e := range d { // row e of the transposed values
			columns = append(columns, o.Narrow(vt.Reshape(nk, d), 1, e, e+1).Reshape(1, nk))
		}
		heads = append(heads, o.Linear(p, o.Concat(0, columns...), nil, tensor.None).Reshape(1, nq, 1, d))
	}
	return o.Concat(2, heads...)
}

// A pair is an operation of Inference and the same by other operations.
type pair struct {
	limit     float64 // of the relative distance; 0: the same bytes
	got, want func(o tensor.Inference) *tensor.Tensor
}

func pairs() map[string]pair {
	type in = tensor.Inference
	type out = *tensor.Tensor
	q := func(o in) (q, k, v out) {
		return numbers(o, 1, 1, 5, 2, 8), numbers(o, 2, 1, 7, 2, 8), numbers(o, 3, 1, 7, 2, 8)
	}
	frames := func(o in) out { return numbers(o, 4, 2, 2, 5, 6, 8) }
	return map[string]pair{
		"RMSNormEps": {
			0,
			func(o in) out { return o.RMSNormEps(numbers(o, 1, 5, 33), numbers(o, 2, 33), tensor.Eps) },
			func(o in) out { return o.RMSNorm(numbers(o, 1, 5, 33), numbers(o, 2, 33)) },
		},
		"LengthNorm": {
			1e-6,
			func(o in) out { return o.LengthNorm(numbers(o, 1, 5, 33), numbers(o, 2, 33), tensor.SiLU) },
			func(o in) out {
				return o.Activate(o.RMSNormEps(numbers(o, 1, 5, 33), numbers(o, 2, 33), 0), tensor.SiLU)
			},
		},
		"LayerNorm": { // the RMS norm of what is left without the mean
			1e-6,
			func(o in) out {
				return o.LayerNorm(numbers(o, 1, 5, 16), numbers(o, 2, 16), numbers(o, 3, 16), 1e-2)
			},
			func(o in) out {
				x, mean := numbers(o, 1, 5, 16), o.Upload(slices.Repeat([]float32{1. / 16}, 256), 16, 16)
				rest := o.Sub(x, o.Linear(x, mean, nil, tensor.None))
				return o.AddRows(o.RMSNormEps(rest, numbers(o, 2, 16), 1e-2), numbers(o, 3, 16).Reshape(1, 16))
			},
		},
		"LayerNormModulate": {
			1e-6,
			func(o in) out {
				return o.LayerNormModulate(numbers(o, 1, 6, 16), numbers(o, 2, 3, 16), numbers(o, 3, 3, 16), 1e-2)
			},
			func(o in) out {
				return o.Modulate(o.LayerNorm(numbers(o, 1, 6, 16), nil, nil, 1e-2), numbers(o, 2, 3, 16), numbers(o, 3, 3, 16))
			},
		},
		"SoftmaxAttention": {
			1e-6,
			func(o in) out {
				q, k, v := q(o)
				return o.SoftmaxAttention(q, k, v, nil, float32(1/math.Sqrt(8)), tensor.Mask{KeyLen: []int32{6}})
			},
			func(o in) out {
				q, k, v := q(o)
				return o.Attention(q, k, v, tensor.Mask{KeyLen: []int32{6}})
			},
		},
		"SoftmaxAttention with a bias": {
			1e-6,
			func(o in) out {
				q, k, v := q(o)
				return o.SoftmaxAttention(q, k, v, o.Scale(numbers(o, 5, 11, 2), 3), 2, tensor.Mask{})
			},
			func(o in) out {
				q, k, v := q(o)
				return biased(o, q, k, v, o.Scale(numbers(o, 5, 11, 2), 3), 2)
			},
		},
		"ConvDown": {
			1e-6,
			func(o in) out {
				return o.ConvDown(frames(o), numbers(o, 5, 3, 1, 3, 3, 8), numbers(o, 6, 3), 1, tensor.ReLU)
			},
			func(o in) out {
				return everySecond(o, o.Conv(frames(o), numbers(o, 5, 3, 1, 3, 3, 8), numbers(o, 6, 3), nil, tensor.ReLU))
			},
		},
		"ConvDown, zeros after alone": { // the picture one row and column further is that with zeros before, too
			1e-6,
			func(o in) out {
				inner := o.Narrow(o.Narrow(frames(o), 2, 1, 5), 3, 1, 6)
				return o.ConvDown(inner, numbers(o, 5, 3, 1, 3, 3, 8), nil, 0, tensor.None)
			},
			func(o in) out {
				y := o.Conv(frames(o), numbers(o, 5, 3, 1, 3, 3, 8), nil, nil, tensor.None)
				return o.Narrow(o.Narrow(everySecond(o, o.Narrow(o.Narrow(y, 2, 2, 5), 3, 2, 6)), 2, 0, 2), 3, 0, 2)
			},
		},
		"Nearest2": {
			0,
			func(o in) out { return o.AvgPool2(o.Nearest2(frames(o))) },
			func(o in) out { return o.Scale(frames(o), 1) },
		},
		"DupUp": {
			0,
			func(o in) out { return o.AvgDown(o.DupUp(frames(o), 4, 2, 2, 2), 8, 2, 2, 2) },
			func(o in) out { return o.Scale(frames(o), 1) },
		},
		"AvgDown": { // one channel: the mean of each square
			1e-6,
			func(o in) out { return o.AvgDown(numbers(o, 4, 2, 2, 4, 6, 1), 1, 1, 2, 2) },
			func(o in) out { return o.AvgPool2(numbers(o, 4, 2, 2, 4, 6, 1)) },
		},
		"GELUErf": { // the form by tanh comes close
			2e-3,
			func(o in) out { return o.GELUErf(o.Scale(frames(o), 3)) },
			func(o in) out { return o.Activate(o.Scale(frames(o), 3), tensor.GELU) },
		},
		"Exp": { // silu(x)·(1+e^-x) = x
			1e-6,
			func(o in) out {
				y := o.Activate(frames(o), tensor.SiLU)
				return o.Add(y, o.Mul(y, o.Exp(o.Scale(frames(o), -1))))
			},
			func(o in) out { return o.Scale(frames(o), 1) },
		},
		"Tanh": { // tanh x = silu(2x)/x - 1
			1e-5,
			func(o in) out { return o.Mul(frames(o), o.Tanh(frames(o))) },
			func(o in) out { return o.Sub(o.Activate(o.Scale(frames(o), 2), tensor.SiLU), frames(o)) },
		},
	}
}

func distance(got, want []float32) float64 {
	var d, n float64
	for i := range want {
		e := float64(got[i]) - float64(want[i])
		d += e * e
		n += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(d / n)
}

// TestInference compares each operation with others that give the same, and the
// backend that hides its memory with the CPU.
func TestInference(t *testing.T) {
	for name, p := range pairs() {
		t.Run(name, func(t *testing.T) {
			c := tensor.NewCPU(tensor.F32)
			y, w := p.got(c), p.want(c)
			if !slices.Equal(y.Shape, w.Shape) {
				t.Fatalf("the shape is %v, want %v", y.Shape, w.Shape)
			}
			got, want := tensor.Values(c, y), tensor.Values(c, w)
			if d := distance(got, want); !(d <= p.limit) {
				t.Errorf("off by %.3g, limit %.3g", d, p.limit)
			}
			o := tensortest.NewOpaque(tensor.NewCPU(tensor.F32))
			if hidden := tensor.Values(o, p.got(o)); !slices.Equal(hidden, got) {
				t.Error("the opaque backend gives other bytes")
			}
		})
	}
}

// TestInferencePrecision checks that attention follows the backend's precision
// within what bf16 carries.
func TestInferencePrecision(t *testing.T) {
	run := func(p tensor.DType) []float32 {
		c := tensor.NewCPU(p)
		x := func(seed uint64) *tensor.Tensor { return numbers(c, seed, 1, 70, 2, 64) }
		return tensor.Values(c, c.SoftmaxAttention(x(1), x(2), x(3), nil, 0.125, tensor.Mask{}))
	}
	if d := distance(run(tensor.BF16), run(tensor.F32)); !(d <= 1e-2) {
		t.Errorf("bf16 is off by %.3g", d)
	}
}
