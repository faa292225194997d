package reel

import (
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// feedForward is a gated layer with a depthwise convolution over space and time
// inside (Xie 2024). In a mixture it also has experts: small gated layers, of
// which a router chooses TopK for each token. The choice depends on the token
// alone, so it uses nothing from the future.
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

// newFeedForward gives half of the hidden size to the shared part of a mixture,
// and the other half to the experts that a token runs.
func newFeedForward(p *nn.Params, name string, c FlowConfig, mixture bool) feedForward {
	w, hidden := c.Width, c.Hidden
	if mixture {
		hidden /= 2
	}
	// The convolution starts as the identity with a little noise.
	identity := func(conv []float32) {
		const center = (1*3+1)*3 + 1 // this frame, this position
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
		f.router = p.New(name+"router", 1/math.Sqrt(float64(w)), c.Experts, w).For(tensor.AsMatrix)
		f.w1 = p.New(name+"experts1.weight", 1/math.Sqrt(float64(w)), c.Experts, 2*h, w).For(tensor.AsExperts)
		f.w2 = p.New(name+"experts2.weight", 1/math.Sqrt(float64(h)), c.Experts, w, h).For(tensor.AsExperts)
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

// mixture sends each row of x to its experts and adds up their outputs,
// weighted by the router's probabilities.
func (f *feedForward) mixture(o tensor.Ops, x *tensor.Tensor, aux *Routing) *tensor.Tensor {
	x = x.Reshape(x.Rows(), x.Dim(-1))
	probs := o.Softmax(o.Linear(x, f.router, nil, tensor.None))
	to := o.Route(probs, f.bias, f.topK)
	if aux != nil {
		aux.seen = append(aux.seen, choice{f, to})
	}
	h := o.SwiGLU(o.GroupedLinear(o.Dispatch(x, to), f.w1, to))
	y := o.GroupedLinear(h, f.w2, to)
	// Probabilities of an even router sum to TopK/experts: scale to order 1.
	return o.Scale(o.Combine(y, probs, to), float32(f.router.Dim(0))/float32(2*f.topK))
}

// Routing counts how often each expert of each mixture was chosen.
type Routing struct {
	seen  []choice // of passes that are not counted yet
	order []*feedForward
	count map[*feedForward][]int
}

// choice holds the routes that one pass of a mixture chose.
type choice struct {
	f  *feedForward
	to *tensor.Routes
}

// Count counts the choices of the passes since the last call. It must be called
// before their backend is reset.
func (r *Routing) Count(b tensor.Gradients) {
	for _, c := range r.seen {
		r.add(c.f, b.RouteCounts(c.to))
	}
	r.seen = r.seen[:0]
}

func (r *Routing) add(f *feedForward, counts []int) {
	if r.count == nil {
		r.count = map[*feedForward][]int{}
	}
	if r.count[f] == nil {
		r.count[f] = make([]int, len(counts))
		r.order = append(r.order, f)
	}
	for e, n := range counts {
		r.count[f][e] += n
	}
}

// Merge adds the counts of another Routing and clears them there.
func (r *Routing) Merge(from *Routing) {
	for _, f := range from.order {
		r.add(f, from.count[f])
		clear(from.count[f])
	}
}

// Balance moves the routers' biases by rate towards even use, by the sign of
// the error (Wang 2024), and clears the counts. It returns the largest share of
// an expert, as a multiple of the even share.
func (r *Routing) Balance(rate float32) (worst float64) {
	for _, f := range r.order {
		total, n := 0, len(r.count[f])
		for _, c := range r.count[f] {
			total += c
		}
		bias := f.bias.Values()
		for e, c := range r.count[f] {
			share := float64(c*n) / float64(max(total, 1))
			worst = max(worst, share)
			switch {
			case share > 1:
				bias[e] -= rate
			case share < 1:
				bias[e] += rate
			}
		}
		f.bias.Set(bias)
		clear(r.count[f])
	}
	return worst
}
