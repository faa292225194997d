package conv

import (
	"github.com/kinora-video/kinora/internal/kernel/check"
	"github.com/kinora-video/kinora/internal/simd"
)

// Depthwise convolutions run on bands: a few frames and image rows of up to 64
// channels, copied with their zero border into scratch that stays in cache. In
// a band every tap of every position is a constant offset, so the kernels in
// strip.go need not handle borders.

const (
	// lanes is the number of channels of a band, and the distance between
	// neighbouring positions in its scratch.
	lanes = 64
	// bandFloats bounds the scratch of a band.
	bandFloats = 112 << 10
)

// Depthwise computes y = conv(x, w) + bias, each channel by itself:
// x, y [N,T,H,W,C], w [KT,KH,KW,C], bias [C] or nil, past nil (zeros) or
// [N,KT-1,H,W,C], the frames before x. It panics when a slice is too short.
func Depthwise(y, x, past, w, bias []float32, s Shape) {
	const op = "conv.Depthwise"
	s.checkDepthwise(op)
	check.Len(op, "x", x, s.xLen())
	check.Len(op, "y", y, s.xLen())
	check.Len(op, "w", w, s.taps()*s.C)
	check.LenOrNil(op, "past", past, s.pastLen())
	check.LenOrNil(op, "bias", bias, s.C)
	if bias == nil {
		zeros := borrow(s.C)
		defer giveBack(zeros)
		clear(*zeros)
		bias = *zeros
	}
	f := s.forward(x, past)
	f.depthwise(y, w, bias)
}

// DepthwiseGradInput adds to dx [N,T,H,W,C] the gradient that reaches x from
// dy [N,T,H,W,C] through w [KT,KH,KW,C]. It panics when a slice is too short.
func DepthwiseGradInput(dx, dy, w []float32, s Shape) {
	const op = "conv.DepthwiseGradInput"
	s.checkDepthwise(op)
	check.Len(op, "dx", dx, s.xLen())
	check.Len(op, "dy", dy, s.xLen())
	check.Len(op, "w", w, s.taps()*s.C)
	turned := borrow(s.taps() * s.C)
	defer giveBack(turned)
	for tap := range s.taps() {
		copy((*turned)[(s.taps()-1-tap)*s.C:][:s.C], w[tap*s.C:])
	}
	f := s.backward(dy)
	f.depthwise(dx, *turned, nil)
}

// DepthwiseGradWeight adds to dw [KT,KH,KW,C] and dbias [C] the gradients that
// reach the weights and the bias from dy [N,T,H,W,C]; x and past are those of
// Depthwise. Either gradient may be nil. It panics when a slice is too short.
func DepthwiseGradWeight(dw, dbias, dy, x, past []float32, s Shape) {
	const op = "conv.DepthwiseGradWeight"
	s.checkDepthwise(op)
	check.Len(op, "dy", dy, s.xLen())
	check.Len(op, "x", x, s.xLen())
	check.LenOrNil(op, "past", past, s.pastLen())
	check.LenOrNil(op, "dw", dw, s.taps()*s.C)
	check.LenOrNil(op, "dbias", dbias, s.C)
	if dbias != nil {
		sumRows(dbias, dy, s.rows(), s.C)
	}
	if dw == nil || s.rows() == 0 {
		return
	}
	f := s.forward(x, past)
	f.depthwiseGrad(dw, dy)
}

// bands is how a video is cut: nt frames by nh image rows by lanes channels.
type bands struct {
	nt, nh                 int // frames and rows in a band
	timeParts, heightParts int
	channelParts           int
}

// band is one band: frames [t0,t1) and rows [h0,h1) of video n, channels
// [c0,c0+c). pitch is the width of a padded image row and floats the size of
// the scratch.
type band struct {
	n, t0, t1, h0, h1, c0, c int
	pitch, rows              int
}

// cut chooses the bands from the geometry alone.
func (f *frames) cut() bands {
	pitch := (f.w + f.kw - 1) * lanes
	b := bands{nt: min(f.t, 4), nh: f.h}
	for b.nh > 1 && (b.nt+f.kt-1)*(b.nh+f.kh-1)*pitch > bandFloats {
		b.nh = (b.nh + 1) / 2
	}
	b.nt = min(max(bandFloats/((b.nh+f.kh-1)*pitch)-f.kt+1, 1), f.t)
	b.timeParts = (f.t + b.nt - 1) / b.nt
	b.heightParts = (f.h + b.nh - 1) / b.nh
	b.channelParts = (f.c + lanes - 1) / lanes
	return b
}

// perVideo is the number of bands per group of channels of one video.
func (b bands) perVideo() int { return b.timeParts * b.heightParts }

// at returns band i of video n and channel group part.
func (b bands) at(f *frames, n, part, i int) band {
	t, h := i/b.heightParts*b.nt, i%b.heightParts*b.nh
	r := band{
		n: n, t0: t, t1: min(t+b.nt, f.t), h0: h, h1: min(h+b.nh, f.h),
		c0: part * lanes, pitch: f.w + f.kw - 1,
	}
	r.c = min(lanes, f.c-r.c0)
	r.rows = r.h1 - r.h0 + f.kh - 1
	return r
}

// scratchLen bounds the scratch of any band.
func (b bands) scratchLen(f *frames) int {
	return (b.nt + f.kt - 1) * (b.nh + f.kh - 1) * (f.w + f.kw - 1) * lanes
}

// load copies a band into dst [frames][rows][pitch][lanes], zeros around it.
func (f *frames) load(dst []float32, b band) {
	half := f.kw / 2
	size := b.pitch * lanes
	for t := b.t0; t < b.t1+f.kt-1; t++ {
		for h := range b.rows {
			row := dst[:size]
			dst = dst[size:]
			src := f.row(b.n, t+f.first, b.h0+h-f.kh/2)
			if src == nil {
				clear(row)
				continue
			}
			clear(row[:half*lanes])
			clear(row[(half+f.w)*lanes:])
			row = row[half*lanes:]
			copyLanes(row, lanes, src[b.c0:], f.c, f.w, b.c)
		}
	}
}

// copyLanes copies c channels of some positions. If the destination has room
// for all lanes, it writes zeros up to the next multiple of 16 channels.
func copyLanes(dst []float32, dstStride int, src []float32, srcStride, positions, c int) {
	pad := 0
	if dstStride == lanes {
		pad = -c & 15
	}
	for p := range positions {
		d := dst[p*dstStride:][:c+pad]
		copy(d, src[p*srcStride:][:c])
		clear(d[c:])
	}
}

// offsets returns the offset of each tap from its position, in bytes of
// scratch.
func (f *frames) offsets(b band) []int {
	var off []int
	for kt := range f.kt {
		for kh := range f.kh {
			for kw := range f.kw {
				off = append(off, ((kt*b.rows+kh)*b.pitch+kw)*lanes*4)
			}
		}
	}
	return off
}

// depthwise computes y = conv(f, w) + bias, or adds to y if bias is nil.
func (f *frames) depthwise(y, w, bias []float32) {
	bs := f.cut()
	each := bs.perVideo()
	taps := f.kt * f.kh * f.kw
	simd.For(f.n*bs.channelParts*each, 1, func(lo, _ int) {
		b := bs.at(f, lo/each/bs.channelParts, lo/each%bs.channelParts, lo%each)
		size := bs.scratchLen(f)
		buf := borrow(size + (taps+f.w+1)*lanes)
		defer giveBack(buf)
		x, wt, tmp := (*buf)[:size], (*buf)[size:][:taps*lanes], (*buf)[size+taps*lanes:]
		f.load(x, b)
		copyLanes(wt, lanes, w[b.c0:], f.c, taps, b.c)
		f.depthwiseBand(y, x, wt, bias, tmp, b)
	})
}

// depthwiseBand runs the kernel over the image rows of a band. tmp [W+1,lanes]
// is used if the channels are not a whole number of vectors.
func (f *frames) depthwiseBand(y, x, w, bias, tmp []float32, b band) {
	off := f.offsets(b)
	strip := stripFor()
	odd := b.c%16 != 0
	vectors := (b.c + 15) / 16
	if odd && bias != nil {
		clear(tmp[f.w*lanes:])
		copy(tmp[f.w*lanes:], bias[b.c0:b.c0+b.c])
		bias = tmp[f.w*lanes:]
	} else if bias != nil {
		bias = bias[b.c0:]
	}
	for t := b.t0; t < b.t1; t++ {
		for h := b.h0; h < b.h1; h++ {
			src := x[((t-b.t0)*b.rows+h-b.h0)*b.pitch*lanes:]
			out := y[(((b.n*f.t+t)*f.h+h)*f.w)*f.c+b.c0:]
			dst, stride := out, f.c
			if odd {
				dst, stride = tmp, lanes
				if bias == nil {
					copyLanes(tmp, lanes, out, f.c, f.w, b.c)
				}
			}
			if bias == nil {
				strip(dst, stride, dst, stride, src, w, off, f.w, vectors)
			} else {
				strip(dst, stride, bias, 0, src, w, off, f.w, vectors)
			}
			if odd {
				copyLanes(out, f.c, tmp, lanes, f.w, b.c)
			}
		}
	}
}

// gradParts is the largest number of parts into which the videos are cut for
// the gradient of the weights; each part has its own sums.
const gradParts = 8

// depthwiseGrad adds to dw [taps,C] the products of dy with the input f.
func (f *frames) depthwiseGrad(dw, dy []float32) {
	bs := f.cut()
	taps := f.kt * f.kh * f.kw
	room := (taps + correlateTaps - 1) / correlateTaps * correlateTaps
	bandsEach := bs.perVideo()
	all := f.n * bandsEach
	per := (all + gradParts - 1) / gradParts
	parts := (all + per - 1) / per
	sums := borrow(parts * bs.channelParts * room * lanes)
	defer giveBack(sums)
	clear(*sums)
	simd.For(parts*bs.channelParts, 1, func(lo, _ int) {
		size := bs.scratchLen(f)
		buf := borrow(size + bs.nt*bs.nh*f.w*lanes)
		defer giveBack(buf)
		sum := (*sums)[lo*room*lanes:][:room*lanes]
		for i := lo / bs.channelParts * per; i < min((lo/bs.channelParts+1)*per, all); i++ {
			b := bs.at(f, i/bandsEach, lo%bs.channelParts, i%bandsEach)
			f.load((*buf)[:size], b)
			f.correlateBand(sum, (*buf)[:size], dy, (*buf)[size:], b)
		}
	})
	for part := range parts {
		for cp := range bs.channelParts {
			sum := (*sums)[(part*bs.channelParts+cp)*room*lanes:]
			c := min(lanes, f.c-cp*lanes)
			for tap := range taps {
				addRows(dw[tap*f.c+cp*lanes:][:c], sum[tap*lanes:], 0, 1)
			}
		}
	}
}

// correlateBand adds the products of one band to sum [taps,lanes]; g has room
// for the band's part of dy.
func (f *frames) correlateBand(sum, x, dy, g []float32, b band) {
	off := f.offsets(b)
	for len(off)*lanes < len(sum) {
		off = append(off, 0) // fills the last group; its sums are not used
	}
	correlate := correlateFor()
	rows := b.h1 - b.h0
	for t := b.t0; t < b.t1; t++ {
		at := ((b.n*f.t+t)*f.h + b.h0) * f.w
		copyLanes(g, lanes, dy[at*f.c+b.c0:], f.c, rows*f.w, b.c)
		src := x[(t-b.t0)*b.rows*b.pitch*lanes:]
		for i := 0; i < len(off); i += correlateTaps {
			correlate(sum[i*lanes:], g, src, off[i:i+correlateTaps], rows, f.w, (f.kw-1)*lanes*4, (b.c+15)/16)
		}
	}
}
