// Package gemm multiplies matrices: f32, bf16 operands with f32 sums, int8, and
// weights in blocks of small numbers (Codes), each with an epilogue of bias,
// activation and residual, one at a time or in groups (one per expert).
//
// The same input gives the same bytes for any number of threads: the order in
// which an element's products are summed depends on the sizes alone. Between
// vector levels the order differs, and with it the last bits.
//
// It never keeps a caller's slice after a call has returned (Pack copies), and
// it never checks values: infinities and NaNs go through as arithmetic has it.
package gemm

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/simd"
)

// Precision says how the operands of a product are held while multiplied. Sums
// are always f32.
type Precision uint8

const (
	// F32 multiplies the operands as they are.
	F32 Precision = iota
	// BF16 rounds both operands to bfloat16 first, to nearest, ties to even
	// (RoundBF16), which is about twice as quick where the CPU has AVX512_BF16.
	BF16
)

// Act is an activation function applied element by element.
type Act uint8

const (
	// None is the identity.
	None Act = iota
	// ReLU is max(x, 0).
	ReLU
	// SiLU is x·σ(x) (Elfwing et al. 2017, arXiv:1702.03118).
	SiLU
	// GELU is ½x(1+tanh(√(2/π)(x+0.044715x³))) (Hendrycks and Gimpel 2016,
	// arXiv:1606.08415, the tanh form).
	GELU
)

// Matrix is a logical r×c view: element (i,j) is Data[i*Stride+j], or
// Data[j*Stride+i] when Trans.
type Matrix struct {
	Data   []float32
	Stride int
	Trans  bool
}

// Epilogue says what becomes of a product:
//
//	C = act(A·B + Bias) + Residual
//
// Bias is [n], nil for none. Slope is [n] or nil: with it act is PReLU (He et
// al. 2015, arXiv:1502.01852), column j's x where x > 0 and Slope[j]·x elsewhere,
// and Act is None. Residual is [m,n] with C's stride, nil for none,
// and may be C itself. With Accumulate, C += A·B and no other field is set.
type Epilogue struct {
	Bias       []float32
	Slope      []float32
	Act        Act
	Residual   []float32
	Accumulate bool
}

// Mul computes the [m,n] product of a [m,k] and b [k,n] into c, whose rows are
// ldc apart. c must not overlap a or b. It panics where a slice is too short.
func Mul(p Precision, m, n, k int, a, b Matrix, c []float32, ldc int, ep Epilogue) {
	pr := product{m: m, a: a, b: b, c: c, ldc: ldc, ep: ep}
	pr.check(n, k)
	b.check("b", k, n)
	if m == 0 || n == 0 {
		return
	}
	mulAll(pathFor(p), n, k, []product{pr})
}

// Packed is a [k,n] matrix rounded and laid out once for MulPacked, as weights
// are that serve many products. It belongs to the vector level at which it was
// packed and may be used by any number of goroutines.
type Packed struct {
	plan  plan
	cells []float32
}

// Pack lays out b [k,n] for MulPacked.
func Pack(p Precision, k, n int, b Matrix) *Packed {
	b.check("b", k, n)
	w := &Packed{plan: newPlan(pathFor(p), n, k)}
	w.cells = alignedCells(w.plan.cells())
	simd.For(w.plan.packTasks(w.plan.blocks), 1, func(lo, hi int) { w.plan.packB(w.cells, b, 0, w.plan.blocks, lo) })
	return w
}

// MulPacked is Mul with b packed before; its precision is that of Pack.
func MulPacked(m int, a Matrix, b *Packed, c []float32, ldc int, ep Epilogue) {
	pr := product{m: m, a: a, c: c, ldc: ldc, ep: ep}
	pl := &b.plan
	pr.check(pl.n, pl.k)
	if m == 0 || pl.n == 0 {
		return
	}
	w := pl.newWork(&pr, pl.blocks)
	w.b = b.cells
	pl.multiply([]work{w}, 0, pl.blocks)
}

// Group is one product of Grouped: A [M,k], B [k,n], C [M,n] with rows LDC
// apart; Bias [n] and Residual [M,n] may be nil.
type Group struct {
	M        int
	A, B     Matrix
	C        []float32
	LDC      int
	Bias     []float32
	Residual []float32
}

// Grouped computes one product per group, as a mixture of experts needs: all
// share n and k, each has its own M, which may be 0. Each is
// C = act(A·B + Bias) + Residual, or C += A·B with accumulate.
func Grouped(p Precision, n, k int, groups []Group, act Act, accumulate bool) {
	prs := make([]product, 0, len(groups))
	for _, g := range groups {
		ep := Epilogue{Bias: g.Bias, Act: act, Residual: g.Residual, Accumulate: accumulate}
		pr := product{m: g.M, a: g.A, b: g.B, c: g.C, ldc: g.LDC, ep: ep}
		pr.check(n, k)
		if g.M == 0 || n == 0 {
			continue
		}
		g.B.check("b", k, n)
		prs = append(prs, pr)
	}
	mulAll(pathFor(p), n, k, prs)
}

// check panics unless the view of r×c lies inside the data.
func (x Matrix) check(name string, r, c int) {
	if r <= 0 || c <= 0 {
		return
	}
	rows, cols := r, c
	if x.Trans {
		rows, cols = c, r
	}
	if x.Stride < cols || len(x.Data) < (rows-1)*x.Stride+cols {
		panic(fmt.Sprintf("gemm: %s is %d×%d (trans %v, stride %d) but holds %d values", name, r, c, x.Trans, x.Stride, len(x.Data)))
	}
}

// at returns the view that starts at row i and column j.
func (x Matrix) at(i, j int) []float32 {
	if x.Trans {
		i, j = j, i
	}
	return x.Data[i*x.Stride+j:]
}

// product is one C = A·B with its epilogue; b is unused where B is packed.
type product struct {
	m    int
	a, b Matrix
	c    []float32
	ldc  int
	ep   Epilogue
	// whole, if not nil, says how A is quantised as a whole, by MulUint8.
	whole *uniform
}

func (p *product) check(n, k int) {
	if p.m < 0 || n < 0 || k < 0 {
		panic(fmt.Sprintf("gemm: negative size: m %d, n %d, k %d", p.m, n, k))
	}
	if p.m == 0 || n == 0 {
		return
	}
	p.a.check("a", p.m, k)
	Matrix{Data: p.c, Stride: p.ldc}.check("c", p.m, n)
	checkEpilogue(&p.ep, n)
	if p.ep.Residual != nil {
		Matrix{Data: p.ep.Residual, Stride: p.ldc}.check("residual", p.m, n)
	}
}

// checkEpilogue panics where an epilogue of n columns contradicts itself or is
// too short; its residual is not looked at.
func checkEpilogue(ep *Epilogue, n int) {
	if ep.Accumulate && (ep.Bias != nil || ep.Slope != nil || ep.Act != None || ep.Residual != nil) {
		panic("gemm: Accumulate excludes Bias, Slope, Act and Residual")
	}
	if ep.Slope != nil && (ep.Act != None || len(ep.Slope) < n) {
		panic(fmt.Sprintf("gemm: a slope of %d values for %d columns, with act %d", len(ep.Slope), n, ep.Act))
	}
	if ep.Bias != nil && len(ep.Bias) < n {
		panic(fmt.Sprintf("gemm: bias holds %d values for %d columns", len(ep.Bias), n))
	}
}

func (e *Epilogue) empty() bool {
	return e.Bias == nil && e.Slope == nil && e.Act == None && e.Residual == nil
}
