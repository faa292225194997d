package elem

import (
	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// patches enumerates the correspondence between x [n, t*pt, h*ph, w*pw, c] and y [n, t, h, w, pt*ph*pw*c]: it calls
// f with the offsets of runs of pw*c elements that are contiguous in both.
func patches(n, t, h, w, c, pt, ph, pw int, f func(xo, yo, run int)) {
	run := pw * c
	row := w * run // one line of pixels of x
	simd.For(n*t*h, max(1, grain/max(1, row*pt*ph)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			it, ih := i/h, i%h // it counts n and t together
			for jt := range pt {
				for jh := range ph {
					xo := (((it*pt+jt)*h+ih)*ph + jh) * row
					yo := (i*w*pt*ph + jt*ph + jh) * run
					for range w {
						f(xo, yo, run)
						xo += run
						yo += pt * ph * run
					}
				}
			}
		}
	})
}

func checkPatches(name string, y, x []float32, n, t, h, w, c, pt, ph, pw int) {
	size := n * t * h * w * c * pt * ph * pw
	check.Len(name, "y", y, size)
	check.Len(name, "x", x, size)
}

// Unshuffle moves pixels into channels: x [n, t*pt, h*ph, w*pw, c] → y [n, t, h, w, pt*ph*pw*c], channels in the order
// pt, ph, pw, c.
func Unshuffle(y, x []float32, n, t, h, w, c, pt, ph, pw int) {
	checkPatches("elem.Unshuffle", y, x, n, t, h, w, c, pt, ph, pw)
	patches(n, t, h, w, c, pt, ph, pw, func(xo, yo, run int) { copy(y[yo:yo+run], x[xo:xo+run]) })
}

// UnshuffleAdd adds the result of Unshuffle to y: the gradient of Shuffle.
func UnshuffleAdd(y, x []float32, n, t, h, w, c, pt, ph, pw int) {
	checkPatches("elem.UnshuffleAdd", y, x, n, t, h, w, c, pt, ph, pw)
	patches(n, t, h, w, c, pt, ph, pw, func(xo, yo, run int) { vec.Add(y[yo:yo+run], y[yo:yo+run], x[xo:xo+run]) })
}

// Shuffle moves channels into pixels, the inverse of Unshuffle: x [n, t, h, w, pt*ph*pw*c] → y [n, t*pt, h*ph, w*pw, c].
func Shuffle(y, x []float32, n, t, h, w, c, pt, ph, pw int) {
	checkPatches("elem.Shuffle", y, x, n, t, h, w, c, pt, ph, pw)
	patches(n, t, h, w, c, pt, ph, pw, func(yo, xo, run int) { copy(y[yo:yo+run], x[xo:xo+run]) })
}

// ShuffleAdd adds the result of Shuffle to y: the gradient of Unshuffle.
func ShuffleAdd(y, x []float32, n, t, h, w, c, pt, ph, pw int) {
	checkPatches("elem.ShuffleAdd", y, x, n, t, h, w, c, pt, ph, pw)
	patches(n, t, h, w, c, pt, ph, pw, func(yo, xo, run int) { vec.Add(y[yo:yo+run], y[yo:yo+run], x[xo:xo+run]) })
}

// quads calls f once for every pixel of the small image [n, h, w, c], with its offset and the offsets of the two
// pairs of pixels, each 2*c long, that it corresponds to in the large image [n, 2h, 2w, c].
func quads(n, h, w, c int, f func(small, top, bottom int)) {
	simd.For(n*h, max(1, grain/max(1, 4*w*c)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			for j := range w {
				top := (2*i*2*w + 2*j) * c
				f((i*w+j)*c, top, top+2*w*c)
			}
		}
	})
}

// addQuad adds scale times the sum of four pixels to dst.
func addQuad(dst, x []float32, top, bottom, c int, scale float32) {
	vec.AddScaled(dst, x[top:top+c], scale)
	vec.AddScaled(dst, x[top+c:top+2*c], scale)
	vec.AddScaled(dst, x[bottom:bottom+c], scale)
	vec.AddScaled(dst, x[bottom+c:bottom+2*c], scale)
}

// AvgPool2 averages squares of 2×2 pixels: x [n, 2h, 2w, c] → y [n, h, w, c].
func AvgPool2(y, x []float32, n, h, w, c int) {
	check.Len("elem.AvgPool2", "y", y, n*h*w*c)
	check.Len("elem.AvgPool2", "x", x, 4*n*h*w*c)
	quads(n, h, w, c, func(s, top, bottom int) {
		clear(y[s : s+c])
		addQuad(y[s:s+c], x, top, bottom, c, 0.25)
	})
}

// AvgPool2Grad adds a quarter of every pixel of dy [n, h, w, c] to the four pixels of dx [n, 2h, 2w, c] it came from.
func AvgPool2Grad(dx, dy []float32, n, h, w, c int) {
	if dx == nil {
		return
	}
	check.Len("elem.AvgPool2Grad", "dx", dx, 4*n*h*w*c)
	check.Len("elem.AvgPool2Grad", "dy", dy, n*h*w*c)
	quads(n, h, w, c, func(s, top, bottom int) {
		vec.AddScaled(dx[top:top+c], dy[s:s+c], 0.25)
		vec.AddScaled(dx[top+c:top+2*c], dy[s:s+c], 0.25)
		vec.AddScaled(dx[bottom:bottom+c], dy[s:s+c], 0.25)
		vec.AddScaled(dx[bottom+c:bottom+2*c], dy[s:s+c], 0.25)
	})
}
