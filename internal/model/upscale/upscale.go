// Package upscale enlarges the frames of any video model: a compact network of
// 3×3 convolutions with PReLU between them, whose result is added to the
// enlarged frame (SRVGGNet of Real-ESRGAN, Wang et al. 2021, arXiv:2107.10833).
//
// Frames are [H, W, 3]. A frame is worked through in bands of rows, each row
// once, so memory grows with its width and not with its height; a band gives
// the bytes that the whole frame gives. Nothing is carried from one frame to
// the next. The package never trains.
package upscale

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// Config is the shape of a network.
type Config struct {
	// Factor is how many times longer each side becomes.
	Factor int `json:"factor"`
	// Patch: the convolutions run on patches of so many pixels a side, at a
	// lower resolution for less work. 1 is every pixel by itself.
	Patch int `json:"patch"`
	Width int `json:"width"` // channels between the convolutions
	Depth int `json:"depth"` // convolutions, at least 2
}

// Limits of a configuration, which may come from a file.
const (
	maxFactor = 8
	maxPatch  = 8
	maxWidth  = 512
	maxDepth  = 64
)

func (c Config) check() error {
	if c.Factor < 2 || c.Factor > maxFactor || c.Patch < 1 || c.Patch > maxPatch || c.Width < 1 || c.Width > maxWidth || c.Depth < 2 || c.Depth > maxDepth {
		return fmt.Errorf("upscaler configuration: factor %d must be 2 to %d, patch %d 1 to %d, width %d 1 to %d, depth %d 2 to %d",
			c.Factor, maxFactor, c.Patch, maxPatch, c.Width, maxWidth, c.Depth, maxDepth)
	}
	return nil
}

// FLOPs counts the multiplications and additions for one pixel of input.
func (c Config) FLOPs() float64 {
	in, out := 3*c.Patch*c.Patch, 3*c.Patch*c.Patch*c.Factor*c.Factor
	return 2 * 9 * float64(c.Width) * float64(in+(c.Depth-2)*c.Width+out) / float64(c.Patch*c.Patch)
}

// A Net is an upscaler. Several goroutines may use one.
type Net struct {
	Config Config
	Params *nn.Params
	layers []layer
}

// layer is a convolution w [O, 1, 3, 3, C] with its bias [O] and, but for the
// last, the slopes [O] of PReLU.
type layer struct{ w, b, slope *tensor.Tensor }

// New returns an untrained network.
func New(c Config, seed uint64) (*Net, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return build(c, nn.NewParams(seed)), nil
}

// build makes a network of a checked configuration with its parameters in an
// empty set.
func build(c Config, p *nn.Params) *Net {
	n := &Net{Config: c, Params: p}
	in, end := 3*c.Patch*c.Patch, 3*c.Patch*c.Patch*c.Factor*c.Factor
	for i := range c.Depth {
		out, gain := c.Width, 1.4
		if i == c.Depth-1 {
			out, gain = end, 0.1
		}
		conv := nn.NewConv(p, fmt.Sprintf("layers.%d", i), in, out, 1, 3, 3, gain)
		l := layer{w: conv.W, b: conv.B}
		if i < c.Depth-1 {
			l.slope = p.NewWith(fmt.Sprintf("layers.%d.slope", i), 0, func(x []float32) {
				for i := range x {
					x[i] = 0.25
				}
			}, out)
		}
		n.layers = append(n.layers, l)
		in = out
	}
	return n
}

// apply runs the layer on x [..., C] with the weights in a view of their shape.
func (l layer) apply(o tensor.Ops, x, w, past *tensor.Tensor) *tensor.Tensor {
	if l.slope == nil {
		return o.Conv(x, w, l.b, past, tensor.None)
	}
	return o.ConvPReLU(x, w, l.b, l.slope, past)
}

// Forward enlarges frames x [N, 1, H, W, 3] in [0, 1] to
// [N, 1, H·Factor, W·Factor, 3]; H and W are multiples of Patch. Values may lie
// a little outside of [0, 1]. A Runner gives the same of one frame in less
// memory.
func (n *Net) Forward(o tensor.Ops, x *tensor.Tensor) *tensor.Tensor {
	h := frames.unshuffle(o, x, n.Config.Patch)
	for _, l := range n.layers {
		h = l.apply(o, h, l.w, nil)
	}
	return n.leave(o, frames, h, x)
}

// leave turns what the last convolution gave for the pixels x into more of them
// and adds the pixels, enlarged.
func (n *Net) leave(o tensor.Ops, a axes, h, x *tensor.Tensor) *tensor.Tensor {
	h = a.shuffle(o, h, n.Config.Patch)
	same := make([]*tensor.Tensor, n.Config.Factor*n.Config.Factor)
	for i := range same {
		same[i] = x
	}
	return a.shuffle(o, o.Add(h, o.Concat(4, same...)), n.Config.Factor)
}

// axes says which axes are those of a picture: 2 and 3 of frames [N, 1, H, W, C],
// 1 and 3 of rows [1, H, 1, W, C], which come one after another as the frames of
// a video do.
type axes bool

const (
	frames axes = false
	rows   axes = true
)

func (a axes) unshuffle(o tensor.Ops, x *tensor.Tensor, by int) *tensor.Tensor {
	switch {
	case by == 1:
		return x
	case a == rows:
		return o.Unshuffle(x, by, 1, by)
	}
	return o.Unshuffle(x, 1, by, by)
}

func (a axes) shuffle(o tensor.Ops, x *tensor.Tensor, by int) *tensor.Tensor {
	switch {
	case by == 1:
		return x
	case a == rows:
		return o.Shuffle(x, by, 1, by)
	}
	return o.Shuffle(x, 1, by, by)
}

// Reduced returns a network that gives the frames of n scaled down by k, each
// pixel the mean of k×k, for less work: the means are taken in the weights of
// the last convolution. The other weights are shared. It is for use, not to be
// trained.
func (n *Net) Reduced(k int) (*Net, error) {
	c := n.Config
	if k < 1 || c.Factor%k != 0 || c.Factor/k < 2 {
		return nil, fmt.Errorf("an upscaler by %d cannot be reduced by %d", c.Factor, k)
	}
	big := c.Factor
	c.Factor /= k
	last := n.layers[len(n.layers)-1]
	in, patches := last.w.Dim(4), c.Patch*c.Patch
	size := last.w.Len() / last.w.Dim(0) // weights of one channel
	out := &Net{Config: c, Params: n.Params, layers: append([]layer(nil), n.layers...)}
	w, b := make([]float32, 3*patches*c.Factor*c.Factor*size), make([]float32, 3*patches*c.Factor*c.Factor)
	weights, biases := last.w.Values(), last.b.Values()
	share := 1 / float32(k*k)
	for from, v := range biases {
		colour, x, y, q := from%3, from/3%big, from/3/big%big, from/3/big/big
		to := ((q*c.Factor+y/k)*c.Factor+x/k)*3 + colour
		b[to] += share * v
		for i, v := range weights[from*size:][:size] {
			w[to*size+i] += share * v
		}
	}
	out.layers[len(out.layers)-1] = layer{
		w: constant(w, len(b), 1, 3, 3, in).For(tensor.AsMatrix), b: constant(b, len(b)),
	}
	return out, nil
}

// constant is a parameter that does not change any more.
func constant(values []float32, shape ...int) *tensor.Tensor {
	t := tensor.Param(shape...)
	t.Set(values)
	t.Fix()
	return t
}
