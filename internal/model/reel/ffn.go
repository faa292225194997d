package reel

import (
	"math"
	"sort"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// feedForward is a gated layer with a depthwise convolution over space and
// time inside (Xie 2024), and in a mixture also experts: small gated layers
// of which each token runs TopK, chosen by a router. A choice depends on the
// token alone, so nothing looks into the future.
type feedForward struct {
	name        string
	in, out     nn.Linear
	conv, convB *tensor.Tensor // [2, 3, 3, 2·hidden]

	topK   int
	router *tensor.Tensor // [experts, width]
	w1, w2 *tensor.Tensor // [experts, 2·h, width], [experts, width, h]
	// bias [experts] is added to the scores for the choice only. Training
	// moves it so that the experts are used evenly (Wang 2024).
	bias *tensor.Tensor
}

// newFeedForward gives half of the hidden size to the shared part of a
// mixture and the other half to the experts that a token runs.
func newFeedForward(p *nn.Params, name string, c FlowConfig, mixture bool) feedForward {
	w, hidden := c.Width, c.Hidden
	if mixture {
		hidden /= 2
	}
	// The convolution starts as the identity with a little noise.
	identity := func(conv []float32) {
		const center = (1*3+1)*3 + 1 // this frame, this place
		for i := range 2 * hidden {
			conv[center*2*hidden+i]++
		}
	}
	f := feedForward{
		name:  name,
		in:    nn.NewLinear(p, name+"in", w, 2*hidden, 1),
		conv:  p.NewWith(name+"conv", 0.1, identity, 2, 3, 3, 2*hidden),
		convB: p.New(name+"conv_bias", 0, 2*hidden),
		out:   nn.NewLinear(p, name+"out", hidden, w, 1),
	}
	if mixture {
		h := c.Hidden / 2 / c.TopK
		f.topK = c.TopK
		f.router = p.New(name+"router", 1/math.Sqrt(float64(w)), c.Experts, w)
		f.w1 = p.New(name+"experts1.weight", 1/math.Sqrt(float64(w)), c.Experts, 2*h, w)
		f.w2 = p.New(name+"experts2.weight", 1/math.Sqrt(float64(h)), c.Experts, w, h)
		f.bias = p.New(name+"router_bias", 0, c.Experts)
		f.bias.SetNeeds(false)
	}
	return f
}

func (f *feedForward) apply(o tensor.Ops, x *tensor.Tensor, l *layout, aux *Routing) *tensor.Tensor {
	h := f.in.Apply(o, x, tensor.None)
	h = h.Reshape(l.b, l.g, l.h, l.w, h.Dim(-1))
	past := l.stream.get(f.name)
	l.stream.keepFrames(o, f.name, h, 1)
	h = o.SwiGLU(o.Depthwise(h, f.conv, f.convB, past))
	y := f.out.Apply(o, h.Reshape(x.Dim(0), x.Dim(1), h.Dim(-1)), tensor.None)
	if f.router == nil {
		return y
	}
	return o.Add(y, f.mixture(o, x, aux).Reshape(y.Shape...))
}

// mixture sends each row of x to its experts and adds up what they say,
// weighted by the router's probabilities.
func (f *feedForward) mixture(o tensor.Ops, x *tensor.Tensor, aux *Routing) *tensor.Tensor {
	n, experts := x.Rows(), f.router.Dim(0)
	probs := o.Softmax(o.Linear(x.Reshape(n, x.Dim(-1)), f.router, nil, tensor.None))
	rows, cols, offsets := choose(probs.Data(), f.bias.Data(), n, experts, f.topK)
	if aux != nil {
		aux.add(f, offsets)
	}
	h := o.SwiGLU(o.GroupedLinear(o.GatherRows(x, rows), f.w1, offsets))
	y := o.GroupedLinear(h, f.w2, offsets)
	// Probabilities of an even router sum to TopK/experts: scale to order 1.
	return o.Scale(o.Combine(y, probs, rows, cols, n), float32(experts)/float32(2*f.topK))
}

// choose picks for each of n rows the k experts of the highest score and
// returns the pairs sorted by expert: rows[i] goes to expert cols[i], and
// expert e has offsets[e] ≤ i < offsets[e+1]. Ties go to the lower index.
func choose(probs, bias []float32, n, experts, k int) (rows, cols []int32, offsets []int) {
	picked := make([][]int32, experts)
	order := make([]int, experts)
	for r := range n {
		p := probs[r*experts : (r+1)*experts]
		for e := range order {
			order[e] = e
		}
		sort.SliceStable(order, func(a, b int) bool { return p[order[a]]+bias[order[a]] > p[order[b]]+bias[order[b]] })
		for _, e := range order[:k] {
			picked[e] = append(picked[e], int32(r))
		}
	}
	offsets = make([]int, experts+1)
	for e, list := range picked {
		rows = append(rows, list...)
		for range list {
			cols = append(cols, int32(e))
		}
		offsets[e+1] = len(rows)
	}
	return rows, cols, offsets
}

// Routing counts how often each expert of each mixture was chosen.
type Routing struct {
	order []*feedForward
	count map[*feedForward][]int
}

func (r *Routing) add(f *feedForward, offsets []int) {
	if r.count == nil {
		r.count = map[*feedForward][]int{}
	}
	if r.count[f] == nil {
		r.count[f] = make([]int, len(offsets)-1)
		r.order = append(r.order, f)
	}
	for e := range r.count[f] {
		r.count[f][e] += offsets[e+1] - offsets[e]
	}
}

// Merge takes over the counts of another, which forgets them.
func (r *Routing) Merge(from *Routing) {
	for _, f := range from.order {
		offsets := make([]int, len(from.count[f])+1)
		for e, c := range from.count[f] {
			offsets[e+1] = offsets[e] + c
		}
		r.add(f, offsets)
		clear(from.count[f])
	}
}

// Balance moves the routers' biases by rate towards even use, by the sign of
// the error (Wang 2024), and forgets the counts. It returns the largest share
// that an expert had, as a multiple of the even share.
func (r *Routing) Balance(rate float32) (worst float64) {
	for _, f := range r.order {
		total, n := 0, len(r.count[f])
		for _, c := range r.count[f] {
			total += c
		}
		for e, c := range r.count[f] {
			share := float64(c*n) / float64(max(total, 1))
			worst = max(worst, share)
			switch {
			case share > 1:
				f.bias.Data()[e] -= rate
			case share < 1:
				f.bias.Data()[e] += rate
			}
		}
		clear(r.count[f])
	}
	return worst
}
