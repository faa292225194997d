package tensortest

import "github.com/kinora-video/kinora/internal/tensor"

// routes hide the routes of b.
type routes struct{ r *tensor.Routes }

func (o *Opaque) routes(r *tensor.Routes) *tensor.Routes { return r.Mem.(routes).r }

// The operations are those of b, on the tensors behind the handles.

// Linear implements tensor.Ops.
func (o *Opaque) Linear(x, w, b *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.result(o.b.Linear(o.in(x), o.in(w), o.in(b), act))
}

// Route implements tensor.Ops.
func (o *Opaque) Route(scores, bias *tensor.Tensor, k int) *tensor.Routes {
	r := o.b.Route(o.in(scores), o.in(bias), k)
	return &tensor.Routes{Rows: r.Rows, TopK: r.TopK, Experts: r.Experts, Mem: routes{r}}
}

// Dispatch implements tensor.Ops.
func (o *Opaque) Dispatch(x *tensor.Tensor, r *tensor.Routes) *tensor.Tensor {
	return o.result(o.b.Dispatch(o.in(x), o.routes(r)))
}

// GroupedLinear implements tensor.Ops.
func (o *Opaque) GroupedLinear(x, w *tensor.Tensor, r *tensor.Routes) *tensor.Tensor {
	return o.result(o.b.GroupedLinear(o.in(x), o.in(w), o.routes(r)))
}

// Combine implements tensor.Ops.
func (o *Opaque) Combine(x, weights *tensor.Tensor, r *tensor.Routes) *tensor.Tensor {
	return o.result(o.b.Combine(o.in(x), o.in(weights), o.routes(r)))
}

// Add implements tensor.Ops.
func (o *Opaque) Add(x, y *tensor.Tensor) *tensor.Tensor { return o.result(o.b.Add(o.in(x), o.in(y))) }

// Sub implements tensor.Ops.
func (o *Opaque) Sub(x, y *tensor.Tensor) *tensor.Tensor { return o.result(o.b.Sub(o.in(x), o.in(y))) }

// Mul implements tensor.Ops.
func (o *Opaque) Mul(x, y *tensor.Tensor) *tensor.Tensor { return o.result(o.b.Mul(o.in(x), o.in(y))) }

// Scale implements tensor.Ops.
func (o *Opaque) Scale(x *tensor.Tensor, s float32) *tensor.Tensor {
	return o.result(o.b.Scale(o.in(x), s))
}

// AddRows implements tensor.Ops.
func (o *Opaque) AddRows(x, r *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.AddRows(o.in(x), o.in(r)))
}

// Activate implements tensor.Ops.
func (o *Opaque) Activate(x *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.result(o.b.Activate(o.in(x), act))
}

// SwiGLU implements tensor.Ops.
func (o *Opaque) SwiGLU(x *tensor.Tensor) *tensor.Tensor { return o.result(o.b.SwiGLU(o.in(x))) }

// Softmax implements tensor.Ops.
func (o *Opaque) Softmax(x *tensor.Tensor) *tensor.Tensor { return o.result(o.b.Softmax(o.in(x))) }

// RMSNorm implements tensor.Ops.
func (o *Opaque) RMSNorm(x, g *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.RMSNorm(o.in(x), o.in(g)))
}

// Modulate implements tensor.Ops.
func (o *Opaque) Modulate(x, scale, shift *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.Modulate(o.in(x), o.in(scale), o.in(shift)))
}

// GatedAdd implements tensor.Ops.
func (o *Opaque) GatedAdd(x, z, gate *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.GatedAdd(o.in(x), o.in(z), o.in(gate)))
}

// Conv implements tensor.Ops.
func (o *Opaque) Conv(x, w, b, past *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.result(o.b.Conv(o.in(x), o.in(w), o.in(b), o.in(past), act))
}

// ConvPReLU implements tensor.Ops.
func (o *Opaque) ConvPReLU(x, w, b, slope, past *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.ConvPReLU(o.in(x), o.in(w), o.in(b), o.in(slope), o.in(past)))
}

// Depthwise implements tensor.Ops.
func (o *Opaque) Depthwise(x, w, b, past *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.Depthwise(o.in(x), o.in(w), o.in(b), o.in(past)))
}

// Unshuffle implements tensor.Ops.
func (o *Opaque) Unshuffle(x *tensor.Tensor, pt, ph, pw int) *tensor.Tensor {
	return o.result(o.b.Unshuffle(o.in(x), pt, ph, pw))
}

// Shuffle implements tensor.Ops.
func (o *Opaque) Shuffle(x *tensor.Tensor, pt, ph, pw int) *tensor.Tensor {
	return o.result(o.b.Shuffle(o.in(x), pt, ph, pw))
}

// AvgPool2 implements tensor.Ops.
func (o *Opaque) AvgPool2(x *tensor.Tensor) *tensor.Tensor { return o.result(o.b.AvgPool2(o.in(x))) }

// Attention implements tensor.Ops.
func (o *Opaque) Attention(q, k, v *tensor.Tensor, m tensor.Mask) *tensor.Tensor {
	return o.result(o.b.Attention(o.in(q), o.in(k), o.in(v), m))
}

// LinearAttention implements tensor.Ops.
func (o *Opaque) LinearAttention(q, k, qr, kr, v *tensor.Tensor, segs []tensor.Segment) *tensor.Tensor {
	return o.result(o.b.LinearAttention(o.in(q), o.in(k), o.in(qr), o.in(kr), o.in(v), segs))
}

// LinearState implements tensor.Carried.
func (o *Opaque) LinearState(k, kr, v *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.LinearState(o.in(k), o.in(kr), o.in(v)))
}

// LinearAttentionOn implements tensor.Carried.
func (o *Opaque) LinearAttentionOn(state, q, k, qr, kr, v *tensor.Tensor, segs []tensor.Segment) *tensor.Tensor {
	return o.result(o.b.LinearAttentionOn(o.in(state), o.in(q), o.in(k), o.in(qr), o.in(kr), o.in(v), segs))
}

// RoPE implements tensor.Ops.
func (o *Opaque) RoPE(x, cos, sin *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.RoPE(o.in(x), o.in(cos), o.in(sin)))
}

// Concat implements tensor.Ops.
func (o *Opaque) Concat(axis int, xs ...*tensor.Tensor) *tensor.Tensor {
	inner := make([]*tensor.Tensor, len(xs))
	for i, x := range xs {
		inner[i] = o.in(x)
	}
	return o.result(o.b.Concat(axis, inner...))
}

// Narrow implements tensor.Ops.
func (o *Opaque) Narrow(x *tensor.Tensor, axis, lo, hi int) *tensor.Tensor {
	return o.result(o.b.Narrow(o.in(x), axis, lo, hi))
}

// Embed implements tensor.Ops.
func (o *Opaque) Embed(table *tensor.Tensor, ids []int32) *tensor.Tensor {
	return o.result(o.b.Embed(o.in(table), ids))
}

// PoolRows implements tensor.Ops.
func (o *Opaque) PoolRows(x *tensor.Tensor, lens []int32) *tensor.Tensor {
	return o.result(o.b.PoolRows(o.in(x), lens))
}
