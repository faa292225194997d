package tensortest

import "github.com/kinora-video/kinora/internal/tensor"

// LayerNorm implements tensor.Inference.
func (o *Opaque) LayerNorm(x, g, b *tensor.Tensor, eps float32) *tensor.Tensor {
	return o.result(o.b.LayerNorm(o.in(x), o.in(g), o.in(b), eps))
}

// LayerNormModulate implements tensor.Inference.
func (o *Opaque) LayerNormModulate(x, scale, shift *tensor.Tensor, eps float32) *tensor.Tensor {
	return o.result(o.b.LayerNormModulate(o.in(x), o.in(scale), o.in(shift), eps))
}

// RMSNormEps implements tensor.Inference.
func (o *Opaque) RMSNormEps(x, g *tensor.Tensor, eps float32) *tensor.Tensor {
	return o.result(o.b.RMSNormEps(o.in(x), o.in(g), eps))
}

// LengthNorm implements tensor.Inference.
func (o *Opaque) LengthNorm(x, g *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.result(o.b.LengthNorm(o.in(x), o.in(g), act))
}

// GELUErf implements tensor.Inference.
func (o *Opaque) GELUErf(x *tensor.Tensor) *tensor.Tensor { return o.result(o.b.GELUErf(o.in(x))) }

// Tanh implements tensor.Inference.
func (o *Opaque) Tanh(x *tensor.Tensor) *tensor.Tensor { return o.result(o.b.Tanh(o.in(x))) }

// LinearUint8 implements tensor.Inference.
func (o *Opaque) LinearUint8(x, w, b *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.LinearUint8(o.in(x), o.in(w), o.in(b)))
}

// Exp implements tensor.Inference.
func (o *Opaque) Exp(x *tensor.Tensor) *tensor.Tensor { return o.result(o.b.Exp(o.in(x))) }

// SoftmaxAttention implements tensor.Inference.
func (o *Opaque) SoftmaxAttention(q, k, v, bias *tensor.Tensor, scale float32, m tensor.Mask) *tensor.Tensor {
	return o.result(o.b.SoftmaxAttention(o.in(q), o.in(k), o.in(v), o.in(bias), scale, m))
}

// ConvDown implements tensor.Inference.
func (o *Opaque) ConvDown(x, w, b *tensor.Tensor, before int, act tensor.Act) *tensor.Tensor {
	return o.result(o.b.ConvDown(o.in(x), o.in(w), o.in(b), before, act))
}

// Nearest2 implements tensor.Inference.
func (o *Opaque) Nearest2(x *tensor.Tensor) *tensor.Tensor { return o.result(o.b.Nearest2(o.in(x))) }

// AvgDown implements tensor.Inference.
func (o *Opaque) AvgDown(x *tensor.Tensor, out, pt, ph, pw int) *tensor.Tensor {
	return o.result(o.b.AvgDown(o.in(x), out, pt, ph, pw))
}

// DupUp implements tensor.Inference.
func (o *Opaque) DupUp(x *tensor.Tensor, out, pt, ph, pw int) *tensor.Tensor {
	return o.result(o.b.DupUp(o.in(x), out, pt, ph, pw))
}

// RoPEHalves implements tensor.Inference.
func (o *Opaque) RoPEHalves(x, cos, sin *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.RoPEHalves(o.in(x), o.in(cos), o.in(sin)))
}

// LinearAdd implements tensor.Inference.
func (o *Opaque) LinearAdd(x, w, add *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.LinearAdd(o.in(x), o.in(w), o.in(add)))
}

// Linears implements tensor.Inference.
func (o *Opaque) Linears(x *tensor.Tensor, ws ...*tensor.Tensor) []*tensor.Tensor {
	inner := make([]*tensor.Tensor, len(ws))
	for i, w := range ws {
		inner[i] = o.in(w)
	}
	out := o.b.Linears(o.in(x), inner...)
	for i, y := range out {
		out[i] = o.result(y)
	}
	return out
}

// GatedLinear implements tensor.Inference.
func (o *Opaque) GatedLinear(x, gate, up *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.GatedLinear(o.in(x), o.in(gate), o.in(up)))
}
