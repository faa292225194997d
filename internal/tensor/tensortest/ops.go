package tensortest

import "github.com/kinora-video/kinora/internal/tensor"

type tt = *tensor.Tensor

// routes hide the routes of b.
type routes struct{ r *tensor.Routes }

func (o *Opaque) routes(r *tensor.Routes) *tensor.Routes { return r.Mem.(routes).r }

// The operations are those of b, on the tensors behind the handles.

// Linear implements tensor.Ops.
func (o *Opaque) Linear(x, w, b tt, act tensor.Act) tt {
	return o.result(o.b.Linear(o.in(x), o.in(w), o.in(b), act))
}

// Route implements tensor.Ops.
func (o *Opaque) Route(scores, bias tt, k int) *tensor.Routes {
	r := o.b.Route(o.in(scores), o.in(bias), k)
	return &tensor.Routes{Rows: r.Rows, TopK: r.TopK, Experts: r.Experts, Mem: routes{r}}
}

// Dispatch implements tensor.Ops.
func (o *Opaque) Dispatch(x tt, r *tensor.Routes) tt {
	return o.result(o.b.Dispatch(o.in(x), o.routes(r)))
}

// GroupedLinear implements tensor.Ops.
func (o *Opaque) GroupedLinear(x, w tt, r *tensor.Routes) tt {
	return o.result(o.b.GroupedLinear(o.in(x), o.in(w), o.routes(r)))
}

// Combine implements tensor.Ops.
func (o *Opaque) Combine(x, weights tt, r *tensor.Routes) tt {
	return o.result(o.b.Combine(o.in(x), o.in(weights), o.routes(r)))
}

// Add implements tensor.Ops.
func (o *Opaque) Add(x, y tt) tt { return o.result(o.b.Add(o.in(x), o.in(y))) }

// Sub implements tensor.Ops.
func (o *Opaque) Sub(x, y tt) tt { return o.result(o.b.Sub(o.in(x), o.in(y))) }

// Mul implements tensor.Ops.
func (o *Opaque) Mul(x, y tt) tt { return o.result(o.b.Mul(o.in(x), o.in(y))) }

// Scale implements tensor.Ops.
func (o *Opaque) Scale(x tt, s float32) tt { return o.result(o.b.Scale(o.in(x), s)) }

// AddRows implements tensor.Ops.
func (o *Opaque) AddRows(x, r tt) tt { return o.result(o.b.AddRows(o.in(x), o.in(r))) }

// Activate implements tensor.Ops.
func (o *Opaque) Activate(x tt, act tensor.Act) tt { return o.result(o.b.Activate(o.in(x), act)) }

// SwiGLU implements tensor.Ops.
func (o *Opaque) SwiGLU(x tt) tt { return o.result(o.b.SwiGLU(o.in(x))) }

// Softmax implements tensor.Ops.
func (o *Opaque) Softmax(x tt) tt { return o.result(o.b.Softmax(o.in(x))) }

// RMSNorm implements tensor.Ops.
func (o *Opaque) RMSNorm(x, g tt) tt { return o.result(o.b.RMSNorm(o.in(x), o.in(g))) }

// Modulate implements tensor.Ops.
func (o *Opaque) Modulate(x, scale, shift tt) tt {
	return o.result(o.b.Modulate(o.in(x), o.in(scale), o.in(shift)))
}

// GatedAdd implements tensor.Ops.
func (o *Opaque) GatedAdd(x, z, gate tt) tt {
	return o.result(o.b.GatedAdd(o.in(x), o.in(z), o.in(gate)))
}

// Conv implements tensor.Ops.
func (o *Opaque) Conv(x, w, b, past tt, act tensor.Act) tt {
	return o.result(o.b.Conv(o.in(x), o.in(w), o.in(b), o.in(past), act))
}

// ConvPReLU implements tensor.Ops.
func (o *Opaque) ConvPReLU(x, w, b, slope, past tt) tt {
	return o.result(o.b.ConvPReLU(o.in(x), o.in(w), o.in(b), o.in(slope), o.in(past)))
}

// Depthwise implements tensor.Ops.
func (o *Opaque) Depthwise(x, w, b, past tt) tt {
	return o.result(o.b.Depthwise(o.in(x), o.in(w), o.in(b), o.in(past)))
}

// Unshuffle implements tensor.Ops.
func (o *Opaque) Unshuffle(x tt, pt, ph, pw int) tt {
	return o.result(o.b.Unshuffle(o.in(x), pt, ph, pw))
}

// Shuffle implements tensor.Ops.
func (o *Opaque) Shuffle(x tt, pt, ph, pw int) tt {
	return o.result(o.b.Shuffle(o.in(x), pt, ph, pw))
}

// AvgPool2 implements tensor.Ops.
func (o *Opaque) AvgPool2(x tt) tt { return o.result(o.b.AvgPool2(o.in(x))) }

// Attention implements tensor.Ops.
func (o *Opaque) Attention(q, k, v tt, m tensor.Mask) tt {
	return o.result(o.b.Attention(o.in(q), o.in(k), o.in(v), m))
}

// LinearAttention implements tensor.Ops.
func (o *Opaque) LinearAttention(q, k, qr, kr, v tt, segs []tensor.Segment) tt {
	return o.result(o.b.LinearAttention(o.in(q), o.in(k), o.in(qr), o.in(kr), o.in(v), segs))
}

// LinearState implements tensor.Carried.
func (o *Opaque) LinearState(k, kr, v tt) tt {
	return o.result(o.b.LinearState(o.in(k), o.in(kr), o.in(v)))
}

// LinearAttentionOn implements tensor.Carried.
func (o *Opaque) LinearAttentionOn(state, q, k, qr, kr, v tt, segs []tensor.Segment) tt {
	return o.result(o.b.LinearAttentionOn(o.in(state), o.in(q), o.in(k), o.in(qr), o.in(kr), o.in(v), segs))
}

// RoPE implements tensor.Ops.
func (o *Opaque) RoPE(x, cos, sin tt) tt { return o.result(o.b.RoPE(o.in(x), o.in(cos), o.in(sin))) }

// Concat implements tensor.Ops.
func (o *Opaque) Concat(axis int, xs ...tt) tt {
	inner := make([]tt, len(xs))
	for i, x := range xs {
		inner[i] = o.in(x)
	}
	return o.result(o.b.Concat(axis, inner...))
}

// Narrow implements tensor.Ops.
func (o *Opaque) Narrow(x tt, axis, lo, hi int) tt {
	return o.result(o.b.Narrow(o.in(x), axis, lo, hi))
}

// Embed implements tensor.Ops.
func (o *Opaque) Embed(table tt, ids []int32) tt { return o.result(o.b.Embed(o.in(table), ids)) }

// PoolRows implements tensor.Ops.
func (o *Opaque) PoolRows(x tt, lens []int32) tt { return o.result(o.b.PoolRows(o.in(x), lens)) }
