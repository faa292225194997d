package world

import "math"

// scenery paints the paper layers of one place.
type scenery struct {
	r      *Renderer
	rnd    *rng
	pal    palette
	res    float64 // bitmap pixels per unit
	width  int     // bitmap pixels
	repeat bool    // the camera pans, so layers repeat
	span   float64 // units after which scenery repeats
	aspect float64
	top    float64 // units by which layers extend above the frame
	low    float64 // units down to which layers extend
}

// painters paint each place from back to front.
var painters = [NumPlaces]func(*scenery){
	Meadow: (*scenery).meadow, Beach: (*scenery).beach, Ocean: (*scenery).ocean, City: (*scenery).city,
	Desert: (*scenery).desert, Mountains: (*scenery).mountains, Underwater: (*scenery).underwater, Space: (*scenery).space,
}

// paintScenery paints all layers for the scene. Layers are as large as the
// camera needs: twice the frame's width for a pan, taller for a tilt, and finer
// for a zoom.
func (r *Renderer) paintScenery() {
	s := &scenery{r: r, rnd: newRNG(r.scene.Seed, "scenery"), pal: paletteOf(r.scene.Place, r.scene.Time)}
	r.light = s.pal.light
	s.aspect = float64(r.w) / float64(r.h)
	s.res, s.low = float64(r.h), 1.02
	s.width = r.w + 2
	s.span = 2 * s.aspect
	switch r.scene.Camera {
	case PanLeft, PanRight:
		s.repeat, s.width = true, 2*r.w
	case TiltUp, TiltDown:
		s.top, s.low = -0.40, 1.36
	case ZoomIn, ZoomOut:
		s.res *= 1.4
		s.width = int(math.Ceil(float64(r.w)*1.4)) + 2
	}
	painters[r.scene.Place](s)
	for _, l := range r.layers {
		l.index()
	}
}

// sheet adds a layer in front of the others and returns the pen to draw on it.
func (s *scenery) sheet(parallax float64) (*layer, *pen) {
	l := &layer{res: s.res, top: s.top, parallax: parallax, depth: 0.3 + 0.7*parallax, periodic: s.repeat}
	l.img = newBitmap(s.width, int(math.Ceil((s.low-s.top)*s.res)))
	s.r.layers = append(s.r.layers, l)
	p := &pen{img: l.img, ras: &s.r.ras, scale: float32(s.res), oy: float32(-s.top * s.res)}
	if s.repeat {
		p.period = float32(s.width)
	}
	return l, p
}

// drifting makes a layer repeat and move on its own, whatever the camera does.
func (s *scenery) drifting(parallax, drift float64) (*layer, *pen) {
	width, repeat := s.width, s.repeat
	if !repeat {
		s.width = int(math.Round(s.span * s.res))
		s.repeat = true
	}
	l, p := s.sheet(parallax)
	l.drift = drift
	s.width, s.repeat = width, repeat
	return l, p
}

// front adds a layer in front of the actors.
func (s *scenery) front(parallax float64) (*layer, *pen) {
	l, p := s.sheet(parallax)
	l.front = true
	return l, p
}

// wave is a smooth contour that repeats over the scenery's span. It returns the
// height at u, around base, with hills of the given amplitude.
func (s *scenery) wave(base, amp float64, freq ...int) func(u float64) float64 {
	ph := make([]float64, len(freq))
	for i := range ph {
		ph[i] = s.rnd.in(0, 2*math.Pi)
	}
	return func(u float64) float64 {
		v := base
		for i, k := range freq {
			v -= amp / float64(i+1) * math.Sin(2*math.Pi*float64(k)*u/s.span+ph[i])
		}
		return v
	}
}

// ridge fills everything below a contour, with a soft paper shadow above it
// and a light edge.
func (s *scenery) ridge(p *pen, f func(float64) float64, c paint) {
	step := 5 / s.res
	w := float64(p.img.w) / s.res
	n := int(w/step) + 2
	line := make([]pt, 0, n+3)
	for i := range n {
		u := float64(i) * step
		line = append(line, pt{float32(u), float32(f(u))})
	}
	end := line[len(line)-1].x
	low := float32(s.low + 0.1)
	line = append(line, pt{end, low}, pt{0, low})
	period := p.period
	p.period = 0
	defer func() { p.period = period }()
	shift := func(d float32) []pt {
		p.buf = append(p.buf[:0], line...)
		for i := range n {
			p.buf[i].y += d
		}
		return p.buf
	}
	for _, d := range [3]float32{-0.030, -0.019, -0.009} {
		p.poly(shift(d), clearer(rgb{0.05, 0.05, 0.15}, 0.06))
	}
	edge := c
	edge.top, edge.bottom = c.top.light(0.22), c.bottom.light(0.22)
	p.poly(line, edge)
	p.poly(shift(0.012), c)
}

// sky paints the gradient with the sun or the moon and stars.
func (s *scenery) sky(sunX, sunY float64) *pen {
	_, p := s.sheet(0.16)
	s.r.layers[0].depth = 0.2
	p.rect(-9, float32(s.top)-1, 99, float32(s.low)+1, paint{top: s.pal.skyTop, bottom: s.pal.skyLow, alpha: 1, y0: float32(s.top), y1: 0.78})
	x, y := float32(sunX*s.aspect), float32(sunY)
	switch {
	case s.pal.night:
		s.stars(p, 46)
		p.glow(x, y, 0.17, hex(0xc8d4ff), 0.22)
		p.moon(x, y, 0.078, flat(s.pal.sun))
	case s.r.scene.Time == Sunset:
		y += 0.30
		p.glow(x, y, 0.34, hex(0xffd27a), 0.42)
		p.ellipse(x, y, 0.125, 0.125, fade(hex(0xfff0b0), hex(0xff9a5a)).over(y-0.12, y+0.12))
	default:
		p.glow(x, y, 0.24, hex(0xfff7d0), 0.40)
		p.ellipse(x, y, 0.080, 0.080, flat(s.pal.sun))
	}
	return p
}

// moon is a crescent of the given radius.
func (p *pen) moon(x, y, r float32, c paint) {
	const n = 24
	p.buf = p.buf[:0]
	for i := range n + 1 { // the outer edge, from horn to horn
		a := 0.9 + (2*math.Pi-1.8)*float32(i)/n
		p.buf = append(p.buf, pt{x + r*cosf(a-0.45), y + r*sinf(a-0.45)})
	}
	horn := p.buf[0]
	last := p.buf[n]
	for i := 1; i < n; i++ { // and back along a flatter one
		k := float32(i) / n
		bow := r * 0.85 * sinf(math.Pi*k)
		p.buf = append(p.buf, pt{last.x + (horn.x-last.x)*k - bow*cosf(-0.45), last.y + (horn.y-last.y)*k - bow*sinf(-0.45)})
	}
	p.poly(p.buf, c)
}

// over places a gradient between two heights.
func (p paint) over(y0, y1 float32) paint {
	p.y0, p.y1 = y0, y1
	return p
}

func (s *scenery) stars(p *pen, n int) {
	for range n {
		x, y := s.rnd.in(0, s.span), s.rnd.in(s.top, 0.66)
		r := float32(s.rnd.in(0.005, 0.011))
		p.ellipse(float32(x), float32(y), r, r, clearer(hex(0xfdf6d8), float32(s.rnd.in(0.55, 1))))
	}
}

// clouds drift slowly over the sky.
func (s *scenery) clouds(n int, lo, hi float64) {
	_, p := s.drifting(0.24, 0.018)
	for i := range n {
		x := (float64(i) + s.rnd.in(0.1, 0.7)) / float64(n) * s.span
		y, k := s.rnd.in(lo, hi), float32(s.rnd.in(0.7, 1.15))
		s.cloud(p, float32(x), float32(y), k*0.16)
	}
}

func (s *scenery) cloud(p *pen, x, y, k float32) {
	for pass := range 2 {
		c, dy := clearer(s.pal.skyTop.dark(0.55), 0.10), k*0.14
		if pass == 1 {
			c, dy = flat(s.pal.cloud), 0
		}
		p.ellipse(x-k*0.62, y+dy, k*0.42, k*0.26, c)
		p.ellipse(x+k*0.62, y+dy, k*0.46, k*0.28, c)
		p.ellipse(x-k*0.12, y-k*0.16+dy, k*0.50, k*0.42, c)
		p.limb(x-k*0.8, y+k*0.14+dy, x+k*0.86, y+k*0.14+dy, k*0.14, k*0.14, c)
	}
}

// scatter calls draw at n random positions, spread roughly evenly along the
// span.
func (s *scenery) scatter(n int, draw func(u float64)) {
	off := s.rnd.float()
	for i := range n {
		draw(math.Mod((float64(i)+off+s.rnd.in(-0.32, 0.32)+1)/float64(n), 1) * s.span)
	}
}

// tree is a round tree with its foot at x, y.
func (s *scenery) tree(p *pen, x, y, h float32, leaf rgb) {
	p.limb(x, y+h*0.02, x, y-h*0.45, h*0.055, h*0.04, flat(hex(0x8a6244).mul(s.pal.light).mix(leaf, 0.3)))
	p.ellipse(x, y-h*0.66, h*0.30, h*0.36, flat(leaf))
	p.ellipse(x-h*0.08, y-h*0.72, h*0.17, h*0.20, flat(leaf.light(0.14)))
}

// pine is a tree of three triangles.
func (s *scenery) pine(p *pen, x, y, h float32, leaf rgb) {
	for i := range 3 {
		k := float32(i)
		top, w := y-h+h*0.26*k, h*(0.17+0.06*k)
		p.tri(pt{x, top}, pt{x + w, top + h*0.44}, pt{x - w, top + h*0.44}, flat(leaf.light(0.10-0.05*k)))
	}
}
