package upscale

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
	"github.com/kinora-video/kinora/internal/tensor"
)

// A Runner enlarges frames of one size. It is not safe for concurrent use.
//
// Rows go through the convolutions as the frames of a video go through causal
// ones: a layer gives row i when it has seen row i+1, and remembers the last two
// rows that it saw. So bands of rows need no overlap, and none is computed
// twice.
type Runner struct {
	net      *Net
	w, h     int // pixels of a frame that is given
	pw, ph   int // patches of it, the last ones filled up with the frame's edge
	band     int // rows of patches at a time
	frame    []float32
	zeros    []float32
	past     []*tensor.Tensor // of each layer, [1, 2, 1, pw, C]
	backends [2]*tensor.CPU   // layers take turns, so that each overwrites what the one before read
}

// bandPatches is about how many patches a band has: what a layer gives for them,
// 256 bytes each in the widest network inside, stays in the processor's last
// cache. A frame of no more is worked through as a whole.
const bandPatches = 48 << 10

// NewRunner returns a runner for frames of w×h pixels.
func (n *Net) NewRunner(w, h int) (*Runner, error) {
	return n.runner(w, h, gemm.BF16, bandPatches)
}

func (n *Net) runner(w, h int, p gemm.Precision, patches int) (*Runner, error) {
	if w < 1 || h < 1 {
		return nil, fmt.Errorf("upscale frames of %d×%d: both sides must be at least 1", w, h)
	}
	patch := n.Config.Patch
	r := &Runner{net: n, w: w, h: h, pw: (w + patch - 1) / patch, ph: (h + patch - 1) / patch}
	r.band = max(patches/r.pw, n.Config.Depth+2) // the first band loses a row in each layer
	r.frame = make([]float32, r.pw*r.ph*patch*patch*3)
	most := 0
	for _, l := range n.layers {
		c := l.w.Dim(4)
		most = max(most, c)
		r.past = append(r.past, tensor.Zeros(1, 2, 1, r.pw, c))
	}
	r.zeros = make([]float32, r.pw*most)
	for i := range r.backends {
		r.backends[i] = tensor.NewCPU(p)
		r.backends[i].Frozen = true
	}
	return r, nil
}

// Size is the size of the frames that come out.
func (r *Runner) Size() (w, h int) { return r.w * r.net.Config.Factor, r.h * r.net.Config.Factor }

// Frame enlarges a frame of RGB bytes into dst, which has room for one of Size.
func (r *Runner) Frame(dst, rgb []byte) error {
	w, h := r.Size()
	if len(rgb) != 3*r.w*r.h || len(dst) != 3*w*h {
		return fmt.Errorf("upscale a frame of %d bytes into %d: %d and %d are needed", len(rgb), len(dst), 3*r.w*r.h, 3*w*h)
	}
	r.load(rgb)
	if r.ph <= r.band {
		r.whole(dst)
		return nil
	}
	for lo := 0; lo < r.ph; {
		hi := lo + r.band
		if r.ph-hi < r.band/2 {
			hi = r.ph
		}
		r.rows(dst, lo, hi)
		lo = hi
	}
	return nil
}

// load fills the frame with pixels in [0, 1], beyond its edges with the nearest.
func (r *Runner) load(rgb []byte) {
	patch := r.net.Config.Patch
	width := r.pw * patch
	simd.For(r.ph*patch, 16, func(lo, hi int) {
		for y := lo; y < hi; y++ {
			row := r.frame[y*width*3:][:width*3]
			src := rgb[min(y, r.h-1)*r.w*3:][:r.w*3]
			for i, v := range src {
				row[i] = float32(v) / 255
			}
			for i := r.w * 3; i < len(row); i++ {
				row[i] = row[i-3]
			}
		}
	})
}

// whole is rows for all of the frame at once, without what only bands need.
func (r *Runner) whole(dst []byte) {
	patch := r.net.Config.Patch
	x := r.pixels(0, r.ph).Reshape(1, 1, r.ph*patch, r.pw*patch, 3)
	o := r.backends[0]
	o.Arena.Reset()
	h := frames.unshuffle(o, x, patch)
	for i, l := range r.net.layers {
		o = r.backends[(i+1)%2]
		o.Arena.Reset()
		h = l.apply(o, h, l.w, nil)
	}
	r.put(dst, r.net.leave(o, frames, h, x).Data(), 0)
}

// rows takes in the rows of patches [lo, hi) and puts out those that are ready:
// a row for each layer stays behind until the frame's last ones are in.
func (r *Runner) rows(dst []byte, lo, hi int) {
	first, last := lo == 0, hi == r.ph
	o := r.backends[0]
	o.Arena.Reset()
	h := rows.unshuffle(o, r.pixels(lo, hi), r.net.Config.Patch)
	for i, l := range r.net.layers {
		in := h
		if last {
			c := in.Dim(4)
			in = o.Concat(1, in, tensor.New(r.zeros[:r.pw*c], 1, 1, 1, r.pw, c))
		}
		var past *tensor.Tensor
		if !first {
			past = r.past[i]
		}
		o = r.backends[(i+1)%2]
		o.Arena.Reset()
		w := l.w.Reshape(l.w.Dim(0), 3, 1, 3, l.w.Dim(4))
		out := l.apply(o, in, w, past)
		if first { // what it gave for the row above the frame
			out = o.Narrow(out, 1, 1, out.Dim(1))
		}
		if !last {
			n := r.past[i].Len()
			copy(r.past[i].Data(), in.Data()[in.Len()-n:])
		}
		h = out
	}
	depth := r.net.Config.Depth
	if !first {
		lo -= depth
	}
	if !last {
		hi -= depth
	}
	r.put(dst, r.net.leave(o, rows, h, r.pixels(lo, hi)).Data(), lo*r.net.Config.Patch*r.net.Config.Factor)
}

// pixels are the frame's in the rows of patches [lo, hi), as rows.
func (r *Runner) pixels(lo, hi int) *tensor.Tensor {
	patch := r.net.Config.Patch
	row := 3 * patch * r.pw
	return tensor.New(r.frame[lo*patch*row:hi*patch*row], 1, (hi-lo)*patch, 1, patch*r.pw, 3)
}

// put writes enlarged rows from row y on, without what fills up the patches.
func (r *Runner) put(dst []byte, x []float32, y int) {
	w, h := r.Size()
	row := 3 * r.pw * r.net.Config.Patch * r.net.Config.Factor
	simd.For(min(len(x)/row, h-y), 16, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			out := dst[(y+i)*w*3:][:w*3]
			for j, v := range x[i*row:][:len(out)] {
				out[j] = byte(max(0, min(255, v*255+0.5)))
			}
		}
	})
}
