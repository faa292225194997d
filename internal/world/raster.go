package world

import "math"

// pt is a point in pixels or, before a pen's transform, in drawing units.
type pt struct{ x, y float32 }

// raster turns polygons into anti-aliased coverage. Every edge adds its signed
// area to the cells it crosses, and a running sum along a row gives the
// coverage (the scheme of Levien's font-rs). Filling a path costs its bounding
// box, not the whole picture. Polygons of one path are united whatever their
// orientation, because add gives all the same one.
type raster struct {
	acc          []float32
	lo, hi       []int32 // first and last touched cell of each row
	x0, y0, w, h int     // the box in pixels
	minX, minY   float32
	maxX, maxY   float32
	clipW, clipH int
	points       []pt
	ends         []int // end of each polygon in points
}

// reset starts a new path to be clipped to a picture of w×h pixels.
func (r *raster) reset(w, h int) {
	r.clipW, r.clipH = w, h
	r.points, r.ends = r.points[:0], r.ends[:0]
	r.minX, r.minY = math.MaxFloat32, math.MaxFloat32
	r.maxX, r.maxY = -math.MaxFloat32, -math.MaxFloat32
}

// add adds a closed polygon, in pixels, oriented so that it always adds
// coverage.
func (r *raster) add(poly []pt) {
	if len(poly) < 3 {
		return
	}
	var area float32
	p := poly[len(poly)-1]
	for _, q := range poly {
		area += p.x*q.y - q.x*p.y
		r.minX, r.maxX = min(r.minX, q.x), max(r.maxX, q.x)
		r.minY, r.maxY = min(r.minY, q.y), max(r.maxY, q.y)
		p = q
	}
	start := len(r.points)
	r.points = append(r.points, poly...)
	if area > 0 {
		turned := r.points[start:]
		for i, j := 0, len(turned)-1; i < j; i, j = i+1, j-1 {
			turned[i], turned[j] = turned[j], turned[i]
		}
	}
	r.ends = append(r.ends, len(r.points))
}

// scan accumulates the path's edges. It returns false if nothing is visible.
func (r *raster) scan() bool {
	if len(r.ends) == 0 || !(r.maxX > 0 && r.maxY > 0 && r.minX < float32(r.clipW) && r.minY < float32(r.clipH)) {
		return false
	}
	x0, y0 := max(0, int(r.minX)), max(0, int(r.minY))
	x1 := min(r.clipW, int(min(r.maxX, 1e6))+1)
	y1 := min(r.clipH, int(min(r.maxY, 1e6))+1)
	r.x0, r.y0, r.w, r.h = x0, y0, x1-x0, y1-y0
	if r.w <= 0 || r.h <= 0 {
		return false
	}
	if n := (r.w + 1) * r.h; len(r.acc) < n {
		r.acc = make([]float32, n)
	}
	if len(r.lo) < r.h {
		r.lo, r.hi = make([]int32, r.h), make([]int32, r.h)
	}
	for i := range r.h {
		r.lo[i], r.hi[i] = int32(r.w), -1
	}
	ox, oy := float32(x0), float32(y0)
	start := 0
	for _, end := range r.ends {
		p := r.points[end-1]
		for _, q := range r.points[start:end] {
			r.edge(p.x-ox, p.y-oy, q.x-ox, q.y-oy)
			p = q
		}
		start = end
	}
	return true
}

// edge accumulates one line, in pixels from the corner of the box.
func (r *raster) edge(ax, ay, bx, by float32) {
	dir := float32(1)
	if ay > by {
		ax, ay, bx, by, dir = bx, by, ax, ay, -1
	}
	if by <= 0 || ay >= float32(r.h) || ay == by {
		return
	}
	slope := (bx - ax) / (by - ay)
	if ay < 0 {
		ax, ay = ax-ay*slope, 0
	}
	last := min(r.h-1, int(by))
	x := ax
	for y := int(ay); y <= last; y++ {
		top, bottom := max(ay, float32(y)), min(by, float32(y+1))
		dy := bottom - top
		if dy <= 0 {
			continue
		}
		next := x + slope*dy
		r.cells(y, x, next, dy*dir)
		x = next
	}
}

// cells distributes the area d of a line that crosses row y from xa to xb. The
// part left of the box counts for its first cell; the part right of it is
// dropped.
func (r *raster) cells(y int, xa, xb, d float32) {
	if xa > xb {
		xa, xb = xb, xa
	}
	w := float32(r.w)
	if xa >= w {
		return
	}
	row := r.acc[y*(r.w+1):][:r.w+1]
	if xb <= 0 {
		row[0] += d
		r.lo[y], r.hi[y] = 0, max(r.hi[y], 0)
		return
	}
	if xa < 0 {
		left := d * -xa / (xb - xa)
		row[0] += left
		d, xa = d-left, 0
	}
	if xb > w {
		d *= (w - xa) / (xb - xa)
		xb = w
	}
	i, j := int(xa), int(xb)
	end := min(j+1, r.w)
	r.lo[y], r.hi[y] = min(r.lo[y], int32(i)), max(r.hi[y], int32(end))
	if j == i { // within one cell
		m := (xa+xb)*0.5 - float32(i)
		row[i] += d * (1 - m)
		row[end] += d * m
		return
	}
	inv := d / (xb - xa)
	fa := 1 - (xa - float32(i))
	prev := 0.5 * inv * fa * fa
	row[i] += prev
	for k := i + 1; k < j; k++ {
		c := inv * (float32(k) + 0.5 - xa)
		row[k] += c - prev
		prev = c
	}
	fb := xb - float32(j)
	c := inv*fb*(float32(j)-xa+0.5*fb) + (1-fb)*d
	row[j] += c - prev
	if j < r.w {
		row[j+1] += d - c
	}
}
