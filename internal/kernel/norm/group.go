package norm

import (
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// pixelSums returns, in float64, count sums for every channel of every image: f adds the rows [lo, hi) of x [n*hw, c]
// to count rows of c cleared float32 sums, in blocks that never cross an image.
func pixelSums(n, hw, c, count int, f func(sums [][]float32, image, lo, hi int)) []float64 {
	step := rowGrain(c)
	blocks := (hw + step - 1) / step
	partial := make([]float32, n*blocks*count*c)
	simd.For(n*blocks, 1, func(first, last int) {
		for i := first; i < last; i++ {
			sums := make([][]float32, count)
			for k := range sums {
				sums[k] = partial[(i*count+k)*c : (i*count+k+1)*c]
			}
			image, lo := i/blocks, i%blocks*step
			f(sums, image, image*hw+lo, image*hw+min(lo+step, hw))
		}
	})
	out := make([]float64, n*count*c)
	for i := range n * blocks {
		dst := out[i/blocks*count*c : (i/blocks+1)*count*c]
		for j, v := range partial[i*count*c : (i+1)*count*c] {
			dst[j] += float64(v)
		}
	}
	return out
}

// Group normalises the groups of channels of every image of x [n, hw, c] to mean 0 and variance 1 (Wu and He 2018), then
// applies the gain g [c] and the bias b [c], each nil for none. Means and reciprocal deviations go to mean and rstd
// [n, groups] unless nil. c must divide by groups. y may be x.
func Group(y, mean, rstd, x, g, b []float32, n, hw, c, groups int, eps float32) {
	checkGroups("Group", c, groups)
	need("Group: y", len(y), n*hw*c)
	need("Group: x", len(x), n*hw*c)
	needIf("Group: mean", mean, n*groups)
	needIf("Group: rstd", rstd, n*groups)
	needIf("Group: g", g, c)
	needIf("Group: b", b, c)
	per := c / groups
	count := float64(hw * per)
	sums := pixelSums(n, hw, c, 1, func(sums [][]float32, _, lo, hi int) {
		for r := lo; r < hi; r++ {
			vec.Add(sums[0], sums[0], x[r*c:(r+1)*c])
		}
	})
	shift := make([]float32, n*c) // minus the mean, for every channel
	for i := range n * groups {
		var s float64
		for _, v := range sums[i*per : (i+1)*per] {
			s += v
		}
		for j := i * per; j < (i+1)*per; j++ {
			shift[j] = float32(-s / count)
		}
		if mean != nil {
			mean[i] = float32(s / count)
		}
	}
	squares := pixelSums(n, hw, c, 1, func(sums [][]float32, image, lo, hi int) {
		centred := make([]float32, c)
		for r := lo; r < hi; r++ {
			vec.Add(centred, x[r*c:(r+1)*c], shift[image*c:(image+1)*c])
			vec.MulAdd(sums[0], centred, centred)
		}
	})
	gain := make([]float32, n*c)
	for i := range n * groups {
		var s float64
		for _, v := range squares[i*per : (i+1)*per] {
			s += v
		}
		k := rsqrt(s/count, eps)
		if rstd != nil {
			rstd[i] = k
		}
		for j := i * per; j < (i+1)*per; j++ {
			gain[j] = k
			if g != nil {
				gain[j] *= g[j%c]
			}
			shift[j] *= gain[j]
			if b != nil {
				shift[j] += b[j%c]
			}
		}
	}
	simd.For(n*hw, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			at := r / hw * c
			vec.Affine(y[r*c:(r+1)*c], x[r*c:(r+1)*c], gain[at:at+c], shift[at:at+c])
		}
	})
}

// GroupGrad adds the gradients of Group to dx [n, hw, c], dg and db [c], from dy, the input x and the mean and rstd
// [n, groups] that Group kept.
func GroupGrad(dx, dg, db, dy, x, g, mean, rstd []float32, n, hw, c, groups int) {
	checkGroups("GroupGrad", c, groups)
	needIf("GroupGrad: dx", dx, n*hw*c)
	needIf("GroupGrad: dg", dg, c)
	needIf("GroupGrad: db", db, c)
	need("GroupGrad: dy", len(dy), n*hw*c)
	need("GroupGrad: x", len(x), n*hw*c)
	needIf("GroupGrad: g", g, c)
	need("GroupGrad: mean", len(mean), n*groups)
	need("GroupGrad: rstd", len(rstd), n*groups)
	per := c / groups
	g = gains(g, c)
	minus := make([]float32, n*c)
	for i := range minus {
		minus[i] = -mean[i/per]
	}
	// sums[0] = Σ dy and sums[1] = Σ dy*(x-mean), for every channel of every image.
	sums := pixelSums(n, hw, c, 2, func(sums [][]float32, image, lo, hi int) {
		centred := make([]float32, c)
		for r := lo; r < hi; r++ {
			dyr := dy[r*c : (r+1)*c]
			vec.Add(centred, x[r*c:(r+1)*c], minus[image*c:(image+1)*c])
			vec.Add(sums[0], sums[0], dyr)
			vec.MulAdd(sums[1], dyr, centred)
		}
	})
	// dx = k*(dy*g - s/m - hat*t/m) = dy*(k*g) + x*slope + level, with s = Σ dy*g and t = Σ dy*g*hat over the group.
	gain, slope, level := make([]float32, n*c), make([]float32, n*c), make([]float32, n*c)
	m := float64(hw * per)
	for i := range n * groups {
		image, first, k := i/groups, i%groups*per, float64(rstd[i])
		s1, s2 := sums[image*2*c:][:c], sums[(image*2+1)*c:][:c]
		var s, t float64
		for j := first; j < first+per; j++ {
			s += s1[j] * float64(g[j])
			t += s2[j] * float64(g[j]) * k
			if dg != nil {
				dg[j] += float32(s2[j] * k)
			}
			if db != nil {
				db[j] += float32(s1[j])
			}
		}
		for j := first; j < first+per; j++ {
			at := image*c + j
			gain[at] = float32(k * float64(g[j]))
			slope[at] = float32(-k * k * t / m)
			level[at] = float32(-k*s/m) - slope[at]*mean[i]
		}
	}
	if dx == nil {
		return
	}
	simd.For(n*hw, rowGrain(c), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			at := r / hw * c
			row := dx[r*c : (r+1)*c]
			vec.MulAdd(row, dy[r*c:(r+1)*c], gain[at:at+c])
			vec.MulAdd(row, x[r*c:(r+1)*c], slope[at:at+c])
			vec.Add(row, row, level[at:at+c])
		}
	})
}

func checkGroups(name string, c, groups int) {
	if groups <= 0 || c%groups != 0 {
		panic("norm." + name + ": the channels do not divide into the groups")
	}
}
