package tensor

// A Trainer is a backend that a model can be trained on: it has the derivative
// of each operation of Ops and Losses, and an optimizer for the parameters.
type Trainer interface {
	Backend
	Losses
	Gradients
	Optimizer
}

// Gradients are the derivatives of Ops and Losses, and what else a tape needs
// to go backward.
//
// dy is the gradient of an operation's result. The gradients of its arguments
// are added to: dx += ∂y/∂x·dy. A nil gradient is not computed. With fresh, dx
// is undefined memory and is set instead.
type Gradients interface {
	// Empty and Zeros return results to be filled; Lasting returns zeros that
	// outlive Reset.
	Empty(shape ...int) *Tensor
	Zeros(shape ...int) *Tensor
	Lasting(shape ...int) *Tensor
	// Copy sets dst to src; AddTo adds s·src to it; Clear sets it to zeros.
	Copy(dst, src *Tensor)
	AddTo(dst, src *Tensor, s float32)
	Clear(dst *Tensor)

	// These are the operations of the same names that also return what their
	// derivatives need: 1/rms of each row, the logarithms of the softmax sums,
	// the denominators.
	RMSNormKept(x, g *Tensor) (y, rstd *Tensor)
	AttentionKept(q, k, v *Tensor, m Mask) (y, lse *Tensor)
	LinearAttentionKept(q, k, qr, kr, v *Tensor, segs []Segment) (y, den *Tensor)

	// PReLU is what ConvPReLU ends in, by itself: its way back takes what came
	// before it.
	PReLU(x, slope *Tensor) *Tensor

	// RouteCounts returns how many rows each expert gets.
	RouteCounts(r *Routes) []int

	LinearGrad(dx *Tensor, fresh bool, dw, db, dy, x, w *Tensor)
	DispatchGrad(dx, dy *Tensor, r *Routes)
	GroupedLinearGrad(dx *Tensor, fresh bool, dw, dy, x, w *Tensor, r *Routes)
	CombineGrad(dx, dweights, dy, x, weights *Tensor, r *Routes)
	MulGrad(dx, dy, y *Tensor)
	AddRowsGrad(dr, dy *Tensor)
	ActivateGrad(dx, dy, x *Tensor, act Act)
	SwiGLUGrad(dx, dy, x *Tensor)
	SoftmaxGrad(dx, dy, y *Tensor)
	RMSNormGrad(dx, dg, dy, x, g, rstd *Tensor)
	ModulateGrad(dx, dscale, dshift, dy, x, scale *Tensor)
	GatedAddGrad(dz, dgate, dy, z, gate *Tensor)
	ConvGrad(dx, dw, db, dy, x, w, past *Tensor)
	PReLUGrad(dx, dslope, dy, x, slope *Tensor)
	DepthwiseGrad(dx, dw, db, dy, x, w, past *Tensor)
	UnshuffleGrad(dx, dy *Tensor, pt, ph, pw int)
	ShuffleGrad(dx, dy *Tensor, pt, ph, pw int)
	AvgPool2Grad(dx, dy *Tensor)
	AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v *Tensor, m Mask)
	LinearAttentionGrad(dq, dk, dqr, dkr, dv, dy, y, den, q, k, qr, kr, v *Tensor, segs []Segment)
	RoPEGrad(dx, dy, cos, sin *Tensor)
	// ConcatGrad is for the argument that begins at index at of the axis.
	ConcatGrad(dx, dy *Tensor, axis, at int)
	NarrowGrad(dx, dy *Tensor, axis, lo, hi int)
	EmbedGrad(dtable, dy *Tensor, ids []int32)
	PoolRowsGrad(dx, dy *Tensor, lens []int32)

	MSEGrad(dx, dy, dloss, x, y, w *Tensor)
	L1Grad(dx, dy, dloss, x, y *Tensor)
	MeanSquareGrad(dx, dloss, x *Tensor)
}

// An Optimizer steps parameters in place.
type Optimizer interface {
	// SquareSum is the sum of the squares of all elements, added in order.
	SquareSum(ts ...*Tensor) float64
	// Optimize takes the steps. No two steps share a tensor.
	Optimize(steps []Step)
	// Store replaces the elements of a tensor; Download reads them.
	Store(t *Tensor, values []float32)
}

// A Step moves a parameter along its gradient, and then its moving average.
type Step struct {
	Param, Average *Tensor
	// Grad is nil if the parameter has none: then only the average moves.
	Grad *Tensor
	M, V *Tensor // moments
	// Muon steps a matrix, or a stack of them [E, N, K], by Muon; else AdamW.
	Muon                  bool
	LR, Beta1, Beta2, Eps float64
	Decay                 float64 // of the parameter
	Scale                 float64 // multiplies the gradient
	Number                int     // of the step, from 1
	AverageDecay          float64
}
