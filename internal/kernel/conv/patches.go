package conv

import (
	"math/bits"
	"sync"
)

// frames is the source of patches: a video [N,T,H,W,C] and, in the causal
// direction, the frames before it.
type frames struct {
	data, past []float32 // past is nil or [N,KT-1,H,W,C]
	first      int       // input frame of tap 0 minus the output frame: 1-KT, or 0 backwards in time
	n, t, h, w int
	c          int
	kt, kh, kw int
}

// patch is the number of values in one patch, ordered [KT,KH,KW,C].
func (f *frames) patch() int { return f.kt * f.kh * f.kw * f.c }

// row returns the image row f[n,t,h,:,:] as [W,C], or nil if it is zeros.
func (f *frames) row(n, t, h int) []float32 {
	if h < 0 || h >= f.h || t >= f.t {
		return nil
	}
	stride := f.w * f.c
	if t >= 0 {
		at := ((n*f.t+t)*f.h + h) * stride
		return f.data[at : at+stride]
	}
	if f.past == nil {
		return nil
	}
	at := ((n*(f.kt-1)+t+f.kt-1)*f.h + h) * stride
	return f.past[at : at+stride]
}

// gather writes the patches of the positions [lo,hi), counted over [N,T,H,W],
// into dst [hi-lo, (l1-l0)*KW*C]: from each patch the lines [l0,l1), counted
// over [KT,KH].
func (f *frames) gather(dst []float32, lo, hi, l0, l1 int) {
	part := f.kw * f.c
	k := (l1 - l0) * part
	for p := lo; p < hi; {
		w0 := p % f.w
		w1 := min(f.w, w0+hi-p)
		h, nt := p/f.w%f.h, p/f.w/f.h
		n, t := nt/f.t, nt%f.t
		at := (p - lo) * k
		for line := l0; line < l1; line++ {
			src := f.row(n, t+f.first+line/f.kh, h-f.kh/2+line%f.kh)
			f.gatherRow(dst[at:], k, src, w0, w1)
			at += part
		}
		p += w1 - w0
	}
}

// gatherRow writes the KW*C values around each of the positions [w0,w1) of the
// image row src into dst, k elements apart.
func (f *frames) gatherRow(dst []float32, k int, src []float32, w0, w1 int) {
	part, half := f.kw*f.c, f.kw/2
	for w := w0; w < w1; w++ {
		d := dst[(w-w0)*k:][:part]
		a, b := w-half, w-half+f.kw
		switch {
		case src == nil:
			clear(d)
		case a >= 0 && b <= f.w:
			copy(d, src[a*f.c:b*f.c])
		default:
			lo, hi := max(a, 0), min(b, f.w)
			if lo >= hi {
				clear(d)
				continue
			}
			clear(d[:(lo-a)*f.c])
			copy(d[(lo-a)*f.c:], src[lo*f.c:hi*f.c])
			clear(d[(hi-a)*f.c:])
		}
	}
}

// scratch lends buffers to workers, so that only the first calls allocate.
// There is a pool for each power of two.
var scratch [48]sync.Pool

// borrow returns n values with undefined content.
func borrow(n int) *[]float32 {
	class := bits.Len(uint(max(n, 1024) - 1))
	b, ok := scratch[class].Get().(*[]float32)
	if !ok {
		v := make([]float32, 1<<class)
		b = &v
	}
	*b = (*b)[:n]
	return b
}

func giveBack(b *[]float32) { scratch[bits.Len(uint(cap(*b)-1))].Put(b) }
