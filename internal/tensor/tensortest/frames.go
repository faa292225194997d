package tensortest

import "github.com/kinora-video/kinora/internal/tensor"

// Operand implements tensor.Carried.
func (o *Opaque) Operand(x, g *tensor.Tensor, act tensor.Act) *tensor.Tensor {
	return o.result(o.b.Operand(o.in(x), o.in(g), act))
}

// ConvFrames implements tensor.Carried.
func (o *Opaque) ConvFrames(w, b, add *tensor.Tensor, act tensor.Act, frames ...*tensor.Tensor) *tensor.Tensor {
	inner := make([]*tensor.Tensor, len(frames))
	for i, f := range frames {
		inner[i] = o.in(f)
	}
	return o.result(o.b.ConvFrames(o.in(w), o.in(b), o.in(add), act, inner...))
}

// ConvNearest2 implements tensor.Carried.
func (o *Opaque) ConvNearest2(x, w, b, add *tensor.Tensor) *tensor.Tensor {
	return o.result(o.b.ConvNearest2(o.in(x), o.in(w), o.in(b), o.in(add)))
}

// Retain implements tensor.Backend.
func (o *Opaque) Retain(t *tensor.Tensor) *tensor.Tensor {
	kept := o.out(o.b.Retain(o.in(t)), true)
	o.forget(t)
	return kept
}
