package elem

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/simd"
)

// Nearest2 repeats every pixel twice in both directions: x [n, h, w, c] → y [n, 2h, 2w, c].
func Nearest2(y, x []float32, n, h, w, c int) {
	check.Len("elem.Nearest2", "y", y, 4*n*h*w*c)
	check.Len("elem.Nearest2", "x", x, n*h*w*c)
	quads(n, h, w, c, func(s, top, bottom int) {
		from := x[s : s+c]
		copy(y[top:top+c], from)
		copy(y[top+c:top+2*c], from)
		copy(y[bottom:bottom+c], from)
		copy(y[bottom+c:bottom+2*c], from)
	})
}

// A Fold is the correspondence of the shortcuts of a residual autoencoder (Chen et al. 2025, "Deep Compression
// Autoencoder"): a large video [N, T*PT, H*PH, W*PW, Large] and a small one [N, T, H, W, Small]. The numbers of one
// cell of PT×PH×PW pixels, ordered [Large, PT, PH, PW], lie beside the Small channels of its pixel in the small video.
// Small divides the numbers of a cell, and each channel corresponds to a run of them.
type Fold struct{ N, T, H, W, Large, Small, PT, PH, PW int }

func (f Fold) cell() int { return f.PT * f.PH * f.PW }

func (f Fold) check(name string, large, small []float32) {
	cell := f.Large * f.cell()
	if f.Small < 1 || cell < 1 || cell%f.Small != 0 {
		panic(fmt.Sprintf("elem.%s: %d channels do not divide the %d numbers of a cell", name, f.Small, cell))
	}
	check.Len("elem."+name, "the large video", large, f.N*f.T*f.H*f.W*cell)
	check.Len("elem."+name, "the small video", small, f.N*f.T*f.H*f.W*f.Small)
}

// channels is the channel of the small video that each number of a cell belongs
// to, ordered [PT, PH, PW, Large] as the large video has them.
func (f Fold) channels() []int {
	cell := f.cell()
	run := f.Large * cell / f.Small
	out := make([]int, 0, cell*f.Large)
	for k := range cell {
		for c := range f.Large {
			out = append(out, (c*cell+k)/run)
		}
	}
	return out
}

// pixels calls do for each pixel of the cells with the channels of its cell in
// the small video, its own in the large one, and to which of the former these
// belong. Each cell is in the hands of one thread.
func (f Fold) pixels(small, large []float32, do func(first bool, small, large []float32, to []int)) {
	to, n := f.channels(), f.Large
	simd.For(f.N*f.T*f.H*f.W, max(1, grain/len(to)), func(lo, hi int) {
		for p := lo; p < hi; p++ {
			w, h, nt := p%f.W, p/f.W%f.H, p/f.W/f.H // nt counts videos and frames together
			for k := range f.cell() {
				kw, kh, kt := k%f.PW, k/f.PW%f.PH, k/f.PW/f.PH
				at := (((nt*f.PT+kt)*f.H*f.PH+h*f.PH+kh)*f.W*f.PW + w*f.PW + kw) * n
				do(k == 0, small[p*f.Small:][:f.Small], large[at:at+n], to[k*n:(k+1)*n])
			}
		}
	})
}

// AvgDown sets small to the means of the runs of large.
func AvgDown(small, large []float32, f Fold) {
	f.check("AvgDown", large, small)
	weight := float32(f.Small) / float32(f.Large*f.cell())
	f.pixels(small, large, func(first bool, small, large []float32, to []int) {
		if first {
			clear(small)
		}
		for i, c := range to {
			small[c] += weight * large[i]
		}
	})
}

// DupUp sets each run of large to its number in small.
func DupUp(large, small []float32, f Fold) {
	f.check("DupUp", large, small)
	f.pixels(small, large, func(_ bool, small, large []float32, to []int) {
		for i, c := range to {
			large[i] = small[c]
		}
	})
}

// CopyRuns copies rows of n elements from src to dst, whose rows begin strides apart.
func CopyRuns(dst []float32, dstStride int, src []float32, srcStride, rows, n int) {
	if rows <= 0 || n <= 0 {
		return
	}
	check.Len("elem.CopyRuns", "dst", dst, (rows-1)*dstStride+n)
	check.Len("elem.CopyRuns", "src", src, (rows-1)*srcStride+n)
	if rows == 1 { // one long run: in blocks
		simd.For(n, 4*grain, func(lo, hi int) { copy(dst[lo:hi], src[lo:hi]) })
		return
	}
	simd.For(rows, rowGrain(n), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			copy(dst[r*dstStride:][:n], src[r*srcStride:][:n])
		}
	})
}
