package conv

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/kernel/vec"
	"github.com/kinora-video/kinora/internal/simd"
)

// Networks that take a video frame after frame convolve frames which lie apart:
// the frame of now and those that each layer remembers. A task copies a piece of
// each, with its border, and the matrix kernels read the windows of all
// positions from there.

// A Frame is a picture [H,W,C]: in f32, or in bf16, to which products round it
// anyway, in half the memory. The zero Frame is all zeros.
type Frame struct {
	F32  []float32
	BF16 []uint16
}

func (f Frame) zero() bool { return f.F32 == nil && f.BF16 == nil }

// check panics if f is neither zeros nor n values.
func (f Frame) check(op string, n int) {
	switch {
	case f.BF16 != nil && f.F32 != nil:
		panic(op + ": a frame is f32 and bf16")
	case f.BF16 != nil:
		check.Len(op, "a frame", f.BF16, n)
	default:
		check.LenOrNil(op, "a frame", f.F32, n)
	}
}

// A Filter holds the weights of a convolution of frames in the layout that its
// products want. It belongs to the vector level at which it was made.
type Filter struct {
	windows *gemm.Windows
	matrix  *gemm.Packed // where the CPU cannot multiply a picture in place
	// A window is lines of width values; the next position's begin pitch values
	// further.
	lines, width, pitch, cols int
}

// newFilter lays out weights, which windows and matrix pack.
func newFilter(lines, width, pitch, cols int, windows func() *gemm.Windows, matrix func() *gemm.Packed) *Filter {
	f := &Filter{lines: lines, width: width, pitch: pitch, cols: cols}
	if f.windows = windows(); f.windows == nil {
		f.matrix = matrix()
	}
	return f
}

// filterOf lays out w [cols, lines·width].
func filterOf(p gemm.Precision, w []float32, lines, width, pitch, cols int) *Filter {
	k := lines * width
	check.Len("conv.Filter", "w", w, cols*k)
	m := gemm.Matrix{Data: w, Stride: k, Trans: true}
	return newFilter(lines, width, pitch, cols,
		func() *gemm.Windows { return gemm.PackWindows(p, lines, width, pitch, cols, m) },
		func() *gemm.Packed { return gemm.Pack(p, k, cols, m) })
}

// NewFilter lays out w [O,KT,KH,KW,C] of the shape s for Causal.
func NewFilter(p gemm.Precision, w []float32, s Shape) *Filter {
	return filterOf(p, w, s.KT*s.KH, s.KW*s.C, s.C, s.O)
}

// NewFilterStored is NewFilter of weights as they are stored.
func NewFilterStored(p gemm.Precision, w gemm.Numbers, s Shape) *Filter {
	lines, width := s.KT*s.KH, s.KW*s.C
	return newFilter(lines, width, s.C, s.O,
		func() *gemm.Windows { return gemm.PackWindowsStored(p, lines, width, s.C, s.O, w) },
		func() *gemm.Packed { return gemm.PackStored(p, lines*width, s.O, w) })
}

// cells is the length of values of a picture in a task's copy.
func (f *Filter) cells(values int) int {
	if f.windows != nil {
		return f.windows.Cells(values)
	}
	return values
}

func (f *Filter) slack() int {
	if f.windows != nil {
		return f.windows.Slack(f.pitch)
	}
	return 0
}

// load copies the values [lo,hi) of a frame.
func (f *Filter) load(dst []float32, x Frame, lo, hi int) {
	switch {
	case x.BF16 != nil && f.windows != nil:
		f.windows.LoadBF16(dst, x.BF16[lo:hi])
	case x.BF16 != nil:
		vec.FromBF16(dst[:hi-lo], x.BF16[lo:hi])
	case f.windows != nil:
		f.windows.Load(dst, x.F32[lo:hi])
	default:
		copy(dst, x.F32[lo:hi])
	}
}

// mul multiplies the windows of m positions: line l of the first begins at cell
// at[l] of the picture, or is zeros if that is negative.
func (f *Filter) mul(m int, picture []float32, at []int, y []float32, ldc int, ep gemm.Epilogue) {
	if f.windows != nil {
		f.windows.Mul(m, picture, at, f.cells(f.pitch), y, ldc, ep)
		return
	}
	k := f.lines * f.width
	col := borrow(m * k)
	defer giveBack(col)
	for i := range m {
		for l, from := range at {
			if window := (*col)[i*k+l*f.width:][:f.width]; from < 0 {
				clear(window)
			} else {
				copy(window, picture[from+i*f.pitch:])
			}
		}
	}
	gemm.MulPacked(m, gemm.Matrix{Data: *col, Stride: k}, f.matrix, y, ldc, ep)
}

// Causal computes y = act(conv + bias) + residual of the frame clip[KT-1] after
// the frames before it, oldest first: y [H,W,O]; s.N and s.T are 1. Frames
// before the first of a video are zero. The residual, which may be nil and must
// not be y, has y's shape. It panics when a slice is too short.
func Causal(y []float32, clip []Frame, w *Filter, ep gemm.Epilogue, s Shape) {
	const op = "conv.Causal"
	s.check(op)
	if s.N != 1 || s.T != 1 || len(clip) != s.KT {
		panic(fmt.Sprintf("%s: %d frames for %+v", op, len(clip), s))
	}
	p := pass{
		clip: clip, h: s.H, w: s.W, c: s.C, kh: s.KH, kw: s.KW,
		outs: []out{{filter: w, row: s.W * s.O, ldc: s.O}},
	}
	p.run(op, y, ep)
}

// Enlarging holds the weights of a convolution 3×3 of a frame that is first made
// twice as large, each pixel four times. Of a pixel's nine taps several meet the
// same small pixel; their weights are added once, and four remain: other ones
// for each of the four pixels that a small one becomes.
type Enlarging [4]*Filter

// NewEnlarging lays out w [O,3,3,C].
func NewEnlarging(p gemm.Precision, w []float32, c, o int) *Enlarging {
	check.Len("conv.NewEnlarging", "w", w, 9*c*o)
	e := new(Enlarging)
	sums := make([]float32, 4*c*o)
	for phase := range e {
		clear(sums)
		for i := range 9 * o {
			ch, dy, dx := i/9, i%9/3, i%3
			// The tap meets the row (phase row + dy - 1)/2, rounded down; the
			// windows of an odd row begin with its own small row.
			r, q := (phase/2+dy+1)/2-phase/2, (phase%2+dx+1)/2-phase%2
			vec.Add(sums[(ch*4+r*2+q)*c:][:c], sums[(ch*4+r*2+q)*c:][:c], w[i*c:][:c])
		}
		e[phase] = filterOf(p, sums, 2, 2*c, c, o)
	}
	return e
}

// Enlarged computes y = act(conv(x made twice as large) + bias) + residual:
// x [H,W,C], y [2H,2W,O]; s has x's sizes. The residual, which may be nil and
// must not be y, has y's shape.
func Enlarged(y []float32, x Frame, w *Enlarging, ep gemm.Epilogue, s Shape) {
	const op = "conv.Enlarged"
	s.check(op)
	if s.N != 1 || s.T != 1 || s.KT != 1 || s.KH != 3 || s.KW != 3 {
		panic(fmt.Sprintf("%s: %+v", op, s))
	}
	p := pass{clip: []Frame{x}, h: s.H, w: s.W, c: s.C, kh: 3, kw: 3}
	for i, f := range w {
		p.outs = append(p.outs, out{
			filter: f, down: i / 2, right: i % 2,
			from: (i/2*2*s.W + i%2) * s.O, row: 4 * s.W * s.O, ldc: 2 * s.O,
		})
	}
	p.run(op, y, ep)
}

// A pass computes the outs at each pixel of frames [h,w,c] from the kh×kw pixels
// around it.
type pass struct {
	clip    []Frame
	h, w, c int
	kh, kw  int
	outs    []out
}

// An out is what a filter gives, with windows that begin so many rows down and
// columns to the right: y[from + i·row + j·ldc] for position i, j.
type out struct {
	filter         *Filter
	down, right    int
	from, row, ldc int
}

const (
	// pieceColumns is about how many positions of a row a task takes: one block
	// of rows of the matrix kernels.
	pieceColumns = 96
	// pieceRows bounds the rows of a task, and pieceCells its copy, in cells:
	// half of a second-level cache of 1 MiB.
	pieceRows  = 16
	pieceCells = 112 << 10
)

func (p *pass) run(op string, y []float32, ep gemm.Epilogue) {
	first := p.outs[0]
	size := len(p.outs) * p.h * p.w * first.filter.cols
	check.Len(op, "y", y, size)
	check.LenOrNil(op, "bias", ep.Bias, first.filter.cols)
	check.LenOrNil(op, "residual", ep.Residual, size)
	for _, x := range p.clip {
		x.check(op, p.h*p.w*p.c)
	}
	for _, o := range p.outs {
		less := len(p.outs) / 4 // rows and columns that a window lacks of kh×kw
		if f := o.filter; f.width != (p.kw-less)*p.c || f.pitch != p.c || f.lines != len(p.clip)*(p.kh-less) {
			panic(fmt.Sprintf("%s: a filter of %d lines of %d values on frames of %d channels", op, f.lines, f.width, p.c))
		}
	}
	if size == 0 {
		return
	}
	pieces := (p.w + pieceColumns - 1) / pieceColumns
	wide := min(((p.w+pieces-1)/pieces+11)/12*12, p.w)
	pieces = (p.w + wide - 1) / wide
	line := first.filter.cells((wide + p.kw - 1) * p.c)
	high := min(pieceRows, p.h)
	for high > 1 && len(p.clip)*(high+p.kh-1)*line > pieceCells {
		high--
	}
	simd.For((p.h+high-1)/high*pieces, 1, func(i, _ int) {
		h0, w0 := i/pieces*high, i%pieces*wide
		p.piece(y, ep, h0, min(h0+high, p.h), w0, min(w0+wide, p.w))
	})
}

// piece computes the positions [h0,h1)×[w0,w1).
func (p *pass) piece(y []float32, ep gemm.Epilogue, h0, h1, w0, w1 int) {
	f := p.outs[0].filter
	rows, columns := h1-h0+p.kh-1, w1-w0+p.kw-1
	line := f.cells(columns * p.c)
	buf := borrow(len(p.clip)*rows*line + f.slack())
	defer giveBack(buf)
	for i, x := range p.clip {
		for r := range rows {
			if x.zero() {
				break // its lines are not read
			}
			p.load((*buf)[(i*rows+r)*line:][:line], f, x, h0-p.kh/2+r, w0-p.kw/2, columns)
		}
	}
	at := make([]int, f.lines)
	each := f.lines / len(p.clip) // lines of a frame
	for h := h0; h < h1; h++ {
		for _, o := range p.outs {
			for l := range at {
				r := h - h0 + o.down + l%each
				at[l] = (l/each*rows+r)*line + f.cells(o.right*p.c)
				if p.clip[l/each].zero() {
					at[l] = -1
				}
			}
			from := o.from + h*o.row + w0*o.ldc
			e := ep
			if ep.Residual != nil {
				e.Residual = ep.Residual[from:]
			}
			o.filter.mul(w1-w0, *buf, at, y[from:], o.ldc, e)
		}
	}
}

// load copies columns of row h of a frame from column w on, zeros beyond it.
func (p *pass) load(dst []float32, f *Filter, x Frame, h, w, columns int) {
	if h < 0 || h >= p.h {
		clear(dst)
		return
	}
	lo, hi := max(w, 0), min(w+columns, p.w)
	clear(dst[:f.cells((lo-w)*p.c)])
	f.load(dst[f.cells((lo-w)*p.c):], x, (h*p.w+lo)*p.c, (h*p.w+hi)*p.c)
	clear(dst[f.cells((hi-w)*p.c):])
}
