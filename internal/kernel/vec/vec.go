// Package vec has the single-core vector primitives of the element-wise, normalisation and attention kernels:
// contiguous slices in, contiguous slices out, in AVX-512, AVX2+FMA or plain Go.
//
// It never starts a goroutine, never allocates and knows nothing about tensors: its callers split work over threads
// and lay out rows. The length of the first slice is the number of elements; shorter operands panic. A destination
// may be equal to an operand, but must not overlap it partly. The specification of every primitive is its plain Go
// twin in ref.go.
package vec

import "github.com/kinora-video/kinora/internal/simd"

// adam holds the constants of one AdamW step, in the order in which the assembly reads them.
type adam struct {
	beta1, oneMinusBeta1 float32 // m = beta1*m + oneMinusBeta1*g
	beta2, oneMinusBeta2 float32 // v = beta2*v + oneMinusBeta2*g*g
	gradScale            float32 // g = gradScale * gradient
	step                 float32 // lr / (1 - beta1^t)
	rootBias             float32 // 1 / sqrt(1 - beta2^t)
	eps                  float32
	keep                 float32 // 1 - lr*weightDecay
}

// AdamStep returns the constants of one AdamW update, see Adam.
func AdamStep(lr, beta1, beta2, eps, weightDecay, gradScale, bias1, bias2Root float32) *AdamParams {
	return &AdamParams{adam{
		beta1: beta1, oneMinusBeta1: 1 - beta1, beta2: beta2, oneMinusBeta2: 1 - beta2,
		gradScale: gradScale, step: lr / bias1, rootBias: 1 / bias2Root, eps: eps, keep: 1 - lr*weightDecay,
	}}
}

// AdamParams are the prepared constants of one AdamW update.
type AdamParams struct{ a adam }

// table is one implementation of every primitive that has more than one.
type table struct {
	add, sub, mul, mulAdd        func(dst, a, b []float32)
	scale, addScaled             func(dst, a []float32, s float32)
	mulScaled, mulAddScaled      func(dst, a, b []float32, s float32)
	modulate, gatedAdd           func(y, x, a, b []float32)
	addMul1p                     func(dst, a, b []float32)
	rmsBack                      func(dx, dy, g, x []float32, a, b float32)
	dot                          func(a, b []float32) float32
	dot3                         func(a, b, c []float32) float32
	maximum                      func(x []float32) float32
	sqDiff, absDiff              func(x, y []float32) float32
	sum                          func(x []float32) float32
	sqDev                        func(x []float32, m float32) float32
	center                       func(y, x []float32, m, k float32)
	centerAffine, centerModulate func(y, x, a, b []float32, m, k float32)
	relu, silu, gelu, geluErf    func(dst, x []float32)
	reluGrad, siluGrad, geluGrad func(dx, dy, x []float32)
	expSum                       func(dst, x []float32, scale, shift float32) float32
	expSub                       func(dst, x []float32, scale, shift float32)
	swiGLU                       func(y, a, b []float32)
	swiGLUGrad                   func(da, db, dy, a, b []float32)
	signDiff                     func(dx, x, y []float32, s float32)
	blend                        func(dst, a []float32, s, t float32)
	adamw                        func(p, m, v, g []float32, o *adam)
	toBF16, toF16                func(dst []uint16, src []float32)
	fromBF16, fromF16            func(dst []float32, src []uint16)
	rope                         func(y, x, cos, sin []float32)
	ropeInv                      func(y, x, cos, sin []float32)
	matMul                       func(m, n, k int, a []float32, rowA, colA int, b []float32, ldb int, c []float32, ldc int, acc bool)
	softmaxBack                  func(ds, p, dp []float32, delta, scale float32)
}

// use returns the implementation of the current level.
func use() *table { return &tables[simd.Current()] }

// Add sets dst = a + b.
func Add(dst, a, b []float32) { use().add(dst, a[:len(dst)], b[:len(dst)]) }

// Sub sets dst = a - b.
func Sub(dst, a, b []float32) { use().sub(dst, a[:len(dst)], b[:len(dst)]) }

// Mul sets dst = a * b.
func Mul(dst, a, b []float32) { use().mul(dst, a[:len(dst)], b[:len(dst)]) }

// MulAdd adds a*b to dst.
func MulAdd(dst, a, b []float32) { use().mulAdd(dst, a[:len(dst)], b[:len(dst)]) }

// Scale sets dst = s*a.
func Scale(dst, a []float32, s float32) { use().scale(dst, a[:len(dst)], s) }

// AddScaled adds s*a to dst.
func AddScaled(dst, a []float32, s float32) { use().addScaled(dst, a[:len(dst)], s) }

// MulScaled sets dst = s*a*b.
func MulScaled(dst, a, b []float32, s float32) { use().mulScaled(dst, a[:len(dst)], b[:len(dst)], s) }

// MulAddScaled adds s*a*b to dst.
func MulAddScaled(dst, a, b []float32, s float32) {
	use().mulAddScaled(dst, a[:len(dst)], b[:len(dst)], s)
}

// Modulate sets y = x*(1+scale) + shift.
func Modulate(y, x, scale, shift []float32) {
	n := len(y)
	use().modulate(y, x[:n], scale[:n], shift[:n])
}

// AddMul1p adds a*(1+b) to dst: Modulate's gradient with respect to x.
func AddMul1p(dst, a, b []float32) { use().addMul1p(dst, a[:len(dst)], b[:len(dst)]) }

// GatedAdd sets y = x + gate*z.
func GatedAdd(y, x, z, gate []float32) { n := len(y); use().gatedAdd(y, x[:n], z[:n], gate[:n]) }

// RMSBack adds a*dy*g + b*x to dx: one row of the gradient of RMS normalisation.
func RMSBack(dx, dy, g, x []float32, a, b float32) {
	n := len(dx)
	use().rmsBack(dx, dy[:n], g[:n], x[:n], a, b)
}

// Dot returns the sum of a*b, in an order that depends only on len(a) and the level.
func Dot(a, b []float32) float32 { return use().dot(a, b[:len(a)]) }

// Dot3 returns the sum of a*b*c.
func Dot3(a, b, c []float32) float32 { return use().dot3(a, b[:len(a)], c[:len(a)]) }

// Max returns the largest element of x, -Inf if x is empty. A NaN in x may be ignored.
func Max(x []float32) float32 { return use().maximum(x) }

// SqDiff returns the sum of (x-y)².
func SqDiff(x, y []float32) float32 { return use().sqDiff(x, y[:len(x)]) }

// AbsDiff returns the sum of |x-y|.
func AbsDiff(x, y []float32) float32 { return use().absDiff(x, y[:len(x)]) }

// Sum returns the sum of x.
func Sum(x []float32) float32 { return use().sum(x) }

// SqDev returns the sum of (x-m)².
func SqDev(x []float32, m float32) float32 { return use().sqDev(x, m) }

// Center sets y = (x-m)*k: one row of layer normalisation.
func Center(y, x []float32, m, k float32) { use().center(y, x[:len(y)], m, k) }

// CenterAffine sets y = (x-m)*k*g + b.
func CenterAffine(y, x, g, b []float32, m, k float32) {
	n := len(y)
	use().centerAffine(y, x[:n], g[:n], b[:n], m, k)
}

// CenterModulate sets y = (x-m)*k*(1+scale) + shift.
func CenterModulate(y, x, scale, shift []float32, m, k float32) {
	n := len(y)
	use().centerModulate(y, x[:n], scale[:n], shift[:n], m, k)
}

// ExpSub sets dst = e^(scale*x - shift).
func ExpSub(dst, x []float32, scale, shift float32) { use().expSub(dst, x[:len(dst)], scale, shift) }

// ExpSum sets dst = e^(scale*x - shift) and returns the sum of dst.
func ExpSum(dst, x []float32, scale, shift float32) float32 {
	return use().expSum(dst, x[:len(dst)], scale, shift)
}

// ReLU sets dst = max(x, 0).
func ReLU(dst, x []float32) { use().relu(dst, x[:len(dst)]) }

// ReLUGrad adds dy where x > 0 to dx.
func ReLUGrad(dx, dy, x []float32) { use().reluGrad(dx, dy[:len(dx)], x[:len(dx)]) }

// SiLU sets dst = x * sigmoid(x).
func SiLU(dst, x []float32) { use().silu(dst, x[:len(dst)]) }

// SiLUGrad adds dy * silu'(x) to dx.
func SiLUGrad(dx, dy, x []float32) { use().siluGrad(dx, dy[:len(dx)], x[:len(dx)]) }

// GELU sets dst to the tanh form of the Gaussian error linear unit (Hendrycks and Gimpel 2016) of x.
func GELU(dst, x []float32) { use().gelu(dst, x[:len(dst)]) }

// GELUErf sets dst = x*Φ(x), the Gaussian error linear unit itself. Φ is off by less than 2e-7 (Abramowitz and
// Stegun 1964, 7.1.26).
func GELUErf(dst, x []float32) { use().geluErf(dst, x[:len(dst)]) }

// GELUGrad adds dy * gelu'(x) to dx.
func GELUGrad(dx, dy, x []float32) { use().geluGrad(dx, dy[:len(dx)], x[:len(dx)]) }

// SwiGLU sets y = silu(a) * b (Shazeer 2020).
func SwiGLU(y, a, b []float32) { use().swiGLU(y, a[:len(y)], b[:len(y)]) }

// SwiGLUGrad adds the gradients of SwiGLU to da and db.
func SwiGLUGrad(da, db, dy, a, b []float32) {
	n := len(da)
	use().swiGLUGrad(da, db[:n], dy[:n], a[:n], b[:n])
}

// SignDiff adds s*sign(x-y) to dx; the sign of 0 is 0.
func SignDiff(dx, x, y []float32, s float32) { use().signDiff(dx, x[:len(dx)], y[:len(dx)], s) }

// Lerp sets dst = decay*dst + (1-decay)*src.
func Lerp(dst, src []float32, decay float32) { use().blend(dst, src[:len(dst)], decay, 1-decay) }

// Adam updates the parameters p and the moments m and v from the gradient g (Loshchilov and Hutter 2019).
func Adam(p, m, v, g []float32, o *AdamParams) {
	n := len(p)
	use().adamw(p, m[:n], v[:n], g[:n], &o.a)
}

// ToBF16 rounds src to bfloat16, ties to even; a NaN stays a NaN.
func ToBF16(dst []uint16, src []float32) { use().toBF16(dst, src[:len(dst)]) }

// FromBF16 widens bfloat16 to float32.
func FromBF16(dst []float32, src []uint16) { use().fromBF16(dst, src[:len(dst)]) }

// ToF16 rounds src to IEEE half precision, ties to even; values that are too large become infinite.
func ToF16(dst []uint16, src []float32) { use().toF16(dst, src[:len(dst)]) }

// FromF16 widens IEEE half precision to float32.
func FromF16(dst []float32, src []uint16) { use().fromF16(dst, src[:len(dst)]) }

// RoPE rotates the pairs (x[2i], x[2i+1]) by the angles whose cosines and sines are given (Su et al. 2021), or back.
// x may hold several heads, each of 2*len(cos) elements and rotated by the same angles.
func RoPE(y, x, cos, sin []float32, inverse bool) {
	x, sin = x[:len(y)], sin[:len(cos)]
	if len(y) == 0 {
		return
	}
	if len(cos) == 0 || len(y)%(2*len(cos)) != 0 {
		panic("vec.RoPE: the elements do not divide into heads")
	}
	if inverse {
		use().ropeInv(y, x, cos, sin)
		return
	}
	use().rope(y, x, cos, sin)
}

// SoftmaxBack sets ds = p*(dp-delta)*scale: the gradient of softmax through its input's scale.
func SoftmaxBack(ds, p, dp []float32, delta, scale float32) {
	n := len(ds)
	use().softmaxBack(ds, p[:n], dp[:n], delta, scale)
}
