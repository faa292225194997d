package upscale

import (
	"fmt"
	"slices"

	"github.com/kinora-video/kinora/internal/backend"
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
	net    *Net
	b      tensor.Backend
	w, h   int // pixels of a frame that is given
	pw, ph int // patches of it, the last ones filled up with the frame's edge
	band   int // rows of patches at a time
	frame  []float32
	zeros  []float32
	past   []*tensor.Tensor // of each layer, [1, 2, 1, pw, C], or nil
	out    []float32
}

// bandPatches is about how many patches a band has: what a layer gives for them,
// 256 bytes each in the widest network inside, stays in the processor's last
// cache. A frame of no more is worked through as a whole.
const bandPatches = 48 << 10

// NewRunner returns a runner for frames of w×h pixels.
func (n *Net) NewRunner(w, h int) (*Runner, error) {
	return n.runner(backend.New(), w, h, bandPatches)
}

func (n *Net) runner(b tensor.Backend, w, h, patches int) (*Runner, error) {
	if w < 1 || h < 1 {
		return nil, fmt.Errorf("upscale frames of %d×%d: both sides must be at least 1", w, h)
	}
	patch := n.Config.Patch
	r := &Runner{net: n, b: b, w: w, h: h, pw: (w + patch - 1) / patch, ph: (h + patch - 1) / patch}
	r.band = max(patches/r.pw, n.Config.Depth+2) // the first band loses a row in each layer
	r.frame = make([]float32, r.pw*r.ph*patch*patch*3)
	most := 0
	for _, l := range n.layers {
		most = max(most, l.w.Dim(4))
	}
	r.zeros = make([]float32, r.pw*most)
	r.past = make([]*tensor.Tensor, len(n.layers))
	return r, nil
}

// Size is the size of the frames that come out.
func (r *Runner) Size() (w, h int) { return r.w * r.net.Config.Factor, r.h * r.net.Config.Factor }

// FLOPs counts the multiplications and additions of a frame.
func (r *Runner) FLOPs() float64 { return r.net.Config.FLOPs() * float64(r.w*r.h) }

// Frame enlarges a frame of RGB bytes into dst, which has room for one of Size.
func (r *Runner) Frame(dst, rgb []byte) (err error) {
	defer tensor.CatchFault(&err)
	w, h := r.Size()
	if len(rgb) != 3*r.w*r.h || len(dst) != 3*w*h {
		return fmt.Errorf("upscale a frame of %d bytes into %d: %d and %d are needed", len(rgb), len(dst), 3*r.w*r.h, 3*w*h)
	}
	for i, past := range r.past { // of a frame that failed
		if past != nil {
			r.b.Free(past)
			r.past[i] = nil
		}
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
	r.b.Reset()
	x := r.b.Upload(r.frame, 1, 1, r.ph*patch, r.pw*patch, 3)
	h := frames.unshuffle(r.b, x, patch)
	for _, l := range r.net.layers {
		out := l.apply(r.b, h, l.w, nil)
		r.free(h, x)
		h = out
	}
	r.put(dst, r.net.leave(r.b, frames, h, x), 0)
}

// free gives back what a layer was given, so that the next but one writes where
// the cache is warm, but not the pixels x.
func (r *Runner) free(t, x *tensor.Tensor) {
	if t != x {
		r.b.Free(t)
	}
}

// rows takes in the rows of patches [lo, hi) and puts out those that are ready:
// a row for each layer stays behind until the frame's last ones are in.
func (r *Runner) rows(dst []byte, lo, hi int) {
	first, last := lo == 0, hi == r.ph
	r.b.Reset()
	x := r.pixels(lo, hi)
	h := rows.unshuffle(r.b, x, r.net.Config.Patch)
	for i := range r.net.layers {
		out := r.layer(i, h, first, last)
		r.free(h, x)
		h = out
	}
	depth := r.net.Config.Depth
	if !first {
		lo -= depth
	}
	if !last {
		hi -= depth
	}
	r.put(dst, r.net.leave(r.b, rows, h, r.pixels(lo, hi)), lo*r.net.Config.Patch*r.net.Config.Factor)
}

// layer runs layer i on rows h [1, n, 1, pw, C], after those that it remembers, and
// before zeros where they are the frame's last.
func (r *Runner) layer(i int, h *tensor.Tensor, first, last bool) *tensor.Tensor {
	l, in := r.net.layers[i], h
	if last {
		c := h.Dim(4)
		in = r.b.Concat(1, h, r.b.Upload(r.zeros[:r.pw*c], 1, 1, 1, r.pw, c))
	}
	past := r.past[i]
	out := l.apply(r.b, in, l.w.Reshape(l.w.Dim(0), 3, 1, 3, l.w.Dim(4)), past)
	if past != nil {
		r.b.Free(past)
		r.past[i] = nil
	}
	if !last {
		n := in.Dim(1)
		end := r.b.Narrow(in, 1, n-2, n)
		r.past[i] = r.b.Keep(end)
		r.b.Free(end)
	}
	r.free(in, h)
	if first { // what it gave for the row above the frame
		all := out
		out = r.b.Narrow(all, 1, 1, all.Dim(1))
		r.b.Free(all)
	}
	return out
}

// pixels are the frame's in the rows of patches [lo, hi), as rows.
func (r *Runner) pixels(lo, hi int) *tensor.Tensor {
	patch := r.net.Config.Patch
	row := 3 * patch * r.pw
	return r.b.Upload(r.frame[lo*patch*row:hi*patch*row], 1, (hi-lo)*patch, 1, patch*r.pw, 3)
}

// put writes enlarged rows from row y on, without what fills up the patches.
func (r *Runner) put(dst []byte, t *tensor.Tensor, y int) {
	r.out = slices.Grow(r.out[:0], t.Len())[:t.Len()]
	r.b.Download(r.out, t)
	x := r.out
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
