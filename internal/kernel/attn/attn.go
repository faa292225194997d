// Package attn holds softmax attention and linear attention with their gradients, and a faster softmax attention without
// one (Flash).
//
// Softmax attention works on tiles with running maxima (Milakov and Gimelshein 2018; Dao et al. 2022), so the matrix of
// scores is never held as a whole. Linear attention keeps a D×D state per head (Katharopoulos et al. 2020) with rotary
// positions on the numerator alone.
//
// Operands are the caller's plain row-major slices [B, N, H, D]; the package keeps none of them. Work is split over
// batch, head and fixed blocks of queries, so that the bytes of a result do not depend on the number of threads.
// Functions whose names end in Grad add to their results; a nil result is not computed. A slice that is too short
// panics. The package does no projections and no rotations: queries, keys and values come ready to use.
package attn

import (
	"sync"
)

// Shape is the size of one call: q [B, Q, H, D], k and v [B, K, H, D], out [B, Q, H, D].
type Shape struct{ B, H, Q, K, D int }

// Mask limits what a query may see. Query i of every batch entry sees keys Lo[i] <= j < Hi[i] (nil: all) with j <
// KeyLen[b] (nil: all).
type Mask struct {
	Lo, Hi []int32 // [Q]
	KeyLen []int32 // [B]
}

// keys returns the keys that query i of batch entry b sees.
func (m Mask) keys(s Shape, b, i int) (lo, hi int) {
	hi = s.K
	if m.Lo != nil {
		lo = max(lo, int(m.Lo[i]))
	}
	if m.Hi != nil {
		hi = min(hi, int(m.Hi[i]))
	}
	if m.KeyLen != nil {
		hi = min(hi, int(m.KeyLen[b]))
	}
	return lo, max(lo, hi)
}

// span returns the smallest range that holds the keys of the queries [i0, i1).
func (m Mask) span(s Shape, b, i0, i1 int) (lo, hi int) {
	lo, hi = s.K, 0
	for i := i0; i < i1; i++ {
		l, h := m.keys(s, b, i)
		if l < h {
			lo, hi = min(lo, l), max(hi, h)
		}
	}
	return min(lo, hi), hi
}

func (m Mask) check(name string, s Shape) {
	if m.Lo != nil && len(m.Lo) < s.Q || m.Hi != nil && len(m.Hi) < s.Q || m.KeyLen != nil && len(m.KeyLen) < s.B {
		panic("attn." + name + ": the mask is shorter than the queries or the batch")
	}
}

// scratch is a worker's memory, handed out piece by piece and reset between tasks. Pieces are not cleared.
type scratch struct {
	buf  []float32
	used int
}

var pool = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) take(n int) []float32 {
	n16 := padded(n)
	if s.used+n16 > len(s.buf) {
		// The pieces handed out before keep the old memory alive.
		s.buf, s.used = make([]float32, max(2*len(s.buf), s.used+n16)), 0
	}
	s.used += n16
	return s.buf[s.used-n16 : s.used-n16+n : s.used]
}

func (s *scratch) release() {
	s.used = 0
	pool.Put(s)
}

// gather copies rows of d elements, stride apart in src, into consecutive rows.
func gather(dst, src []float32, rows, stride, d int) {
	for i := range rows {
		copy(dst[i*d:(i+1)*d], src[i*stride:i*stride+d])
	}
}
