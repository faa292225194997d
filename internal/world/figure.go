package world

import "math"

// figure is the shapes of a subject at one moment, in units of its own height:
// x points right (the way it faces), y down, and the middle is at 0, 0.
type figure struct {
	pts   []pt
	parts []part
	res   float32 // pixels per unit: decides how many points a curve gets
}

// part is one shape of a figure.
type part struct {
	from, to int
	color    rgb
	alpha    float32
	detail   bool // inside the silhouette or translucent: no outline, no shadow
}

func (f *figure) reset(res float32) { f.pts, f.parts, f.res = f.pts[:0], f.parts[:0], res }

func (f *figure) end(from int, c rgb, detail bool) {
	f.parts = append(f.parts, part{from, len(f.pts), c, 1, detail})
}

func (f *figure) ellipse(c rgb, cx, cy, rx, ry float32) { f.tilted(c, cx, cy, rx, ry, 0) }

func (f *figure) tilted(c rgb, cx, cy, rx, ry, rot float32) {
	from := len(f.pts)
	f.pts = appendEllipse(f.pts, cx, cy, rx, ry, rot, arcSteps(max(rx, ry)*f.res))
	f.end(from, c, false)
}

func (f *figure) poly(c rgb, pts ...pt) {
	from := len(f.pts)
	f.pts = append(f.pts, pts...)
	f.end(from, c, false)
}

func (f *figure) blob(c rgb, pts ...pt) {
	from := len(f.pts)
	f.pts = appendBlob(f.pts, pts, max(3, arcSteps(f.res*0.3)/6))
	f.end(from, c, false)
}

func (f *figure) limb(c rgb, x0, y0, x1, y1, w0, w1 float32) {
	from := len(f.pts)
	f.pts = appendLimb(f.pts, x0, y0, x1, y1, w0, w1, max(3, arcSteps(max(w0, w1)*f.res)/2))
	f.end(from, c, false)
}

// inner marks the last n parts as details.
func (f *figure) inner(n int) {
	for i := len(f.parts) - n; i < len(f.parts); i++ {
		f.parts[i].detail = true
	}
}

// ghost makes the last part translucent, without outline or shadow.
func (f *figure) ghost(alpha float32) {
	p := &f.parts[len(f.parts)-1]
	p.alpha, p.detail = alpha, true
}

// eye is a white eye with a dark pupil.
func (f *figure) eye(x, y, r float32) {
	f.ellipse(rgb{1, 1, 1}, x, y, r, r)
	f.ellipse(hex(0x1d1b22), x+r*0.25, y, r*0.62, r*0.68)
	f.inner(2)
}

// stance is the position and shape of a figure in the frame.
type stance struct {
	x, y       float32 // pixels, of its middle
	size       float32 // pixels a unit
	rot        float32 // radians, clockwise
	wide, tall float32 // squash and stretch
	flip       bool    // faces left
}

func (s stance) apply(pts []pt) {
	c, sn := cosf(s.rot)*s.size, sinf(s.rot)*s.size
	fx := s.wide
	if s.flip {
		fx = -fx
		sn = -sn
	}
	for i, p := range pts {
		x, y := p.x*fx, p.y*s.tall
		pts[i] = pt{s.x + x*c - y*sn, s.y + x*sn + y*c}
	}
}

// drawFigure draws a figure, already in pixels, on the picture: first a soft
// paper shadow, then a dark outline of its own hue, then its parts.
func (r *Renderer) drawFigure(f *figure, c tone, size float32) {
	edge := c.edge * max(size*0.016, 0.6)
	if r.mask {
		r.silhouette(f, 0, 0, edge)
		r.img.fill(&r.ras, flat(rgb{1, 1, 1}), false)
		return
	}
	for i, s := range [2]struct{ dx, dy, grow float32 }{{0.030, 0.045, 0.035}, {0.024, 0.036, 0.012}} {
		r.silhouette(f, size*s.dx, size*s.dy, edge+size*s.grow)
		r.img.fill(&r.ras, clearer(rgb{0.03, 0.03, 0.10}, 0.10+0.06*float32(i)), false)
	}
	r.silhouette(f, 0, 0, edge)
	r.img.fill(&r.ras, flat(c.outline), false)
	for _, p := range f.parts {
		r.ras.reset(r.img.w, r.img.h)
		r.ras.add(f.pts[p.from:p.to])
		r.img.fill(&r.ras, clearer(p.color, p.alpha), false)
	}
}

// silhouette starts a path of all outlined parts, shifted and grown, in pixels.
func (r *Renderer) silhouette(f *figure, dx, dy, grow float32) {
	r.ras.reset(r.img.w, r.img.h)
	for _, p := range f.parts {
		if p.detail {
			continue
		}
		r.grown = appendGrown(r.grown[:0], f.pts[p.from:p.to], dx, dy, grow)
		r.ras.add(r.grown)
	}
}

// appendGrown appends a polygon shifted by dx, dy, with its outline pushed
// outwards.
func appendGrown(dst, pts []pt, dx, dy, grow float32) []pt {
	n := len(pts)
	var area float32
	for i, p := range pts {
		q := pts[(i+1)%n]
		area += p.x*q.y - q.x*p.y
	}
	if area < 0 {
		grow = -grow
	}
	for i, p := range pts {
		a, b := pts[(i+n-1)%n], pts[(i+1)%n]
		ax, ay := unitVec(p.x-a.x, p.y-a.y)
		bx, by := unitVec(b.x-p.x, b.y-p.y)
		nx, ny := unitVec(ay+by, -ax-bx)
		dst = append(dst, pt{p.x + dx + nx*grow, p.y + dy + ny*grow})
	}
	return dst
}

func unitVec(x, y float32) (float32, float32) {
	l := float32(math.Sqrt(float64(x*x + y*y)))
	if l < 1e-9 {
		return 0, 0
	}
	return x / l, y / l
}
