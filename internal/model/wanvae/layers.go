package wanvae

import (
	"math"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/tensor"
)

// All layers take single frames [1, 1, H, W, C]. None frees what it is given.

// builder adds the parameters of one half, which begin with its name.
type builder struct {
	c      Config
	l      *layout
	p      *nn.Params
	prefix string
	convs  *int // causal convolutions so far
}

// filter adds the weights of a convolution and its bias.
func (b builder) filter(name string, in, out, kt, kh, kw int) nn.Conv {
	return nn.NewConv(b.p, b.prefix+name, in, out, kt, kh, kw, 1)
}

// linear adds a convolution 1×1, which is a linear layer.
func (b builder) linear(name string, in, out int) nn.Linear {
	c := b.filter(name, in, out, 1, 1, 1)
	if c.W.Len() == in*out { // otherwise the set has an error
		c.W = c.W.Reshape(out, in)
	}
	return nn.Linear(c)
}

func (b builder) gain(name string, c int) *tensor.Tensor {
	return b.p.Ones(b.prefix+name+".gamma", c)
}

// causal is a convolution over the last frames.
type causal struct {
	nn.Conv
	id int // of what a stream remembers for it
}

func (b builder) causal(name string, in, out, kt, k int) causal {
	*b.convs++
	return causal{b.filter(name, in, out, kt, k, k), *b.convs - 1}
}

// apply convolves the operand h, which the stream keeps from now on, after those
// that it remembers, and adds add, which may be nil.
func (c causal) apply(s *stream, h, add *tensor.Tensor) *tensor.Tensor {
	h = s.b.Retain(h)
	clip := append(s.past[c.id], h)
	y := s.b.ConvFrames(c.W, c.B, add, tensor.None, clip...)
	if len(clip) == c.W.Dim(1) {
		s.b.Free(clip[0])
		clip = append(clip[:0], clip[1:]...)
	}
	s.past[c.id] = clip
	return y
}

// residual is two convolutions, each of the norm and SiLU of what it is given.
type residual struct {
	norm1, norm2 *tensor.Tensor
	conv1, conv2 causal
	project      *nn.Linear // where the number of channels changes
}

func (b builder) residual(name string, in, out int) residual {
	r := residual{
		norm1: b.gain(name+"."+b.l.norm1, in), conv1: b.causal(name+"."+b.l.conv1, in, out, 3, 3),
		norm2: b.gain(name+"."+b.l.norm2, out), conv2: b.causal(name+"."+b.l.conv2, out, out, 3, 3),
	}
	if in != out {
		l := b.linear(name+"."+b.l.project, in, out)
		r.project = &l
	}
	return r
}

func (r *residual) apply(s *stream, x *tensor.Tensor) *tensor.Tensor {
	h := r.conv1.apply(s, s.b.Operand(x, r.norm1, tensor.SiLU), nil)
	op := s.b.Operand(h, r.norm2, tensor.SiLU)
	s.b.Free(h)
	if r.project == nil {
		return r.conv2.apply(s, op, x)
	}
	around := r.project.Apply(s.b, x, tensor.None)
	y := r.conv2.apply(s, op, around)
	s.b.Free(around)
	return y
}

// attention is that of the pixels of a frame on each other, with one head.
type attention struct {
	norm      *tensor.Tensor
	qkv, proj nn.Linear
}

func (b builder) attention(name string, c int) attention {
	return attention{b.gain(name+".norm", c), b.linear(name+".to_qkv", c, 3*c), b.linear(name+".proj", c, c)}
}

func (a *attention) apply(s *stream, x *tensor.Tensor) *tensor.Tensor {
	return s.b.Scope(func() *tensor.Tensor {
		c := x.Dim(-1)
		qkv := a.qkv.Apply(s.b, s.b.LengthNorm(x, a.norm, tensor.None), tensor.None).Reshape(1, x.Rows(), 1, 3*c)
		part := func(i int) *tensor.Tensor { return s.b.Narrow(qkv, 3, i*c, (i+1)*c) }
		y := s.b.SoftmaxAttention(part(0), part(1), part(2), nil, float32(1/math.Sqrt(float64(c))), tensor.Mask{})
		return s.b.Add(x, a.proj.Apply(s.b, y.Reshape(x.Shape...), tensor.None))
	})
}

// middle is what has the lowest resolution.
type middle struct {
	first, last residual
	attention   attention
}

func (b builder) middle(c int) middle {
	return middle{first: b.residual(b.l.mid[0], c, c), attention: b.attention(b.l.mid[1], c), last: b.residual(b.l.mid[2], c, c)}
}

// apply frees what it is given.
func (m *middle) apply(s *stream, x *tensor.Tensor) *tensor.Tensor {
	x = s.instead(x, m.first.apply(s, x))
	x = s.instead(x, m.attention.apply(s, x))
	return s.instead(x, m.last.apply(s, x))
}

// head is the last norm and convolution.
type head struct {
	norm *tensor.Tensor
	conv causal
}

func (b builder) head(in, out int) head {
	return head{b.gain(b.l.normOut, in), b.causal(b.l.convOut, in, out, 3, 3)}
}

func (h *head) apply(s *stream, x *tensor.Tensor) *tensor.Tensor {
	return h.conv.apply(s, s.b.Operand(x, h.norm, tensor.SiLU), nil)
}
