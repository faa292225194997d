package world

import "math"

// pen draws shapes, given in drawing units, on a bitmap. With period > 0 the
// bitmap is one period of endless scenery: a shape that leaves it on one side
// re-enters on the other.
type pen struct {
	img    *bitmap
	ras    *raster
	scale  float32 // pixels per unit
	ox, oy float32 // pixel position of the unit origin
	period float32 // pixels; 0 if the picture does not repeat
	buf    []pt
	tmp    []pt
}

// px converts a height from units to pixels.
func (p *pen) py(v float32) float32 { return p.oy + v*p.scale }

// poly fills a polygon given in units.
func (p *pen) poly(pts []pt, c paint) {
	if c.y1 > c.y0 {
		c.y0, c.y1 = p.py(c.y0), p.py(c.y1)
	}
	lo, hi := float32(math.MaxFloat32), float32(-math.MaxFloat32)
	p.tmp = p.tmp[:0]
	for _, q := range pts {
		t := pt{p.ox + q.x*p.scale, p.oy + q.y*p.scale}
		lo, hi = min(lo, t.x), max(hi, t.x)
		p.tmp = append(p.tmp, t)
	}
	p.flush(c, 0)
	if p.period > 0 {
		if hi > p.period {
			p.flush(c, -p.period)
		}
		if lo < 0 {
			p.flush(c, p.period)
		}
	}
}

func (p *pen) flush(c paint, shift float32) {
	p.ras.reset(p.img.w, p.img.h)
	if shift != 0 {
		for i := range p.tmp {
			p.tmp[i].x += shift
		}
	}
	p.ras.add(p.tmp)
	p.img.fill(p.ras, c, false)
	if shift != 0 {
		for i := range p.tmp {
			p.tmp[i].x -= shift
		}
	}
}

func (p *pen) ellipse(cx, cy, rx, ry float32, c paint) {
	p.buf = appendEllipse(p.buf[:0], cx, cy, rx, ry, 0, arcSteps(max(rx, ry)*p.scale))
	p.poly(p.buf, c)
}

func (p *pen) rect(x0, y0, x1, y1 float32, c paint) {
	p.buf = append(p.buf[:0], pt{x0, y0}, pt{x1, y0}, pt{x1, y1}, pt{x0, y1})
	p.poly(p.buf, c)
}

func (p *pen) tri(a, b, c pt, col paint) {
	p.buf = append(p.buf[:0], a, b, c)
	p.poly(p.buf, col)
}

// limb is a line with round ends.
func (p *pen) limb(x0, y0, x1, y1, w0, w1 float32, c paint) {
	p.buf = appendLimb(p.buf[:0], x0, y0, x1, y1, w0, w1, max(3, arcSteps(max(w0, w1)*p.scale)/2))
	p.poly(p.buf, c)
}

// blob is a smooth closed curve through the points.
func (p *pen) blob(c paint, pts ...pt) {
	p.buf = appendBlob(p.buf[:0], pts, 5)
	p.poly(p.buf, c)
}

// glow is a soft disc: rings of decreasing opacity.
func (p *pen) glow(cx, cy, r float32, c rgb, alpha float32) {
	const rings = 7
	for i := rings; i >= 1; i-- {
		k := float32(i) / rings
		p.ellipse(cx, cy, r*k, r*k, clearer(c, alpha/rings*(2-k)))
	}
}

// arcSteps is the number of points for a circle of a given radius in pixels.
func arcSteps(radius float32) int {
	n := int(6 + 4*float32(math.Sqrt(float64(max(radius, 0)))))
	return min(max(n, 8), 96)
}

func appendEllipse(dst []pt, cx, cy, rx, ry, rot float32, n int) []pt {
	cr, sr := cosf(rot), sinf(rot)
	dc, ds := cosf(2*math.Pi/float32(n)), sinf(2*math.Pi/float32(n))
	c, s := float32(1), float32(0)
	for range n {
		x, y := rx*c, ry*s
		dst = append(dst, pt{cx + x*cr - y*sr, cy + x*sr + y*cr})
		c, s = c*dc-s*ds, s*dc+c*ds
	}
	return dst
}

func appendLimb(dst []pt, x0, y0, x1, y1, w0, w1 float32, n int) []pt {
	a := float32(math.Atan2(float64(y1-y0), float64(x1-x0)))
	for i := 0; i <= n; i++ {
		t := a - math.Pi/2 + math.Pi*float32(i)/float32(n)
		dst = append(dst, pt{x1 + w1*cosf(t), y1 + w1*sinf(t)})
	}
	for i := 0; i <= n; i++ {
		t := a + math.Pi/2 + math.Pi*float32(i)/float32(n)
		dst = append(dst, pt{x0 + w0*cosf(t), y0 + w0*sinf(t)})
	}
	return dst
}

// appendBlob appends a closed Catmull-Rom curve through pts, n points a piece.
func appendBlob(dst, pts []pt, n int) []pt {
	m := len(pts)
	for i := range pts {
		a, b, c, d := pts[(i+m-1)%m], pts[i], pts[(i+1)%m], pts[(i+2)%m]
		for k := range n {
			t := float32(k) / float32(n)
			dst = append(dst, pt{spline(a.x, b.x, c.x, d.x, t), spline(a.y, b.y, c.y, d.y, t)})
		}
	}
	return dst
}

func spline(a, b, c, d, t float32) float32 {
	return b + 0.5*t*(c-a+t*(2*a-5*b+4*c-d+t*(3*(b-c)+d-a)))
}

func sinf(x float32) float32 { return float32(math.Sin(float64(x))) }
func cosf(x float32) float32 { return float32(math.Cos(float64(x))) }
