package media

import (
	"fmt"
	"math"
	"sync"

	"github.com/kinora-video/kinora/internal/simd"
)

// Filter says how a resize weights the pixels around a point.
type Filter uint8

const (
	// Bicubic is the Catmull-Rom cubic: sharp, with little ringing. When shrinking
	// it is widened by the scale, to prevent aliasing.
	Bicubic Filter = iota
	// Area averages what a pixel covers. When enlarging it is nearest neighbour with
	// blended edges.
	Area
	// Lanczos is the windowed sinc over three lobes: the sharpest; it rings at hard
	// edges.
	Lanczos
)

// kernel returns the filter's radius at its own scale and its value at a
// distance.
func (f Filter) kernel() (radius float64, at func(float64) float64) {
	switch f {
	case Area:
		return 0.5, nil
	case Lanczos:
		return 3, func(x float64) float64 {
			if x == 0 {
				return 1
			}
			p := math.Pi * x
			return 3 * math.Sin(p) * math.Sin(p/3) / (p * p)
		}
	}
	return 2, func(x float64) float64 {
		x = math.Abs(x)
		if x < 1 {
			return (1.5*x-2.5)*x*x + 1
		}
		return ((-0.5*x+2.5)*x-4)*x + 2
	}
}

// weightBits is the number of fraction bits of a weight, and keepBits that of the
// values between the two passes.
const (
	weightBits = 14
	keepBits   = 4
)

// taps says which source pixels make up each target pixel along one axis, and
// with which weights: those of pixel i are weights[i*n:][:n], from first[i] on.
// Each n add up to 1<<weightBits.
type taps struct {
	n       int
	first   []int32
	weights []int32
}

func newTaps(f Filter, src, dst int) taps {
	radius, at := f.kernel()
	scale := float64(src) / float64(dst)
	wide := max(scale, 1)
	radius *= wide
	if f == Area {
		radius = max(scale, 1) / 2
	}
	n := min(int(math.Ceil(2*radius))+1, src)
	t := taps{n: n, first: make([]int32, dst), weights: make([]int32, dst*n)}
	values := make([]float64, n)
	for i := range dst {
		centre := (float64(i) + 0.5) * scale
		first := min(max(int(math.Floor(centre-radius)), 0), src-n)
		var sum float64
		for j := range values {
			x := float64(first + j)
			if f == Area {
				values[j] = max(0, min(x+1, centre+radius)-max(x, centre-radius))
			} else {
				values[j] = 0
				if d := (x + 0.5 - centre) / wide; math.Abs(d)*wide < radius {
					values[j] = at(d)
				}
			}
			sum += values[j]
		}
		t.first[i] = int32(first)
		t.quantise(i, values, sum)
	}
	return t
}

// quantise stores the weights of pixel i so that they add up exactly: the rounding
// error is added to the largest.
func (t *taps) quantise(i int, values []float64, sum float64) {
	w := t.weights[i*t.n:][:t.n]
	left, largest := int32(1<<weightBits), 0
	for j, v := range values {
		w[j] = int32(math.Round(v / sum * (1 << weightBits)))
		left -= w[j]
		if w[j] > w[largest] {
			largest = j
		}
	}
	w[largest] += left
}

// Resizer resizes frames from one size to another, with precomputed weights. Several
// goroutines may use it.
type Resizer struct {
	sw, sh, dw, dh int
	x, y           taps
	middle         sync.Pool // *[]int16: the source stretched along x, [sh, dw, 3]
}

// NewResizer returns a Resizer from sw×sh to dw×dh pixels. It does not keep the
// aspect ratio; Fit does.
func NewResizer(f Filter, sw, sh, dw, dh int) (*Resizer, error) {
	for _, v := range []int{sw, sh, dw, dh} {
		if v < 1 || v > MaxSide {
			return nil, fmt.Errorf("media: cannot resize %d×%d to %d×%d: sides are 1 to %d pixels", sw, sh, dw, dh, MaxSide)
		}
	}
	return &Resizer{sw: sw, sh: sh, dw: dw, dh: dh, x: newTaps(f, sw, dw), y: newTaps(f, sh, dh)}, nil
}

// Resize returns the frame in the new size. A frame of another size than sw×sh is an
// error.
func (r *Resizer) Resize(f Frame) (Frame, error) {
	out := NewFrame(r.dw, r.dh)
	return out, r.ResizeInto(out, f)
}

// ResizeInto is Resize into a frame of the caller.
func (r *Resizer) ResizeInto(dst, src Frame) error {
	for _, f := range []Frame{dst, src} {
		if err := f.valid(); err != nil {
			return err
		}
	}
	if src.W != r.sw || src.H != r.sh || dst.W != r.dw || dst.H != r.dh {
		return fmt.Errorf("media: a resizer from %d×%d to %d×%d was given %d×%d and %d×%d",
			r.sw, r.sh, r.dw, r.dh, src.W, src.H, dst.W, dst.H)
	}
	size := r.sh * r.dw * 3
	mid, ok := r.middle.Get().(*[]int16)
	if !ok {
		b := make([]int16, size)
		mid = &b
	}
	defer r.middle.Put(mid)
	simd.For(r.sh, 16, func(lo, hi int) {
		for y := lo; y < hi; y++ {
			r.stretch((*mid)[y*r.dw*3:][:r.dw*3], src.Pix[y*r.sw*3:][:r.sw*3])
		}
	})
	simd.For(r.dh, 16, func(lo, hi int) {
		sum := make([]int32, r.dw*3)
		for y := lo; y < hi; y++ {
			r.blend(dst.Pix[y*r.dw*3:][:r.dw*3], *mid, sum, y)
		}
	})
	return nil
}

// stretch makes one row of the middle from one row of the source.
func (r *Resizer) stretch(dst []int16, src []byte) {
	const round = 1 << (weightBits - keepBits - 1)
	n := r.x.n
	for i, first := range r.x.first {
		w := r.x.weights[i*n:][:n]
		s := src[3*first:][:3*n]
		var r0, g0, b0 int32 = round, round, round
		for j, v := range w {
			r0 += v * int32(s[3*j])
			g0 += v * int32(s[3*j+1])
			b0 += v * int32(s[3*j+2])
		}
		d := dst[3*i : 3*i+3]
		d[0], d[1], d[2] = int16(r0>>(weightBits-keepBits)), int16(g0>>(weightBits-keepBits)), int16(b0>>(weightBits-keepBits))
	}
}

// blend makes row y of the target from rows of the middle, up to six at a time. sum
// holds the sum of the rows before.
func (r *Resizer) blend(dst []byte, mid []int16, sum []int32, y int) {
	const shift = weightBits + keepBits
	n, size := r.y.n, r.dw*3
	w, first := r.y.weights[y*n:][:n], int(r.y.first[y])
	for n > 1 && w[n-1] == 0 {
		n--
	}
	for n > 1 && w[0] == 0 {
		w, first, n = w[1:], first+1, n-1
	}
	for i := range sum {
		sum[i] = 1 << (shift - 1)
	}
	row := func(j int) []int16 { return mid[(first+j)*size:][:size] }
	j := 0
	for ; n-j > 4; j += 2 {
		two(sum, row(j), row(j+1), w[j], w[j+1])
	}
	// Rows past the last have no weight.
	var rows [4][]int16
	var ws [4]int32
	for i := range rows {
		rows[i] = row(min(j+i, n-1))
		if j+i < n {
			ws[i] = w[j+i]
		}
	}
	four(dst, sum, rows, ws)
}

// two adds two weighted rows to sum.
func two(sum []int32, a, b []int16, wa, wb int32) {
	a, b = a[:len(sum)], b[:len(sum)]
	for i := range sum {
		sum[i] += wa*int32(a[i]) + wb*int32(b[i])
	}
}

// four adds the last rows to sum and rounds it to bytes.
func four(dst []byte, sum []int32, rows [4][]int16, w [4]int32) {
	const shift = weightBits + keepBits
	n := len(dst)
	sum = sum[:n]
	a, b, c, d := rows[0][:n], rows[1][:n], rows[2][:n], rows[3][:n]
	wa, wb, wc, wd := w[0], w[1], w[2], w[3]
	for i := range dst {
		v := (sum[i] + wa*int32(a[i]) + wb*int32(b[i]) + wc*int32(c[i]) + wd*int32(d[i])) >> shift
		if uint32(v) > 255 {
			v = ^v >> 31 & 255 // 0 below, 255 above
		}
		dst[i] = byte(v)
	}
}

// Fit scales a frame until it covers w×h, keeping its aspect ratio, and crops the
// centre. First frames that users give are fitted so.
func Fit(f Frame, w, h int) (Frame, error) {
	if err := f.valid(); err != nil {
		return Frame{}, err
	}
	if w < 1 || h < 1 || w > MaxSide || h > MaxSide {
		return Frame{}, fmt.Errorf("media: cannot fit a frame to %d×%d: sides are 1 to %d pixels", w, h, MaxSide)
	}
	// The largest part of the source that has the target's aspect ratio.
	cw, ch := f.W, f.H
	if int64(f.W)*int64(h) > int64(f.H)*int64(w) {
		cw = max(1, int((int64(f.H)*int64(w)+int64(h)/2)/int64(h)))
	} else {
		ch = max(1, int((int64(f.W)*int64(h)+int64(w)/2)/int64(w)))
	}
	part := crop(f, (f.W-cw)/2, (f.H-ch)/2, cw, ch)
	if cw == w && ch == h {
		return part, nil
	}
	r, err := NewResizer(Bicubic, cw, ch, w, h)
	if err != nil {
		return Frame{}, err
	}
	return r.Resize(part)
}

// crop returns a copy of the w×h pixels at x, y.
func crop(f Frame, x, y, w, h int) Frame {
	out := NewFrame(w, h)
	for i := range h {
		copy(out.Pix[3*w*i:][:3*w], f.Pix[3*((y+i)*f.W+x):])
	}
	return out
}
