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
	duration, duration2   nn.Linear // duration is a convolution over three phonemes
	prosodyIn, prosodyOut nn.Linear
	prosody, decoder      []block
	entry                 nn.Conv
	norm                  affine
	head                  nn.Linear
}

// affine is a layer norm with gain and bias [C].
type affine struct{ g, b *tensor.Tensor }

func newAffine(p *nn.Params, name string, width int) affine {
	return affine{p.Ones(name+".weight", width), p.New(name+".bias", 0, width)}
}

func (a affine) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	return o.LayerNorm(x, a.g, a.b, eps)
}

// block is a convolution block (ConvNeXt, Liu et al. 2022, arXiv:2201.03545):
// x + gamma·down(GELU(up(norm(depthwise(x))))).
type block struct {
	taps, bias, gamma *tensor.Tensor // [K, C], [C], [1, C]
	dilation          int
	norm              affine
	up, down          nn.Linear
}

func newBlock(p *nn.Params, name string, width, hidden, kernel, dilation int) block {
	return block{
		taps: p.New(name+".dw.weight", 1, kernel, width), bias: p.New(name+".dw.bias", 0, width),
		gamma: p.New(name+".gamma", 1, width).Reshape(1, width), dilation: dilation,
		norm: newAffine(p, name+".norm", width),
		up:   nn.NewLinear(p, name+".pw1", width, hidden, 1), down: nn.NewLinear(p, name+".pw2", hidden, width, 1),
	}
}

// apply runs the block on x [N, C].
func (b *block) apply(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	return o.Scope(func() *tensor.Tensor {
		h := b.norm.apply(o, b.convolve(o, x))
		h = o.GELUErf(b.up.Apply(o, h, tensor.None))
		return o.GatedAdd(x, b.down.Apply(o, h, tensor.None), b.gamma)
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

func newBlocks(p *nn.Params, name string, c BlocksConfig) []block {
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
	qkv, out     nn.Linear
	up, down     nn.Linear
	norm         affine
}

func newEncoder(p *nn.Params, name string, c TextConfig) encoder {
	e := encoder{config: c, table: p.New(name+".emb.weight", 1, c.Phonemes, c.Width)}
	for i := range c.Convs {
		e.convs = append(e.convs, newBlock(p, fmt.Sprintf("%s.convs.%d", name, i), c.Width, c.Hidden, c.Kernel, 1))
	}
	attn := name + ".attn."
	e.norm1, e.norm2 = newAffine(p, attn+"norm1", c.Width), newAffine(p, attn+"norm2", c.Width)
	e.qkv = nn.NewLinear(p, attn+"self_attn.in_proj", c.Width, 3*c.Width, 1)
	e.out = nn.NewLinear(p, attn+"self_attn.out_proj", c.Width, c.Width, 1)
	e.up = nn.NewLinear(p, attn+"linear1", c.Width, c.Hidden, 1)
	e.down = nn.NewLinear(p, attn+"linear2", c.Hidden, c.Width, 1)
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
	qkv := e.qkv.Apply(o, e.norm1.apply(o, x), tensor.None)
	head := func(i int) *tensor.Tensor {
		return o.Narrow(qkv, 1, i*w, (i+1)*w).Reshape(1, n, e.config.Heads, w/e.config.Heads)
	}
	scale := float32(1 / math.Sqrt(float64(w/e.config.Heads)))
	seen := o.SoftmaxAttention(head(0), head(1), head(2), nil, scale, tensor.Mask{}).Reshape(n, w)
	x = o.Add(x, e.out.Apply(o, seen, tensor.None))
	h := o.GELUErf(e.up.Apply(o, e.norm2.apply(o, x), tensor.None))
	return o.Add(x, e.down.Apply(o, h, tensor.None))
}

// build makes the network of a checked configuration with its parameters in p.
func build(c Config, p *nn.Params) *network {
	width, tracks := c.ProsodyText.Width, 4
	n := &network{
		params: p,
		text:   newEncoder(p, "text", c.Text), prosodyText: newEncoder(p, "prosody_text", c.ProsodyText),
		duration: nn.Linear(nn.NewConv(p, "dur.0", width, width, 1, 1, 3, 1)), duration2: nn.NewLinear(p, "dur.2", width, 1, 1),
		prosodyIn: nn.NewLinear(p, "pro_in", width, width, 1), prosodyOut: nn.NewLinear(p, "pro_out", width, tracks, 1),
		prosody: newBlocks(p, "prosody", c.Prosody), decoder: newBlocks(p, "decoder", c.Decoder),
		entry: nn.NewConv(p, "dec_in", c.Text.Width+2, c.Decoder.Width, 1, 1, c.Entry, 1),
		norm:  newAffine(p, "dec_norm", c.Decoder.Width), head: nn.NewLinear(p, "head", c.Decoder.Width, parts*c.Bins, 1),
	}
	return n
}

// durations gives log(1+d) for each phoneme, [L, 1], where d is how many frames of
// prosody it lasts. x [L, W] is what prosodyText gave.
func (n *network) durations(o tensor.Inference, x *tensor.Tensor) *tensor.Tensor {
	return o.Scope(func() *tensor.Tensor {
		l, w := x.Dim(0), x.Dim(1)
		h := o.Conv(x.Reshape(1, 1, 1, l, w), n.duration.W, n.duration.B, nil, tensor.None).Reshape(l, w)
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
	return o.Scope(func() *tensor.Tensor { return n.head.Apply(o, o.Narrow(h, 0, lo, hi), tensor.None) })
}
