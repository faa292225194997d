package reel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/autograd"
	"github.com/kinora-video/kinora/internal/model/goldentest"
	"github.com/kinora-video/kinora/internal/tensor"
)

// ops is all that a tape records.
type ops interface {
	tensor.Ops
	tensor.Losses
}

// sent sends row r to the expert experts[r] of three.
func sent(o tensor.Ops, experts ...int) *tensor.Routes {
	scores := make([]float32, 3*len(experts))
	for r, e := range experts {
		scores[3*r+e] = 1
	}
	return o.Route(o.Upload(scores, len(experts), 3), nil, 1)
}

// goldenOps are the arithmetic operations of tensor.Ops, with the names of the
// oracle's op_goldens.
var goldenOps = map[string]func(o ops, x []*tensor.Tensor) *tensor.Tensor{
	"Linear":     func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.Linear(x[0], x[1], x[2], tensor.SiLU) },
	"LinearGELU": func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.Linear(x[0], x[1], nil, tensor.GELU) },
	"GroupedLinear": func(o ops, x []*tensor.Tensor) *tensor.Tensor {
		return o.GroupedLinear(x[0], x[1], sent(o, 0, 0, 0, 0, 2, 2, 2, 2, 2))
	},
	"SwiGLU":   func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.SwiGLU(x[0]) },
	"Softmax":  func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.Softmax(x[0]) },
	"RMSNorm":  func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.RMSNorm(x[0], x[1]) },
	"Modulate": func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.Modulate(x[0], x[1], x[2]) },
	"GatedAdd": func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.GatedAdd(x[0], x[1], x[2]) },
	"AddRows":  func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.AddRows(x[0], x[1]) },
	"Conv": func(o ops, x []*tensor.Tensor) *tensor.Tensor {
		return o.Conv(x[0], x[1], x[2], nil, tensor.SiLU)
	},
	"ConvTime": func(o ops, x []*tensor.Tensor) *tensor.Tensor {
		return o.Conv(x[0], x[1], x[2], nil, tensor.None)
	},
	"Depthwise":  func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.Depthwise(x[0], x[1], x[2], nil) },
	"Unshuffle":  func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.Unshuffle(x[0], 2, 2, 3) },
	"Shuffle":    func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.Shuffle(x[0], 2, 2, 3) },
	"AvgPool2":   func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.AvgPool2(x[0]) },
	"PoolRows":   func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.PoolRows(x[0], []int32{5, 3}) },
	"L1":         func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.L1(x[0], x[1]) },
	"MeanSquare": func(o ops, x []*tensor.Tensor) *tensor.Tensor { return o.MeanSquare(x[0]) },
	"RoPE": func(o ops, x []*tensor.Tensor) *tensor.Tensor {
		cos, sin := axisTable(o, 5, 8)
		return o.RoPE(x[0], cos, sin)
	},
	"Attention": func(o ops, x []*tensor.Tensor) *tensor.Tensor {
		return o.Attention(x[0], x[1], x[2], tensor.Mask{
			Lo: []int32{0, 0, 0, 0, 3, 3, 3, 3, 3}, Hi: []int32{5, 5, 5, 5, 11, 11, 11, 11, 11}, KeyLen: []int32{11, 8},
		})
	},
	"LinearAttention": func(o ops, x []*tensor.Tensor) *tensor.Tensor {
		q, k := o.Mul(x[0], x[0]), o.Mul(x[1], x[1])
		return o.LinearAttention(q, k, x[2], x[3], x[4], []tensor.Segment{{Q0: 0, Q1: 4, K0: 0, K1: 4}, {Q0: 4, Q1: 9, K0: 0, K1: 9}})
	},
	"MSE": func(o ops, x []*tensor.Tensor) *tensor.Tensor {
		return o.MSE(x[0], x[1], tensor.New([]float32{0, 0.5, 1, 1.5, 2, 2.5}, 6))
	},
}

// TestGoldenOps compares each operation and its derivatives with the oracle.
func TestGoldenOps(t *testing.T) {
	everyLevel(t, func(t *testing.T) {
		g := openGolden(t)
		for name, f := range goldenOps {
			xs := g.arguments(t, name)
			tape := autograd.NewTape(f32())
			y := f(tape, xs)
			g.same(t, "op/"+name, values(y), forwardBar)
			tape.BackwardFrom(y, values(g.in(t, "op/"+name+"/dy")))
			for i, x := range xs {
				g.same(t, fmt.Sprintf("op/%s/d%d", name, i), values(x.Grad()), forwardBar)
			}
		}
		g.finish(t, isOp)
	})
}

// arguments are the oracle's arguments of an operation, in order.
func (g *golden) arguments(t *testing.T, op string) []*tensor.Tensor {
	t.Helper()
	var xs []*tensor.Tensor
	for {
		name := fmt.Sprintf("op/%s/%d", op, len(xs))
		if _, ok := g.f.Info("in/" + name); !ok {
			break
		}
		x := g.in(t, name)
		x.SetNeeds(true)
		xs = append(xs, x)
	}
	if len(xs) == 0 {
		t.Fatalf("there is no golden of %s; %s", op, makeGoldens)
	}
	return xs
}

// TestGoldenGuards checks that the tests above can fail.
func TestGoldenGuards(t *testing.T) {
	if d := goldentest.RelativeL2([]float32{1, 2, 2.1}, []float32{1, 2, 2}); d < 0.03 || d > 0.04 {
		t.Errorf("relative L2 is %g, not 0.1/3", d)
	}
	g := openGolden(t)
	for name := range goldenOps {
		if _, ok := g.f.Info("want/op/" + name); !ok {
			t.Errorf("there is no golden of %s; %s", name, makeGoldens)
		}
	}
	for _, name := range g.f.Names() {
		if op, ok := strings.CutPrefix(name, "want/op/"); ok && !strings.Contains(op, "/") && goldenOps[op] == nil {
			t.Errorf("the oracle has a golden of %s that no test knows", op)
		}
	}
}
