package autograd

import "github.com/kinora-video/kinora/internal/tensor"

// The methods below are the operations of tensor.Ops and tensor.Losses: the
// forward pass on the backend, and the derivatives with the arguments that they
// belong to.

// Upload implements tensor.Ops.
func (t *Tape) Upload(data []float32, shape ...int) *tensor.Tensor { return t.b.Upload(data, shape...) }

// Scope implements tensor.Ops: the backward pass needs what f computed.
func (t *Tape) Scope(f func() *tensor.Tensor) *tensor.Tensor { return f() }

// Linear implements tensor.Ops.
func (t *Tape) Linear(x, w, b *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	y := t.record(t.b.Linear(x, w, b, tensor.None), func(dy *tensor.Tensor) {
		dx, fresh := t.start(x)
		t.b.LinearGrad(dx, fresh, t.grad(w), t.bias(b), dy, x, w)
	}, x, w, b)
	if act == tensor.None {
		return y
	}
	return t.Activate(y, act)
}

// bias returns the gradient of a bias that may be nil.
func (t *Tape) bias(b *tensor.Tensor) *tensor.Tensor {
	if b == nil {
		return nil
	}
	return t.grad(b)
}

// Route implements tensor.Ops. A choice has no derivative.
func (t *Tape) Route(scores, bias *tensor.Tensor, k int) *tensor.Routes {
	return t.b.Route(scores, bias, k)
}

// Dispatch implements tensor.Ops.
func (t *Tape) Dispatch(x *tensor.Tensor, r *tensor.Routes) *tensor.Tensor {
	return t.record(t.b.Dispatch(x, r), func(dy *tensor.Tensor) { t.b.DispatchGrad(t.grad(x), dy, r) }, x)
}

// GroupedLinear implements tensor.Ops.
func (t *Tape) GroupedLinear(x, w *tensor.Tensor, r *tensor.Routes) *tensor.Tensor {
	return t.record(t.b.GroupedLinear(x, w, r), func(dy *tensor.Tensor) {
		dx, fresh := t.start(x)
		t.b.GroupedLinearGrad(dx, fresh, t.grad(w), dy, x, w, r)
	}, x, w)
}

// Combine implements tensor.Ops.
func (t *Tape) Combine(x, weights *tensor.Tensor, r *tensor.Routes) *tensor.Tensor {
	return t.record(t.b.Combine(x, weights, r), func(dy *tensor.Tensor) {
		t.b.CombineGrad(t.grad(x), t.grad(weights), dy, x, weights, r)
	}, x, weights)
}

// Add implements tensor.Ops.
func (t *Tape) Add(x, y *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.Add(x, y), func(dy *tensor.Tensor) {
		t.pass(x, dy)
		t.pass(y, dy)
	}, x, y)
}

// Sub implements tensor.Ops.
func (t *Tape) Sub(x, y *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.Sub(x, y), func(dz *tensor.Tensor) {
		t.pass(x, dz)
		if dy := t.grad(y); dy != nil {
			t.b.AddTo(dy, dz, -1)
		}
	}, x, y)
}

// Mul implements tensor.Ops.
func (t *Tape) Mul(x, y *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.Mul(x, y), func(dz *tensor.Tensor) {
		if dx := t.grad(x); dx != nil {
			t.b.MulGrad(dx, dz, y)
		}
		if dy := t.grad(y); dy != nil {
			t.b.MulGrad(dy, dz, x)
		}
	}, x, y)
}

// Scale implements tensor.Ops.
func (t *Tape) Scale(x *tensor.Tensor, s float32) *tensor.Tensor {
	return t.record(t.b.Scale(x, s), func(dy *tensor.Tensor) { t.b.AddTo(t.grad(x), dy, s) }, x)
}

// AddRows implements tensor.Ops.
func (t *Tape) AddRows(x, r *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.AddRows(x, r), func(dy *tensor.Tensor) {
		t.pass(x, dy)
		if dr := t.grad(r); dr != nil {
			t.b.AddRowsGrad(dr, dy)
		}
	}, x, r)
}

// Activate implements tensor.Ops.
func (t *Tape) Activate(x *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return t.record(t.b.Activate(x, act), func(dy *tensor.Tensor) { t.b.ActivateGrad(t.grad(x), dy, x, act) }, x)
}

// SwiGLU implements tensor.Ops.
func (t *Tape) SwiGLU(x *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.SwiGLU(x), func(dy *tensor.Tensor) { t.b.SwiGLUGrad(t.grad(x), dy, x) }, x)
}

// Softmax implements tensor.Ops.
func (t *Tape) Softmax(x *tensor.Tensor) *tensor.Tensor {
	y := t.b.Softmax(x)
	return t.record(y, func(dy *tensor.Tensor) { t.b.SoftmaxGrad(t.grad(x), dy, y) }, x)
}

// RMSNorm implements tensor.Ops.
func (t *Tape) RMSNorm(x, g *tensor.Tensor) *tensor.Tensor {
	y, rstd := t.b.RMSNormKept(x, g)
	return t.recordWith(rstd, y, func(dy *tensor.Tensor) {
		t.b.RMSNormGrad(t.grad(x), t.bias(g), dy, x, g, rstd)
	}, x, g)
}

// Modulate implements tensor.Ops.
func (t *Tape) Modulate(x, scale, shift *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.Modulate(x, scale, shift), func(dy *tensor.Tensor) {
		t.b.ModulateGrad(t.grad(x), t.grad(scale), t.grad(shift), dy, x, scale)
	}, x, scale, shift)
}

// GatedAdd implements tensor.Ops.
func (t *Tape) GatedAdd(x, z, gate *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.GatedAdd(x, z, gate), func(dy *tensor.Tensor) {
		t.pass(x, dy)
		t.b.GatedAddGrad(t.grad(z), t.grad(gate), dy, z, gate)
	}, x, z, gate)
}

// Conv implements tensor.Ops. The past frames are a constant.
func (t *Tape) Conv(x, w, b, past *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	y := t.record(t.b.Conv(x, w, b, past, tensor.None), func(dy *tensor.Tensor) {
		dx, dw := t.grad(x), t.grad(w)
		t.b.ConvGrad(dx, dw, t.bias(b), dy, x, w, past)
	}, x, w, b)
	if act == tensor.None {
		return y
	}
	return t.Activate(y, act)
}

// ConvPReLU implements tensor.Ops: below zero the gradient is multiplied by the
// slope, and the slope's is that times what it multiplied.
func (t *Tape) ConvPReLU(x, w, b, slope, past *tensor.Tensor) *tensor.Tensor {
	pre := t.Conv(x, w, b, past, tensor.None)
	return t.record(t.b.PReLU(pre, slope), func(dy *tensor.Tensor) {
		t.b.PReLUGrad(t.grad(pre), t.grad(slope), dy, pre, slope)
	}, pre, slope)
}

// Depthwise implements tensor.Ops.
func (t *Tape) Depthwise(x, w, b, past *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.Depthwise(x, w, b, past), func(dy *tensor.Tensor) {
		dx, dw := t.grad(x), t.grad(w)
		t.b.DepthwiseGrad(dx, dw, t.bias(b), dy, x, w, past)
	}, x, w, b)
}

// Unshuffle implements tensor.Ops.
func (t *Tape) Unshuffle(x *tensor.Tensor, pt, ph, pw int) *tensor.Tensor {
	return t.record(t.b.Unshuffle(x, pt, ph, pw), func(dy *tensor.Tensor) { t.b.UnshuffleGrad(t.grad(x), dy, pt, ph, pw) }, x)
}

// Shuffle implements tensor.Ops.
func (t *Tape) Shuffle(x *tensor.Tensor, pt, ph, pw int) *tensor.Tensor {
	return t.record(t.b.Shuffle(x, pt, ph, pw), func(dy *tensor.Tensor) { t.b.ShuffleGrad(t.grad(x), dy, pt, ph, pw) }, x)
}

// AvgPool2 implements tensor.Ops.
func (t *Tape) AvgPool2(x *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.AvgPool2(x), func(dy *tensor.Tensor) { t.b.AvgPool2Grad(t.grad(x), dy) }, x)
}

// Attention implements tensor.Ops.
func (t *Tape) Attention(q, k, v *tensor.Tensor, m tensor.Mask) *tensor.Tensor {
	y, lse := t.b.AttentionKept(q, k, v, m)
	return t.recordWith(lse, y, func(dy *tensor.Tensor) {
		t.b.AttentionGrad(t.grad(q), t.grad(k), t.grad(v), dy, y, lse, q, k, v, m)
	}, q, k, v)
}

// LinearAttention implements tensor.Ops.
func (t *Tape) LinearAttention(q, k, qr, kr, v *tensor.Tensor, segs []tensor.Segment) *tensor.Tensor {
	y, den := t.b.LinearAttentionKept(q, k, qr, kr, v, segs)
	return t.recordWith(den, y, func(dy *tensor.Tensor) {
		t.b.LinearAttentionGrad(t.grad(q), t.grad(k), t.grad(qr), t.grad(kr), t.grad(v), dy, y, den, q, k, qr, kr, v, segs)
	}, q, k, qr, kr, v)
}

// RoPE implements tensor.Ops.
func (t *Tape) RoPE(x, cos, sin *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.RoPE(x, cos, sin), func(dy *tensor.Tensor) { t.b.RoPEGrad(t.grad(x), dy, cos, sin) }, x)
}

// Concat implements tensor.Ops.
func (t *Tape) Concat(axis int, xs ...*tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.Concat(axis, xs...), func(dy *tensor.Tensor) {
		at := 0
		for _, x := range xs {
			if dx := t.grad(x); dx != nil {
				t.b.ConcatGrad(dx, dy, axis, at)
			}
			at += x.Dim(axis)
		}
	}, xs...)
}

// Narrow implements tensor.Ops.
func (t *Tape) Narrow(x *tensor.Tensor, axis, lo, hi int) *tensor.Tensor {
	return t.record(t.b.Narrow(x, axis, lo, hi), func(dy *tensor.Tensor) { t.b.NarrowGrad(t.grad(x), dy, axis, lo, hi) }, x)
}

// Embed implements tensor.Ops.
func (t *Tape) Embed(table *tensor.Tensor, ids []int32) *tensor.Tensor {
	return t.record(t.b.Embed(table, ids), func(dy *tensor.Tensor) { t.b.EmbedGrad(t.grad(table), dy, ids) }, table)
}

// PoolRows implements tensor.Ops.
func (t *Tape) PoolRows(x *tensor.Tensor, lens []int32) *tensor.Tensor {
	return t.record(t.b.PoolRows(x, lens), func(dy *tensor.Tensor) { t.b.PoolRowsGrad(t.grad(x), dy, lens) }, x)
}

// MSE implements tensor.Losses.
func (t *Tape) MSE(x, y, w *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.MSE(x, y, w), func(dloss *tensor.Tensor) {
		dx, dy := t.grad(x), t.grad(y)
		t.b.MSEGrad(dx, dy, dloss, x, y, w)
	}, x, y)
}

// L1 implements tensor.Losses.
func (t *Tape) L1(x, y *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.L1(x, y), func(dloss *tensor.Tensor) {
		dx, dy := t.grad(x), t.grad(y)
		t.b.L1Grad(dx, dy, dloss, x, y)
	}, x, y)
}

// MeanSquare implements tensor.Losses.
func (t *Tape) MeanSquare(x *tensor.Tensor) *tensor.Tensor {
	return t.record(t.b.MeanSquare(x), func(dloss *tensor.Tensor) { t.b.MeanSquareGrad(t.grad(x), dloss, x) }, x)
}
