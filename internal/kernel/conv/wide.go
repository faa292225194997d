package conv

import (
	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

// Where image rows are long, patches are not gathered: a band of rows is copied
// once, with its zero border and in the form that the matrix kernels multiply,
// and they read each position's windows from there.

const (
	// wideRow is the least length of such an image row.
	wideRow = 48
	// wideCells bounds a band in cache, halo included, and wideRows its rows.
	wideCells = 112 << 10
	wideRows  = 8
)

// LongRows says whether frames of this shape are read in place, where the CPU has
// kernels for that (gemm.PackWindows gives nothing where it has none).
func (s Shape) LongRows() bool { return s.taps() > 1 && s.W >= wideRow }

// Lines says what gemm.PackWindows is to know of the weights: a patch is so many
// lines of width values, which begin C values further for the next position.
func (s Shape) Lines() (lines, width int) { return s.KT * s.KH, s.KW * s.C }

func (f *frames) longRows() bool { return f.patch() > f.c && f.w >= wideRow }

// multiplyWide is multiply with a picture that is read in place.
func (f *frames) multiplyWide(out []float32, b *gemm.Windows, cols int, ep gemm.Epilogue) {
	line := b.Cells((f.w + f.kw - 1) * f.c)
	bs := f.cutWide(line)
	slack := b.Slack(f.c)
	simd.For(f.n*bs.perVideo(), 1, func(lo, _ int) {
		r := bs.at(f, lo/bs.perVideo(), 0, lo%bs.perVideo())
		frames := r.t1 - r.t0 + f.kt - 1
		buf := borrow(frames*r.rows*line + slack)
		defer giveBack(buf)
		f.loadWide(*buf, b, r, line)
		at := make([]int, f.kt*f.kh)
		for t := r.t0; t < r.t1; t++ {
			for h := r.h0; h < r.h1; h++ {
				for i := range at {
					at[i] = ((t-r.t0+i/f.kh)*r.rows + h - r.h0 + i%f.kh) * line
				}
				y := out[((r.n*f.t+t)*f.h+h)*f.w*cols:]
				b.Mul(f.w, *buf, at, b.Cells(f.c), y, cols, ep)
			}
		}
	})
}

// cutWide chooses the bands by the geometry alone; line is the cells of a row.
func (f *frames) cutWide(line int) bands {
	b := bands{nh: min(f.h, wideRows), nt: 1, channelParts: 1}
	for b.nh > 1 && f.kt*(b.nh+f.kh-1)*line > wideCells {
		b.nh--
	}
	for b.nt < f.t && (b.nt+1)*b.nh <= wideRows && (b.nt+f.kt)*(b.nh+f.kh-1)*line <= wideCells {
		b.nt++
	}
	b.timeParts, b.heightParts = (f.t+b.nt-1)/b.nt, (f.h+b.nh-1)/b.nh
	return b
}

// loadWide copies a band into dst [frames][rows][line], zeros around it.
func (f *frames) loadWide(dst []float32, b *gemm.Windows, r band, line int) {
	half := b.Cells(f.kw / 2 * f.c)
	for t := r.t0; t < r.t1+f.kt-1; t++ {
		for h := range r.rows {
			row := dst[:line]
			dst = dst[line:]
			src := f.row(r.n, t+f.first, r.h0+h-f.kh/2)
			if src == nil {
				clear(row)
				continue
			}
			clear(row[:half])
			b.Load(row[half:], src)
			clear(row[line-half:])
		}
	}
}
