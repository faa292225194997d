package autograd

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

type T = tensor.Tensor

func random(rng *rand.Rand, shape ...int) *T {
	t := tensor.Param(shape...)
	for i := range t.Data() {
		t.Data()[i] = float32(rng.NormFloat64())
	}
	return t
}

// ops is everything that a tape records.
type ops interface {
	tensor.Ops
	tensor.Losses
}

// sent returns the routes that send row r to the experts of its list.
func sent(experts int, lists ...[]int) *tensor.Routes {
	scores := tensor.Zeros(len(lists), experts)
	for r, list := range lists {
		for i, e := range list {
			scores.Data()[r*experts+e] = float32(len(list) - i)
		}
	}
	return tensor.NewCPU(tensor.F32).Route(scores, nil, len(lists[0]))
}

// cases has every operation of tensor.Ops and tensor.Losses.
var cases = []struct {
	name   string
	shapes [][]int
	f      func(o ops, x []*T) *T
}{
	{"Linear", [][]int{{2, 3, 5}, {7, 5}, {7}}, func(o ops, x []*T) *T { return o.Linear(x[0], x[1], x[2], tensor.SiLU) }},
	{"LinearNoBias", [][]int{{3, 5}, {7, 5}}, func(o ops, x []*T) *T { return o.Linear(x[0], x[1], nil, tensor.GELU) }},
	{"GroupedLinear", [][]int{{6, 5}, {3, 4, 5}}, func(o ops, x []*T) *T {
		return o.GroupedLinear(x[0], x[1], sent(3, []int{0, 2}, []int{2, 0}, []int{2, 1}))
	}},
	{"Dispatch", [][]int{{3, 4}}, func(o ops, x []*T) *T { return o.Dispatch(x[0], sent(4, []int{2, 0}, []int{3, 2}, []int{0, 3})) }},
	{"Embed", [][]int{{4, 3}}, func(o ops, x []*T) *T { return o.Embed(x[0], []int32{1, 1, 3}) }},
	{"Combine", [][]int{{4, 3}, {2, 5}}, func(o ops, x []*T) *T {
		return o.Combine(x[0], x[1], sent(5, []int{0, 4}, []int{2, 3}))
	}},
	{"Add", [][]int{{4, 3}, {4, 3}}, func(o ops, x []*T) *T { return o.Add(x[0], x[1]) }},
	{"AddSame", [][]int{{4, 3}}, func(o ops, x []*T) *T { return o.Add(x[0], x[0]) }},
	{"Sub", [][]int{{4, 3}, {4, 3}}, func(o ops, x []*T) *T { return o.Sub(x[0], x[1]) }},
	{"Mul", [][]int{{4, 3}, {4, 3}}, func(o ops, x []*T) *T { return o.Mul(x[0], x[1]) }},
	{"Scale", [][]int{{4, 3}}, func(o ops, x []*T) *T { return o.Scale(x[0], -1.5) }},
	{"AddRows", [][]int{{6, 3}, {2, 3}}, func(o ops, x []*T) *T { return o.AddRows(x[0], x[1]) }},
	{"Activate", [][]int{{4, 3}}, func(o ops, x []*T) *T { return o.Activate(x[0], tensor.SiLU) }},
	{"SwiGLU", [][]int{{4, 6}}, func(o ops, x []*T) *T { return o.SwiGLU(x[0]) }},
	{"Softmax", [][]int{{4, 6}}, func(o ops, x []*T) *T { return o.Softmax(x[0]) }},
	{"RMSNorm", [][]int{{4, 6}, {6}}, func(o ops, x []*T) *T { return o.RMSNorm(x[0], x[1]) }},
	{"Modulate", [][]int{{6, 3}, {2, 3}, {2, 3}}, func(o ops, x []*T) *T { return o.Modulate(x[0], x[1], x[2]) }},
	{"GatedAdd", [][]int{{6, 3}, {6, 3}, {2, 3}}, func(o ops, x []*T) *T { return o.GatedAdd(x[0], x[1], x[2]) }},
	{"Conv", [][]int{{2, 3, 4, 5, 3}, {4, 2, 3, 3, 3}, {4}}, func(o ops, x []*T) *T { return o.Conv(x[0], x[1], x[2], nil, tensor.SiLU) }},
	{"ConvPReLU", [][]int{{2, 3, 4, 5, 3}, {4, 2, 3, 3, 3}, {4}, {4}}, func(o ops, x []*T) *T {
		// A bias well above or below zero keeps the quotients away from the kink.
		far := tensor.New([]float32{90, -90, 90, -90}, 4)
		return o.ConvPReLU(x[0], x[1], o.Add(x[2], far), x[3], nil)
	}},
	{"Depthwise", [][]int{{2, 3, 4, 5, 3}, {2, 3, 3, 3}, {3}}, func(o ops, x []*T) *T { return o.Depthwise(x[0], x[1], x[2], nil) }},
	{"Unshuffle", [][]int{{2, 4, 4, 6, 3}}, func(o ops, x []*T) *T { return o.Unshuffle(x[0], 2, 2, 3) }},
	{"Shuffle", [][]int{{2, 2, 2, 2, 24}}, func(o ops, x []*T) *T { return o.Shuffle(x[0], 2, 2, 3) }},
	{"AvgPool2", [][]int{{2, 1, 4, 6, 3}}, func(o ops, x []*T) *T { return o.AvgPool2(x[0]) }},
	{"Attention", [][]int{{2, 5, 2, 4}, {2, 6, 2, 4}, {2, 6, 2, 4}}, func(o ops, x []*T) *T {
		return o.Attention(x[0], x[1], x[2], tensor.Mask{Lo: []int32{0, 0, 1, 1, 3}, Hi: []int32{3, 3, 5, 5, 6}, KeyLen: []int32{6, 4}})
	}},
	{"LinearAttention", [][]int{{2, 5, 2, 4}, {2, 5, 2, 4}, {2, 5, 2, 4}, {2, 5, 2, 4}, {2, 5, 2, 4}}, func(o ops, x []*T) *T {
		// Denominators must stay away from zero: squares are positive.
		q, k := o.Mul(x[0], x[0]), o.Mul(x[1], x[1])
		return o.LinearAttention(q, k, x[2], x[3], x[4], []tensor.Segment{{Q0: 0, Q1: 2, K0: 0, K1: 2}, {Q0: 2, Q1: 5, K0: 0, K1: 5}})
	}},
	{"RoPE", [][]int{{2, 3, 2, 4}}, func(o ops, x []*T) *T {
		c, s := tensor.New([]float32{1, 0, .6, .8, -1, 0}, 3, 2), tensor.New([]float32{0, 1, .8, .6, 0, -1}, 3, 2)
		return o.RoPE(x[0], c, s)
	}},
	{"Concat", [][]int{{2, 3, 2}, {2, 1, 2}}, func(o ops, x []*T) *T { return o.Concat(1, x[0], x[1]) }},
	{"Narrow", [][]int{{2, 3, 2}}, func(o ops, x []*T) *T { return o.Narrow(x[0], 1, 1, 3) }},
	{"PoolRows", [][]int{{2, 3, 2}}, func(o ops, x []*T) *T { return o.PoolRows(x[0], []int32{3, 2}) }},
	{"MSE", [][]int{{4, 3}, {4, 3}}, func(o ops, x []*T) *T { return o.MSE(x[0], x[1], tensor.New([]float32{1, 2, 0, .5}, 4)) }},
	{"L1", [][]int{{4, 3}, {4, 3}}, func(o ops, x []*T) *T { return o.L1(x[0], x[1]) }},
	{"MeanSquare", [][]int{{4, 3}}, func(o ops, x []*T) *T { return o.MeanSquare(x[0]) }},
	{"Reshape", [][]int{{4, 3}}, func(o ops, x []*T) *T { y := o.Scale(x[0], 2); return o.Mul(y.Reshape(3, 4), y.Reshape(3, 4)) }},
}

// TestDerivatives compares every derivative with central differences of a
// random projection of the result.
func TestDerivatives(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			var xs []*T
			for _, s := range c.shapes {
				xs = append(xs, random(rng, s...))
			}
			cpu := tensor.NewCPU(tensor.F32)
			tape := NewTape(cpu)
			y := c.f(tape, xs)
			weights := random(rng, y.Shape...)
			tape.BackwardFrom(y, weights.Data())
			value := func() float64 {
				plain := tensor.NewCPU(tensor.F32)
				y := c.f(plain, xs)
				var sum float64
				for i, v := range tensor.Values(plain, y) {
					sum += float64(v) * float64(weights.Data()[i])
				}
				return sum
			}
			for i, x := range xs {
				if x.Grad() == nil {
					t.Fatalf("argument %d has no gradient", i)
				}
				grad := tensor.Values(cpu, x.Grad())
				for j := range x.Data() {
					const h = 1e-2
					old := x.Data()[j]
					x.Data()[j] = old + h
					up := value()
					x.Data()[j] = old - h
					down := value()
					x.Data()[j] = old
					want, got := (up-down)/(2*h), float64(grad[j])
					if math.Abs(want-got) > 1e-2*(1+math.Abs(want)) {
						t.Fatalf("argument %d element %d: derivative %g, difference quotient %g", i, j, got, want)
					}
				}
			}
		})
	}
}

func TestGradientsAccumulateAndCheckpointAgrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	w1, w2, x := random(rng, 6, 5), random(rng, 4, 6), random(rng, 3, 5)
	f := func(o tensor.Ops, x *T) *T {
		return o.Linear(o.Linear(x, w1, nil, tensor.SiLU), w2, nil, tensor.None)
	}
	tape := NewTape(tensor.NewCPU(tensor.F32))
	run := func(g func() *T) []float32 {
		for _, p := range []*T{w1, w2, x} {
			p.SetGrad(nil)
		}
		tape.Backward(tape.MeanSquare(g()), 1)
		tape.Reset()
		return append(tensor.Values(tape.b, w1.Grad()), tensor.Values(tape.b, x.Grad())...)
	}
	plain := run(func() *T { return f(tape, x) })
	again := run(func() *T { return tape.Checkpoint(x, f) })
	for i := range plain {
		if math.Abs(float64(plain[i]-again[i])) > 1e-6*(1+math.Abs(float64(plain[i]))) {
			t.Fatalf("element %d: %g with a checkpoint, %g without", i, again[i], plain[i])
		}
	}
	tape.Backward(tape.MeanSquare(f(tape, x)), 1)
	for i, g := range tensor.Values(tape.b, w1.Grad()) {
		if math.Abs(float64(g-2*plain[i])) > 1e-5*(1+math.Abs(float64(g))) {
			t.Fatalf("element %d: a second pass made %g of %g, not twice", i, g, plain[i])
		}
	}
}
