package world

// bitmap is a picture of premultiplied 8-bit pixels 0xAABBGGRR, row-major.
type bitmap struct {
	w, h int
	pix  []uint32
}

func newBitmap(w, h int) *bitmap { return &bitmap{w: w, h: h, pix: make([]uint32, w*h)} }

// rgb is an opaque colour, each part 0 … 1.
type rgb struct{ r, g, b float32 }

func hex(v uint32) rgb {
	return rgb{float32(v>>16&255) / 255, float32(v>>8&255) / 255, float32(v&255) / 255}
}

// mix interpolates from c (t = 0) to d (t = 1).
func (c rgb) mix(d rgb, t float32) rgb {
	return rgb{c.r + (d.r-c.r)*t, c.g + (d.g-c.g)*t, c.b + (d.b-c.b)*t}
}

// mul multiplies channel by channel, as coloured light does.
func (c rgb) mul(d rgb) rgb { return rgb{c.r * d.r, c.g * d.g, c.b * d.b} }

func (c rgb) dark(k float32) rgb  { return rgb{c.r * k, c.g * k, c.b * k} }
func (c rgb) light(t float32) rgb { return c.mix(rgb{1, 1, 1}, t) }

// pack returns the premultiplied pixel of c at an opacity of 0 … 1.
func (c rgb) pack(alpha float32) uint32 {
	q := func(v float32) uint32 { return uint32(min(max(v, 0), 1)*alpha*255 + 0.5) }
	return uint32(alpha*255+0.5)<<24 | q(c.b)<<16 | q(c.g)<<8 | q(c.r)
}

// scale multiplies a premultiplied pixel by a/256.
func scale(p, a uint32) uint32 {
	return ((p&0x00ff00ff)*a>>8)&0x00ff00ff | ((p>>8&0x00ff00ff)*a)&0xff00ff00
}

// over composites the premultiplied pixel s over d.
func over(d, s uint32) uint32 {
	a := 256 - (s>>24 + s>>31)
	return s + scale(d, a)
}

// lerp interpolates from p (f = 0) to q (f = 256).
func lerp(p, q, f uint32) uint32 {
	g := 256 - f
	rb := ((p&0x00ff00ff)*g + (q&0x00ff00ff)*f) >> 8 & 0x00ff00ff
	ag := ((p>>8&0x00ff00ff)*g + (q>>8&0x00ff00ff)*f) & 0xff00ff00
	return rb | ag
}

// paint is a colour that may change with height; heights are in pixels.
type paint struct {
	top, bottom rgb
	alpha       float32
	y0, y1      float32 // heights of the top and bottom colours; equal for a flat colour
}

func flat(c rgb) paint                   { return paint{top: c, bottom: c, alpha: 1} }
func clearer(c rgb, alpha float32) paint { return paint{top: c, bottom: c, alpha: alpha} }
func fade(top, bottom rgb) paint         { return paint{top: top, bottom: bottom, alpha: 1, y1: 1} }
func (p paint) at(y float32) uint32 {
	if p.y1 <= p.y0 {
		return p.top.pack(p.alpha)
	}
	t := min(max((y-p.y0)/(p.y1-p.y0), 0), 1)
	return p.top.mix(p.bottom, t).pack(p.alpha)
}

// fill paints the raster's path on the bitmap. With fit, the paint's gradient
// spans the path's own height.
func (b *bitmap) fill(r *raster, p paint, fit bool) {
	if !r.scan() {
		return
	}
	if fit {
		p.y0, p.y1 = r.minY, r.maxY
	}
	flatColor := p.y1 <= p.y0
	c := p.at(0)
	for y := range r.h {
		lo, hi := int(r.lo[y]), int(r.hi[y])
		if hi < 0 {
			continue
		}
		if !flatColor {
			c = p.at(float32(r.y0+y) + 0.5)
		}
		acc := r.acc[y*(r.w+1):][:r.w+1]
		dst := b.pix[(r.y0+y)*b.w+r.x0:][:r.w]
		b.row(dst, acc, lo, hi, c)
	}
}

// row paints colour c on dst with the coverage that the running sum of acc
// gives, and clears acc. Cells outside lo … hi are zero.
func (b *bitmap) row(dst []uint32, acc []float32, lo, hi int, c uint32) {
	var sum float32
	opaque := c>>24 == 255
	for x := lo; x < len(acc) && x <= hi; x++ {
		sum += acc[x]
		acc[x] = 0
		if x == len(dst) {
			break
		}
		a := uint32(min(max(sum, 0), 1)*256 + 0.5)
		switch {
		case a == 0:
		case a == 256 && opaque:
			dst[x] = c
		case a == 256:
			dst[x] = over(dst[x], c)
		default:
			dst[x] = over(dst[x], scale(c, a))
		}
	}
	if a := uint32(min(max(sum, 0), 1)*256 + 0.5); a > 2 { // the path continues past the right edge
		s := scale(c, a)
		for x := hi + 1; x < len(dst); x++ {
			dst[x] = over(dst[x], s)
		}
	}
}
