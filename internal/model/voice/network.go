package voice

import (
	"fmt"
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// eps is the epsilon of every normalisation.
const eps = 1e-5

// network is the acoustic model. L is the number of phonemes, F that of frames of
// prosody. Each of these is two frames of the spectrum.
type network struct {
	params                *nn.Params
	text, prosodyText     encoder
	duration              nn.Conv // over three phonemes
	duration2             nn.Linear
	prosodyIn, prosodyOut nn.Linear
	prosody, decoder      []block
	entry                 nn.Conv
	norm                  affine
	head                  matrix
	exact                 bool // see matrix
}

// builder makes layers with their parameters in Params.
type builder struct {
	*nn.Params
	exact *bool
}

// matrix is a linear layer whose weights may be in int8. If they are, activations
// are rounded to 256 steps as well: that is how the package computes the network and
// how its makers measured it.
type matrix struct {
	nn.Linear
	exact *bool // leave activations as they are; only tests do
}

func (b builder) matrix(name string, in, out int) matrix {
	return matrix{nn.NewLinear(b.Params, name, in, out, 1), b.exact}
}

func (m matrix) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	if w := m.W.Stored(); *m.exact || w.DType != tensor.I8 || len(w.Scale) != m.W.Dim(0) {
		return o.Linear(x, m.W, m.B, tensor.None)
	}
	return o.LinearUint8(x, m.W, m.B)
}

// affine is a layer norm with gain and bias [C].
type affine struct{ g, b *tensor.Tensor }

func newAffine(p builder, name string, width int) affine {
	return affine{p.Ones(name+".weight", width), p.New(name+".bias", 0, width)}
}

func (a affine) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	return o.LayerNorm(x, a.g, a.b, eps)
}

// block is a convolution block (ConvNeXt, Liu et al. 2022, arXiv:2201.03545):
// x + gamma·down(GELU(up(norm(depthwise(x))))).
type block struct {
	taps, bias, gamma *tensor.Tensor // [K, C], [C], [C]
	dilation          int
	norm              affine
	up, down          matrix
}

func newBlock(p builder, name string, width, hidden, kernel, dilation int) block {
	return block{
		taps: p.New(name+".dw.weight", 1, kernel, width), bias: p.New(name+".dw.bias", 0, width),
		gamma: p.New(name+".gamma", 1, width), dilation: dilation,
		norm: newAffine(p, name+".norm", width),
		up:   p.matrix(name+".pw1", width, hidden), down: p.matrix(name+".pw2", hidden, width),
	}
}

// apply runs the block on x [N, C].
func (b *block) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	return o.Scope(func() *tensor.Tensor {
		h := b.norm.apply(o, b.convolve(o, x))
		h = o.GELUErf(b.up.apply(o, h))
		return o.GatedAdd(x, b.down.apply(o, h), b.gamma.Reshape(1, x.Dim(1)))
	})
}

// convolve is the convolution along N, with zeros around x. Taps that are d apart
// are neighbours in a picture [N/d, d] of the same numbers, one below the other.
func (b *block) convolve(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	n, c, k, d := x.Dim(0), x.Dim(1), b.taps.Dim(0), b.dilation
	if d == 1 {
		return o.Depthwise(x.Reshape(1, 1, 1, n, c), b.taps.Reshape(1, 1, k, c), b.bias, nil).Reshape(n, c)
	}
	rows := (n + d - 1) / d
	if short := rows*d - n; short > 0 {
		x = o.Concat(0, x, o.Upload(make([]float32, short*c), short, c))
	}
	y := o.Depthwise(x.Reshape(1, 1, rows, d, c), b.taps.Reshape(1, k, 1, c), b.bias, nil).Reshape(rows*d, c)
	if rows*d > n {
		y = o.Narrow(y, 0, 0, n)
	}
	return y
}

func newBlocks(p builder, name string, c BlocksConfig) []block {
	out := make([]block, len(c.Dilations))
	for i, d := range c.Dilations {
		out[i] = newBlock(p, fmt.Sprintf("%s.%d", name, i), c.Width, c.Hidden, c.Kernel, d)
	}
	return out
}

// encoder reads phonemes: convolution blocks, then one transformer layer (Vaswani
// et al. 2017), applied again and again with the same weights (Lan et al. 2020,
// arXiv:1909.11942).
type encoder struct {
	config       TextConfig
	table        *tensor.Tensor // [Phonemes, Width]
	convs        []block
	norm1, norm2 affine
	qkv, out     matrix
	up, down     matrix
	norm         affine
}

func newEncoder(p builder, name string, c TextConfig) encoder {
	e := encoder{config: c, table: p.New(name+".emb.weight", 1, c.Phonemes, c.Width)}
	for i := range c.Convs {
		e.convs = append(e.convs, newBlock(p, fmt.Sprintf("%s.convs.%d", name, i), c.Width, c.Hidden, c.Kernel, 1))
	}
	attn := name + ".attn."
	e.norm1, e.norm2 = newAffine(p, attn+"norm1", c.Width), newAffine(p, attn+"norm2", c.Width)
	e.qkv = p.matrix(attn+"self_attn.in_proj", c.Width, 3*c.Width)
	e.out = p.matrix(attn+"self_attn.out_proj", c.Width, c.Width)
	e.up = p.matrix(attn+"linear1", c.Width, c.Hidden)
	e.down = p.matrix(attn+"linear2", c.Hidden, c.Width)
	e.norm = newAffine(p, name+".norm", c.Width)
	return e
}

// apply gives a vector for each phoneme, [L, Width].
func (e *encoder) apply(o tensor.Inference, ids []int32) *tensor.Tensor {
	return o.Scope(func() *tensor.Tensor {
		x := o.Embed(e.table, ids)
		for i := range e.convs {
			x = e.convs[i].apply(o, x)
		}
		for range e.config.Layers {
			x = o.Scope(func() *tensor.Tensor { return e.layer(o, x) })
		}
		return e.norm.apply(o, x)
	})
}

// layer applies the transformer layer to x [L, Width].
func (e *encoder) layer(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	n, w := x.Dim(0), e.config.Width
	qkv := e.qkv.apply(o, e.norm1.apply(o, x))
	head := func(i int) *tensor.Tensor {
		return o.Narrow(qkv, 1, i*w, (i+1)*w).Reshape(1, n, e.config.Heads, w/e.config.Heads)
	}
	scale := float32(1 / math.Sqrt(float64(w/e.config.Heads)))
	seen := o.SoftmaxAttention(head(0), head(1), head(2), nil, scale, tensor.Mask{}).Reshape(n, w)
	x = o.Add(x, e.out.apply(o, seen))
	h := o.GELUErf(e.up.apply(o, e.norm2.apply(o, x)))
	return o.Add(x, e.down.apply(o, h))
}

// build makes the network of a checked configuration with its parameters in p.
func build(c Config, params *nn.Params) *network {
	const tracks = 4
	n, width := &network{params: params}, c.ProsodyText.Width
	p := builder{params, &n.exact}
	n.text, n.prosodyText = newEncoder(p, "text", c.Text), newEncoder(p, "prosody_text", c.ProsodyText)
	n.duration, n.duration2 = nn.NewConv(params, "dur.0", width, width, 1, 1, 3, 1), nn.NewLinear(params, "dur.2", width, 1, 1)
	n.prosodyIn, n.prosodyOut = nn.NewLinear(params, "pro_in", width, width, 1), nn.NewLinear(params, "pro_out", width, tracks, 1)
	n.prosody, n.decoder = newBlocks(p, "prosody", c.Prosody), newBlocks(p, "decoder", c.Decoder)
	n.entry = nn.NewConv(params, "dec_in", c.Text.Width+2, c.Decoder.Width, 1, 1, c.Entry, 1)
	n.norm, n.head = newAffine(p, "dec_norm", c.Decoder.Width), p.matrix("head", c.Decoder.Width, parts*c.Bins)
	return n
}

// durations gives log(1+d) for each phoneme, [L, 1], where d is how many frames of
// prosody it lasts. x [L, W] is what prosodyText gave.
func (n *network) durations(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	return o.Scope(func() *tensor.Tensor {
		l, w := x.Dim(0), x.Dim(1)
		h := n.duration.Apply(o, x.Reshape(1, 1, 1, l, w), nil, tensor.None).Reshape(l, w)
		return n.duration2.Apply(o, o.GELUErf(h), tensor.None)
	})
}

// tracks gives pitch and loudness, [F, 4]: two frames of the spectrum of pitch in
// units of 100 Hz, then two of loudness. at says which phoneme each frame belongs
// to; x [L, W] is what prosodyText gave.
func (n *network) tracks(o tensor.Inference, x *tensor.Tensor, at []int32) *tensor.Tensor {
	return o.Scope(func() *tensor.Tensor {
		h := n.prosodyIn.Apply(o, o.Embed(x, at), tensor.None)
		for i := range n.prosody {
			h = n.prosody[i].apply(o, h)
		}
		return n.prosodyOut.Apply(o, h, tensor.None)
	})
}

// decode gives what the spectrum is made of, [2F, W]. x [L, W] is what text gave, at
// says which phoneme each frame of the spectrum belongs to, and entry [2F, 2] is
// what pitch gives.
func (n *network) decode(o tensor.Inference, x *tensor.Tensor, at []int32, entry *tensor.Tensor) *tensor.Tensor {
	return o.Scope(func() *tensor.Tensor {
		h := o.Concat(1, o.Embed(x, at), entry)
		h = n.entry.Apply(o, h.Reshape(1, 1, 1, len(at), h.Dim(1)), nil, tensor.None)
		h = h.Reshape(len(at), h.Dim(4))
		for i := range n.decoder {
			h = n.decoder[i].apply(o, h)
		}
		return n.norm.apply(o, h)
	})
}

// spectrum gives the parts of the spectrum for the frames lo to hi of what decode
// gave, [hi-lo, parts·Bins].
func (n *network) spectrum(o tensor.Inference, h *tensor.Tensor, lo, hi int) *tensor.Tensor {
	return o.Scope(func() *tensor.Tensor { return n.head.apply(o, o.Narrow(h, 0, lo, hi)) })
}
