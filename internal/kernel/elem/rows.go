package elem

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// The kernels of this file apply conditioning rows: each row of a [rows/group, c] tensor serves group consecutive rows of
// a [rows, c] tensor.

func checkGroup(name string, rows, group int) {
	if group <= 0 || rows%group != 0 {
		panic(fmt.Sprintf("elem.%s: %d rows do not divide into groups of %d", name, rows, group))
	}
}

// overRows calls f with every row's span and its conditioning row's span.
func overRows(rows, c, group int, f func(x0, x1, c0, c1 int)) {
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			q := r / group * c
			f(r*c, (r+1)*c, q, q+c)
		}
	})
}

// overGroups calls f with pieces of rows, in the order of rows within a group. All rows of a group are passed,
// column range by column range, to calls in sequence on one thread: so f may accumulate into the conditioning row
// without a lock and in a fixed order.
func overGroups(rows, c, group int, f func(x0, x1, c0, c1 int)) {
	width := 256
	if rows/group < 16 {
		width = 64
	}
	pieces := (c + width - 1) / width
	simd.For(rows/group*pieces, max(1, grain/(group*min(width, max(c, 1)))), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			q, j := i/pieces, i%pieces*width
			w := min(width, c-j)
			for r := q * group; r < (q+1)*group; r++ {
				f(r*c+j, r*c+j+w, q*c+j, q*c+j+w)
			}
		}
	})
}

// Modulate computes y = x*(1+scale) + shift for x, y [rows, c] and scale, shift [rows/group, c].
func Modulate(y, x, scale, shift []float32, rows, c, group int) {
	checkGroup("Modulate", rows, group)
	check.Len("elem.Modulate", "y", y, rows*c)
	check.Len("elem.Modulate", "x", x, rows*c)
	check.Len("elem.Modulate", "scale", scale, rows/group*c)
	check.Len("elem.Modulate", "shift", shift, rows/group*c)
	overRows(rows, c, group, func(a, b, p, q int) { vec.Modulate(y[a:b], x[a:b], scale[p:q], shift[p:q]) })
}

// ModulateGrad adds the gradients of Modulate to dx [rows, c], dscale and dshift [rows/group, c].
func ModulateGrad(dx, dscale, dshift, dy, x, scale []float32, rows, c, group int) {
	checkGroup("ModulateGrad", rows, group)
	check.Len("elem.ModulateGrad", "dy", dy, rows*c)
	if dx != nil {
		check.Len("elem.ModulateGrad", "dx", dx, rows*c)
		check.Len("elem.ModulateGrad", "scale", scale, rows/group*c)
	}
	if dscale != nil {
		check.Len("elem.ModulateGrad", "dscale", dscale, rows/group*c)
		check.Len("elem.ModulateGrad", "x", x, rows*c)
	}
	if dshift != nil {
		check.Len("elem.ModulateGrad", "dshift", dshift, rows/group*c)
	}
	overGroups(rows, c, group, func(a, b, p, q int) {
		if dx != nil {
			vec.AddMul1p(dx[a:b], dy[a:b], scale[p:q])
		}
		if dscale != nil {
			vec.MulAdd(dscale[p:q], dy[a:b], x[a:b])
		}
		if dshift != nil {
			vec.Add(dshift[p:q], dshift[p:q], dy[a:b])
		}
	})
}

// GatedAdd computes y = x + gate*z for x, y, z [rows, c] and gate [rows/group, c].
func GatedAdd(y, x, z, gate []float32, rows, c, group int) {
	checkGroup("GatedAdd", rows, group)
	check.Len("elem.GatedAdd", "y", y, rows*c)
	check.Len("elem.GatedAdd", "x", x, rows*c)
	check.Len("elem.GatedAdd", "z", z, rows*c)
	check.Len("elem.GatedAdd", "gate", gate, rows/group*c)
	overRows(rows, c, group, func(a, b, p, q int) { vec.GatedAdd(y[a:b], x[a:b], z[a:b], gate[p:q]) })
}

// GatedAddGrad adds the gradients of GatedAdd to dz [rows, c] and dgate [rows/group, c]. The gradient of x is dy itself.
func GatedAddGrad(dz, dgate, dy, z, gate []float32, rows, c, group int) {
	checkGroup("GatedAddGrad", rows, group)
	check.Len("elem.GatedAddGrad", "dy", dy, rows*c)
	if dz != nil {
		check.Len("elem.GatedAddGrad", "dz", dz, rows*c)
		check.Len("elem.GatedAddGrad", "gate", gate, rows/group*c)
	}
	if dgate != nil {
		check.Len("elem.GatedAddGrad", "dgate", dgate, rows/group*c)
		check.Len("elem.GatedAddGrad", "z", z, rows*c)
	}
	overGroups(rows, c, group, func(a, b, p, q int) {
		if dz != nil {
			vec.MulAdd(dz[a:b], dy[a:b], gate[p:q])
		}
		if dgate != nil {
			vec.MulAdd(dgate[p:q], dy[a:b], z[a:b])
		}
	})
}

// AddRows computes y = x + r for x, y [rows, c] and r [rows/group, c].
func AddRows(y, x, r []float32, rows, c, group int) {
	checkGroup("AddRows", rows, group)
	check.Len("elem.AddRows", "y", y, rows*c)
	check.Len("elem.AddRows", "x", x, rows*c)
	check.Len("elem.AddRows", "r", r, rows/group*c)
	overRows(rows, c, group, func(a, b, p, q int) { vec.Add(y[a:b], x[a:b], r[p:q]) })
}

// SumRows adds the sums over each group of rows of dy [rows, c] to dr [rows/group, c]: the gradient of AddRows.
func SumRows(dr, dy []float32, rows, c, group int) {
	if dr == nil {
		return
	}
	checkGroup("SumRows", rows, group)
	check.Len("elem.SumRows", "dr", dr, rows/group*c)
	check.Len("elem.SumRows", "dy", dy, rows*c)
	overGroups(rows, c, group, func(a, b, p, q int) { vec.Add(dr[p:q], dr[p:q], dy[a:b]) })
}

// RoPE rotates the pairs (2i, 2i+1) of every head (Su et al. 2021): x, y [rows, heads, dim]; cos, sin [positions, dim/2].
// Row r has position r % positions. Inverse rotates back, which is also the gradient. y may be x.
func RoPE(y, x, cos, sin []float32, rows, heads, dim, positions int, inverse bool) {
	if dim%2 != 0 || positions <= 0 {
		panic(fmt.Sprintf("elem.RoPE: head size %d must be even and positions %d positive", dim, positions))
	}
	c := heads * dim
	check.Len("elem.RoPE", "y", y, rows*c)
	check.Len("elem.RoPE", "x", x, rows*c)
	check.Len("elem.RoPE", "cos", cos, min(rows, positions)*dim/2)
	check.Len("elem.RoPE", "sin", sin, min(rows, positions)*dim/2)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			p := r % positions * (dim / 2)
			vec.RoPE(y[r*c:(r+1)*c], x[r*c:(r+1)*c], cos[p:p+dim/2], sin[p:p+dim/2], inverse)
		}
	})
}

// RoPEHalves rotates the pairs (i, i+dim/2) of every head, for i < dim/2: x, y [rows, heads, dim]; cos, sin [positions,
// dim/2]. Row r has position r % positions. y must not be x.
func RoPEHalves(y, x, cos, sin []float32, rows, heads, dim, positions int) {
	if dim%2 != 0 || positions <= 0 {
		panic(fmt.Sprintf("elem.RoPEHalves: head size %d must be even and positions %d positive", dim, positions))
	}
	c, half := heads*dim, dim/2
	check.Len("elem.RoPEHalves", "y", y, rows*c)
	check.Len("elem.RoPEHalves", "x", x, rows*c)
	check.Len("elem.RoPEHalves", "cos", cos, min(rows, positions)*half)
	check.Len("elem.RoPEHalves", "sin", sin, min(rows, positions)*half)
	simd.For(rows, rowGrain(c), func(lo, hi int) {
		for at := lo * c; at < hi*c; at += dim {
			p := at / c % positions * half
			cos, sin := cos[p:p+half], sin[p:p+half]
			y1, y2 := y[at:][:half], y[at+half:][:half]
			x1, x2 := x[at:][:half], x[at+half:][:half]
			vec.Mul(y2, x2, sin)
			vec.Mul(y1, x1, cos)
			vec.Sub(y1, y1, y2)
			vec.Mul(y2, x2, cos)
			vec.MulAdd(y2, x1, sin)
		}
	})
}
