package world

import "math"

// layer is one sheet of paper of the scenery.
type layer struct {
	img      *bitmap
	kind     []uint8 // per row: empty, mixed, opaque or plain
	periodic bool
	res      float64 // bitmap pixels per unit (frame height)
	top      float64 // height of the bitmap's first row, in units
	parallax float64 // share of the camera's pan and tilt that the layer follows
	drift    float64 // the layer's own motion to the right, in units a second
	bob      float64 // amplitude of rising and sinking, in units; see bobPhase
	bobPhase float64
	depth    float64 // share of the zoom that the layer follows
	front    bool    // in front of the actors
}

const (
	rowEmpty uint8 = iota
	rowMixed
	rowOpaque
	rowPlain // opaque, of one colour
)

// index notes which rows are empty or opaque: compositing skips empty rows, and
// starts at the frontmost opaque one.
func (l *layer) index() {
	l.kind = make([]uint8, l.img.h)
	for y := range l.kind {
		row := l.img.pix[y*l.img.w:][:l.img.w]
		all, some, plain := row[0], row[0], true
		for _, p := range row {
			all &= p
			some |= p
			plain = plain && p == row[0]
		}
		switch {
		case all>>24 == 255 && plain:
			l.kind[y] = rowPlain
		case all>>24 == 255:
			l.kind[y] = rowOpaque
		case some != 0:
			l.kind[y] = rowMixed
		}
	}
}

// view maps frame pixels to a layer's bitmap in 16.16 fixed point:
// column x of the frame is bx + x*step, row y is by + y*step.
type view struct{ bx, by, step int64 }

// camera is the state of the view at one moment.
type camera struct {
	panX  float64 // how far the view has moved to the right, in units
	tiltY float64 // how far the view has moved down, in units
	zoom  float64 // 1 is the whole scenery
}

// zoomCenter is the fixed point of a zoom in the frame.
const zoomCenterX, zoomCenterY = 0.5, 0.6

// see returns the mapping of a layer at time t for a frame of w×h pixels.
func (l *layer) see(c camera, t float64, w, h int) view {
	z := 1 + (c.zoom-1)*l.depth
	unit := float64(h)
	k := l.res / (unit * z)
	cx, cy := zoomCenterX*float64(w), zoomCenterY*float64(h)
	u0 := cx/unit - cx/(unit*z) + c.panX*l.parallax - l.drift*t
	v0 := cy/unit - cy/(unit*z) + c.tiltY*l.parallax - l.top
	if l.bob != 0 {
		v0 += l.bob * math.Sin(2*math.Pi*(t/3.5)+l.bobPhase)
	}
	if l.periodic {
		p := float64(l.img.w) / l.res
		u0 -= math.Floor(u0/p) * p
	}
	half := 0.5*k - 0.5 // pixel centres, so that step 1 without shift copies
	return view{
		bx:   int64((u0*l.res + half) * 65536),
		by:   int64((v0*l.res + half) * 65536),
		step: int64(k*65536 + 0.5),
	}
}

// rowAt returns the bitmap row for frame row y, clamped, and the share of the
// next row, 0 … 255.
func (l *layer) rowAt(v view, y int) (row int, frac uint32) {
	p := v.by + int64(y)*v.step
	row, frac = int(p>>16), uint32(p>>8)&255
	if row < 0 {
		return 0, 0
	}
	if row >= l.img.h-1 {
		return l.img.h - 1, 0
	}
	return row, frac
}

// kindAt returns the kind of the layer's row at frame row y.
func (l *layer) kindAt(v view, y int) uint8 {
	row, frac := l.rowAt(v, y)
	k := l.kind[row]
	if frac == 0 || l.kind[row+1] == k {
		return k
	}
	if k >= rowOpaque && l.kind[row+1] >= rowOpaque {
		return rowOpaque
	}
	return rowMixed
}

// draw composites frame row y of the layer over dst. line is scratch space.
func (l *layer) draw(dst []uint32, v view, y int, line []uint32) []uint32 {
	row, frac := l.rowAt(v, y)
	w := l.img.w
	a := l.img.pix[row*w:][:w]
	b := a
	if frac != 0 {
		b = l.img.pix[(row+1)*w:][:w]
	}
	if l.kindAt(v, y) == rowPlain {
		c := lerp(a[0], b[0], frac)
		for x := range dst {
			dst[x] = c
		}
		return line
	}
	x0 := int(v.bx >> 16)
	need := int((v.bx+int64(len(dst)-1)*v.step)>>16) - x0 + 2
	if cap(line) < need {
		line = make([]uint32, need)
	}
	scratch := line[:need]
	line = scratch
	switch {
	case frac == 0 && x0 >= 0 && x0+need <= w:
		line = a[x0 : x0+need]
	case !l.periodic:
		clampRow(line, a, b, x0, frac)
	default:
		for i, x := 0, (x0%w+w)%w; i < need; x = 0 {
			n := min(need-i, w-x)
			mixRow(line[i:i+n], a[x:], b[x:], frac)
			i += n
		}
	}
	if v.step == 1<<16 {
		shiftRow(dst, line, uint32(v.bx>>8)&255)
	} else {
		stretchRow(dst, line, v.bx-int64(x0)<<16, v.step)
	}
	return scratch
}

// mixRow sets line to a, or to the mixture of a and b.
func mixRow(line, a, b []uint32, frac uint32) {
	if frac == 0 {
		copy(line, a)
		return
	}
	a, b = a[:len(line)], b[:len(line)]
	for i := range line {
		p, q := a[i], b[i]
		if p != q {
			p = lerp(p, q, frac)
		}
		line[i] = p
	}
}

// clampRow is mixRow for a picture that does not repeat: past its sides it
// repeats its first or last column.
func clampRow(line, a, b []uint32, x0 int, frac uint32) {
	w := len(a)
	lo, hi := max(0, -x0), min(len(line), w-x0)
	if lo < hi {
		mixRow(line[lo:hi], a[x0+lo:], b[x0+lo:], frac)
	}
	for i := 0; i < min(lo, len(line)); i++ {
		line[i] = lerp(a[0], b[0], frac)
	}
	for i := max(hi, 0); i < len(line); i++ {
		line[i] = lerp(a[w-1], b[w-1], frac)
	}
}

// shiftRow composites line over dst, shifted left by f/256 of a pixel.
func shiftRow(dst, line []uint32, f uint32) {
	p := line[0]
	for x := range dst {
		q := line[x+1]
		c := p
		if p != q && f != 0 {
			c = lerp(p, q, f)
		}
		p = q
		switch a := c >> 24; a {
		case 255:
			dst[x] = c
		case 0:
		default:
			dst[x] = over(dst[x], c)
		}
	}
}

// stretchRow composites line over dst, sampled from position p in steps, 16.16.
func stretchRow(dst, line []uint32, p, step int64) {
	for x := range dst {
		i := p >> 16
		c, q := line[i], line[i+1]
		if c != q {
			c = lerp(c, q, uint32(p>>8)&255)
		}
		p += step
		switch a := c >> 24; a {
		case 255:
			dst[x] = c
		case 0:
		default:
			dst[x] = over(dst[x], c)
		}
	}
}
