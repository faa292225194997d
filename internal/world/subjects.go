package world

import "math"

// life is the state of a figure's own movement.
type life struct {
	t     float32 // seconds
	gait  float32 // cycles of legs, turns of wheels
	going bool    // whether it moves over the ground
	skin  rgb     // of a person
}

// tone is a subject's colour with its shades, already in the scene's light, and
// the width of its outline relative to the usual one.
type tone struct {
	base, dark, light, outline rgb
	edge                       float32
}

// colors are the named colours by day. They differ from each other in hue or in
// lightness, and from the paler paper of the scenery.
var colors = [NumColors]rgb{
	Red: hex(0xe0262f), Orange: hex(0xff8a1c), Yellow: hex(0xffdc2e), Green: hex(0x1fa34a),
	Blue: hex(0x2563e0), Purple: hex(0x8a35c8), Pink: hex(0xff85bd), White: hex(0xfafaf6),
	Black: hex(0x24252d), Grey: hex(0x80848c), Brown: hex(0x874a22),
}

func toneOf(c Color, light rgb) tone {
	b := colors[c]
	t := tone{base: b, dark: b.dark(0.74), light: b.light(0.38), outline: b.dark(0.42), edge: 1}
	switch c {
	case White:
		t.dark, t.light, t.outline = hex(0xd3d8e2), hex(0xffffff), hex(0x6d7690)
	case Black: // a light edge makes it visible at night
		t.dark, t.light, t.outline = hex(0x15161b), hex(0x474a58), hex(0xb4bacb)
		t.edge = 1.7
	case Grey: // the edge makes it visible in front of grey houses
		t.dark, t.light, t.outline = hex(0x62666f), hex(0xaaaeb7), hex(0x23262e)
		t.edge = 1.25
	case Brown:
		t.dark, t.light, t.outline = hex(0x633415), hex(0xa9703f), hex(0x371c0c)
	}
	return tone{t.base.mul(light), t.dark.mul(light), t.light.mul(light), t.outline.mul(light), t.edge}
}

// drawers draw each subject, facing right, about one unit tall or wide.
var drawers = [NumSubjects]func(*figure, tone, life){
	Cat: drawCat, Dog: drawDog, Bird: drawBird, Fish: drawFish, Car: drawCar, Boat: drawBoat,
	SteamTrain: drawTrain, Rocket: drawRocket, Balloon: drawBalloon, Butterfly: drawButterfly,
	Ball: drawBall, Person: drawPerson,
}

// build is what placing a subject needs, in units from its middle: half its
// width, its top and its feet; whether it lives on the ground; and how much
// slim subjects are enlarged so that they look as large as others.
type build struct {
	half, top, feet float32
	ground          bool
	weight          float64
}

var builds = [NumSubjects]build{
	Cat: {0.62, 0.50, 0.47, true, 1}, Dog: {0.72, 0.46, 0.47, true, 1}, Bird: {0.66, 0.50, 0.44, false, 1}, Fish: {0.70, 0.38, 0.30, false, 1},
	Car: {0.72, 0.38, 0.38, true, 1}, Boat: {0.64, 0.62, 0.38, true, 1}, SteamTrain: {0.80, 0.55, 0.42, true, 1}, Rocket: {0.34, 0.54, 0.52, false, 1.18},
	Balloon: {0.40, 0.57, 0.57, false, 1.1}, Butterfly: {0.60, 0.48, 0.42, false, 1}, Ball: {0.39, 0.38, 0.38, true, 1.12}, Person: {0.26, 0.54, 0.52, true, 1.22},
}

func swing(phase float32) float32 { return sinf(2 * math.Pi * phase) }

func drawCat(f *figure, c tone, l life) {
	a := float32(0)
	if l.going {
		a = 0.13
	}
	wag := swing(l.t * 0.7)
	// tail: three limbs that curl up
	tx, ty := float32(-0.40), float32(0.02)
	for i := range 3 {
		k := float32(i)
		nx, ny := tx-0.075+0.05*k+0.03*wag*k, ty-0.16+0.01*k
		f.limb(c.base, tx, ty, nx, ny, 0.062-0.006*k, 0.056-0.006*k)
		tx, ty = nx, ny
	}
	f.limb(c.dark, -0.26, 0.16, -0.26+a*swing(l.gait+0.5), 0.42, 0.075, 0.055)
	f.limb(c.dark, 0.22, 0.16, 0.22+a*swing(l.gait), 0.42, 0.075, 0.055)
	f.blob(c.base, pt{-0.46, 0.04}, pt{-0.28, -0.13}, pt{0.10, -0.10}, pt{0.38, -0.06}, pt{0.36, 0.20}, pt{0, 0.26}, pt{-0.38, 0.25})
	f.limb(c.base, -0.33, 0.14, -0.33+a*swing(l.gait), 0.42, 0.095, 0.058)
	f.limb(c.base, 0.30, 0.14, 0.30+a*swing(l.gait+0.5), 0.42, 0.085, 0.058)
	// head and ears
	y := -0.19 + 0.012*swing(l.t*0.9)
	f.poly(c.base, pt{0.20, y - 0.05}, pt{0.19, y - 0.31}, pt{0.36, y - 0.17})
	f.poly(c.base, pt{0.42, y - 0.17}, pt{0.56, y - 0.31}, pt{0.58, y - 0.05})
	f.ellipse(c.base, 0.385, y, 0.235, 0.205)
	f.poly(c.light, pt{0.235, y - 0.12}, pt{0.225, y - 0.24}, pt{0.31, y - 0.165})
	f.poly(c.light, pt{0.47, y - 0.165}, pt{0.535, y - 0.24}, pt{0.545, y - 0.12})
	f.ellipse(c.light, 0.43, y+0.09, 0.13, 0.085)
	f.inner(3)
	f.eye(0.33, y-0.03, 0.052)
	f.eye(0.50, y-0.03, 0.052)
	f.ellipse(hex(0x5a2b35), 0.435, y+0.055, 0.030, 0.022)
	f.inner(1)
}

func drawDog(f *figure, c tone, l life) {
	a := float32(0)
	if l.going {
		a = 0.14
	}
	wag := 0.10 * swing(l.t*2.2)
	f.limb(c.base, -0.46, -0.06, -0.64+wag*0.4, -0.24+wag, 0.065, 0.035)
	f.limb(c.dark, -0.30, 0.14, -0.30+a*swing(l.gait+0.5), 0.42, 0.085, 0.06)
	f.limb(c.dark, 0.20, 0.14, 0.20+a*swing(l.gait), 0.42, 0.08, 0.06)
	f.blob(c.base, pt{-0.54, 0.0}, pt{-0.36, -0.14}, pt{0.05, -0.13}, pt{0.32, -0.17}, pt{0.36, 0.12}, pt{0.08, 0.21}, pt{-0.42, 0.22})
	f.ellipse(c.light, -0.16, -0.01, 0.15, 0.10)
	f.inner(1)
	f.limb(c.base, -0.40, 0.12, -0.40+a*swing(l.gait), 0.42, 0.10, 0.062)
	f.limb(c.base, 0.28, 0.12, 0.28+a*swing(l.gait+0.5), 0.42, 0.09, 0.062)
	y := -0.25 + 0.015*swing(l.t*1.1)
	f.limb(c.base, 0.25, -0.05, 0.33, y, 0.13, 0.12)
	f.limb(c.base, 0.40, y+0.02, 0.62, y+0.06, 0.14, 0.085)
	f.ellipse(c.base, 0.36, y-0.02, 0.20, 0.185)
	f.limb(hex(0xc23b3b), 0.19, y+0.20, 0.37, y+0.22, 0.028, 0.028)
	f.limb(c.light, 0.50, y+0.075, 0.62, y+0.085, 0.07, 0.055)
	f.inner(2)
	f.limb(c.dark, 0.24, y-0.13, 0.16, y+0.12+0.3*wag*0.3, 0.07, 0.095)
	f.eye(0.42, y-0.055, 0.05)
	f.ellipse(hex(0x1d1b22), 0.69, y+0.02, 0.048, 0.04)
	f.inner(1)
}

func drawBird(f *figure, c tone, l life) {
	rate := float32(2.0)
	if !l.going {
		rate = 1.4
	}
	flap := swing(l.t * rate)
	f.poly(c.dark, pt{-0.30, 0.0}, pt{-0.66, -0.12}, pt{-0.60, 0.02}, pt{-0.66, 0.14}, pt{-0.30, 0.14})
	// far wing
	f.blob(c.dark, pt{0.10, -0.02}, pt{0.02, -0.22 * flap}, pt{-0.08, -0.44*flap - 0.04}, pt{-0.20, -0.36 * flap}, pt{-0.16, 0.02})
	f.blob(c.base, pt{-0.42, 0.06}, pt{-0.18, -0.13}, pt{0.14, -0.19}, pt{0.34, -0.22}, pt{0.46, -0.10}, pt{0.36, 0.12}, pt{0.06, 0.24}, pt{-0.26, 0.18})
	f.blob(c.light, pt{-0.12, 0.13}, pt{0.14, 0.06}, pt{0.34, 0.02}, pt{0.26, 0.15}, pt{0.04, 0.20})
	f.inner(1)
	f.poly(hex(0xffb02e), pt{0.43, -0.15}, pt{0.64, -0.05}, pt{0.43, -0.01})
	f.blob(c.base, pt{0.16, -0.02}, pt{0.04, -0.26*flap - 0.02}, pt{-0.10, -0.50*flap - 0.02}, pt{-0.30, -0.44 * flap}, pt{-0.26, -0.14 * flap}, pt{-0.16, 0.06})
	f.blob(c.light, pt{0.06, -0.03}, pt{-0.02, -0.20 * flap}, pt{-0.12, -0.34 * flap}, pt{-0.20, -0.20 * flap}, pt{-0.10, 0.0})
	f.inner(1)
	f.eye(0.31, -0.10, 0.055)
}

func drawFish(f *figure, c tone, l life) {
	rate := float32(1.1)
	if l.going {
		rate = 1.9
	}
	s := 0.09 * swing(l.t*rate)
	f.blob(c.dark, pt{-0.36, 0.0}, pt{-0.58, -0.26 + s}, pt{-0.70, -0.27 + s}, pt{-0.60, 0.0 + s*1.3}, pt{-0.70, 0.27 + s}, pt{-0.58, 0.26 + s})
	f.blob(c.dark, pt{-0.22, -0.20}, pt{-0.16, -0.38}, pt{0.10, -0.36}, pt{0.22, -0.22})
	f.blob(c.base, pt{-0.46, 0.0}, pt{-0.22, -0.22}, pt{0.12, -0.28}, pt{0.44, -0.16}, pt{0.58, 0.02}, pt{0.44, 0.17}, pt{0.12, 0.27}, pt{-0.22, 0.22})
	f.blob(c.light, pt{-0.20, 0.12}, pt{0.10, 0.10}, pt{0.40, 0.10}, pt{0.14, 0.22}, pt{-0.10, 0.20})
	f.limb(c.light, -0.16, -0.14, -0.18, 0.06, 0.035, 0.03)
	f.limb(c.light, 0.02, -0.18, 0.0, 0.06, 0.035, 0.03)
	f.inner(3)
	f.blob(c.dark, pt{0.06, 0.06}, pt{-0.12, 0.14 + s}, pt{-0.16, 0.24 + s}, pt{0.06, 0.20})
	f.inner(1)
	f.eye(0.36, -0.05, 0.072)
}

// wheel is a wheel with spokes that show how it turns.
func (f *figure) wheel(x, y, r, turn float32, hub rgb) {
	f.ellipse(hex(0x2b2a33), x, y, r, r)
	f.ellipse(hub, x, y, r*0.58, r*0.58)
	c, s := cosf(turn*2*math.Pi)*r*0.55, sinf(turn*2*math.Pi)*r*0.55
	f.limb(hex(0x2b2a33), x-c, y-s, x+c, y+s, r*0.12, r*0.12)
	f.inner(2)
}

func drawCar(f *figure, c tone, l life) {
	y := 0.006 * swing(l.t*3)
	glass, steel := hex(0xbfe3f2), hex(0xe8e8ee)
	f.blob(c.dark, pt{-0.44, -0.06 + y}, pt{-0.36, -0.30 + y}, pt{-0.12, -0.38 + y}, pt{0.14, -0.36 + y}, pt{0.34, -0.10 + y}, pt{0.30, 0.02 + y}, pt{-0.40, 0.02 + y})
	f.poly(glass, pt{-0.34, -0.09 + y}, pt{-0.28, -0.26 + y}, pt{-0.10, -0.30 + y}, pt{-0.07, -0.09 + y})
	f.poly(glass, pt{-0.01, -0.09 + y}, pt{-0.01, -0.30 + y}, pt{0.11, -0.28 + y}, pt{0.24, -0.09 + y})
	f.inner(2)
	f.blob(c.base, pt{-0.70, -0.02 + y}, pt{-0.52, -0.11 + y}, pt{0.0, -0.11 + y}, pt{0.40, -0.12 + y}, pt{0.68, -0.02 + y}, pt{0.72, 0.16 + y}, pt{0.60, 0.25 + y}, pt{-0.58, 0.25 + y}, pt{-0.72, 0.18 + y})
	f.limb(c.light, -0.56, 0.04+y, 0.52, 0.04+y, 0.022, 0.022)
	f.ellipse(hex(0xfff2b0), 0.64, 0.05+y, 0.05, 0.055)
	f.limb(steel, 0.62, 0.20+y, 0.71, 0.19+y, 0.025, 0.025)
	f.inner(3)
	f.wheel(-0.40, 0.23, 0.155, l.gait, steel)
	f.wheel(0.40, 0.23, 0.155, l.gait, steel)
}

func drawBoat(f *figure, c tone, l life) {
	w := 0.03 * swing(l.t*0.6)
	f.limb(hex(0x7a5334), 0.02, 0.16, 0.02, -0.58, 0.022, 0.018)
	f.blob(c.base, pt{-0.02, -0.54}, pt{-0.03, -0.18}, pt{-0.03, 0.08}, pt{-0.26, 0.09}, pt{-0.50, 0.07}, pt{-0.34 - w, -0.16}, pt{-0.16 - w, -0.38})
	f.blob(hex(0xfff6e4), pt{0.06, -0.46}, pt{0.22 + w, -0.22}, pt{0.42, 0.06}, pt{0.22, 0.08}, pt{0.06, 0.07}, pt{0.06, -0.2})
	f.poly(c.dark, pt{0.02, -0.62}, pt{0.22, -0.56 + w}, pt{0.02, -0.50})
	f.blob(c.base, pt{-0.60, 0.12}, pt{-0.20, 0.15}, pt{0.26, 0.15}, pt{0.64, 0.08}, pt{0.56, 0.24}, pt{0.38, 0.38}, pt{-0.36, 0.38}, pt{-0.52, 0.28})
	f.limb(hex(0xfff6e4), -0.48, 0.215, 0.50, 0.205, 0.026, 0.026)
	f.limb(c.dark, -0.38, 0.33, 0.40, 0.33, 0.03, 0.03)
	f.inner(2)
}

func drawTrain(f *figure, c tone, l life) {
	iron := hex(0x2f2e38)
	for i := range 4 { // smoke
		k := l.t*0.55 + float32(i)*0.25
		k -= float32(math.Floor(float64(k)))
		f.ellipse(hex(0xf4f1ee), 0.44-0.55*k, -0.46-0.30*k, 0.05+0.10*k, 0.045+0.085*k)
		f.ghost(0.75 * (1 - k))
	}
	y := 0.006 * swing(l.t*2.5)
	f.poly(iron, pt{-0.70, 0.18 + y}, pt{0.66, 0.18 + y}, pt{0.66, 0.27 + y}, pt{-0.70, 0.27 + y})
	f.poly(c.dark, pt{0.36, -0.12 + y}, pt{0.34, -0.40 + y}, pt{0.30, -0.44 + y}, pt{0.56, -0.44 + y}, pt{0.52, -0.40 + y}, pt{0.50, -0.12 + y})
	f.blob(c.base, pt{-0.20, -0.14 + y}, pt{0.2, -0.15 + y}, pt{0.58, -0.13 + y}, pt{0.66, 0.03 + y}, pt{0.58, 0.20 + y}, pt{0.1, 0.21 + y}, pt{-0.22, 0.20 + y})
	f.ellipse(c.dark, 0.08, -0.16+y, 0.09, 0.07)
	f.poly(c.base, pt{-0.72, -0.36 + y}, pt{-0.20, -0.36 + y}, pt{-0.20, 0.20 + y}, pt{-0.72, 0.20 + y})
	f.poly(c.dark, pt{-0.78, -0.43 + y}, pt{-0.14, -0.43 + y}, pt{-0.17, -0.34 + y}, pt{-0.75, -0.34 + y})
	f.poly(hex(0xbfe3f2), pt{-0.60, -0.26 + y}, pt{-0.32, -0.26 + y}, pt{-0.32, -0.05 + y}, pt{-0.60, -0.05 + y})
	f.limb(c.light, -0.12, 0.02+y, 0.52, 0.02+y, 0.022, 0.022)
	f.ellipse(hex(0xfff2b0), 0.64, -0.05+y, 0.05, 0.055)
	f.inner(3)
	f.poly(iron, pt{0.62, 0.22}, pt{0.82, 0.41}, pt{0.60, 0.41})
	f.wheel(-0.50, 0.26, 0.16, l.gait, c.light)
	f.wheel(-0.08, 0.29, 0.13, l.gait*1.2, c.light)
	f.wheel(0.32, 0.29, 0.13, l.gait*1.2, c.light)
	a := l.gait * 1.2 * 2 * math.Pi
	dx, dy := 0.07*cosf(a), 0.07*sinf(a)
	f.limb(hex(0xe8e8ee), -0.08+dx, 0.29+dy, 0.32+dx, 0.29+dy, 0.022, 0.022)
	f.inner(1)
}

func drawRocket(f *figure, c tone, l life) {
	k := float32(0.10)
	if l.going {
		k = 0.20
	}
	fl := k + 0.04*swing(l.t*4) + 0.02*swing(l.t*6.3)
	f.blob(hex(0xff8a1c), pt{-0.10, 0.32}, pt{-0.12, 0.36 + fl*0.5}, pt{0, 0.40 + fl*1.3}, pt{0.12, 0.36 + fl*0.5}, pt{0.10, 0.32})
	f.ghost(0.95)
	f.blob(hex(0xffe37a), pt{-0.06, 0.32}, pt{-0.06, 0.34 + fl*0.4}, pt{0, 0.36 + fl*0.8}, pt{0.06, 0.34 + fl*0.4}, pt{0.06, 0.32})
	f.ghost(1)
	f.blob(c.dark, pt{-0.12, 0.02}, pt{-0.30, 0.22}, pt{-0.32, 0.42}, pt{-0.20, 0.36}, pt{-0.10, 0.30})
	f.blob(c.dark, pt{0.12, 0.02}, pt{0.30, 0.22}, pt{0.32, 0.42}, pt{0.20, 0.36}, pt{0.10, 0.30})
	f.blob(c.base, pt{0, -0.54}, pt{0.13, -0.34}, pt{0.19, -0.06}, pt{0.17, 0.20}, pt{0.10, 0.34}, pt{-0.10, 0.34}, pt{-0.17, 0.20}, pt{-0.19, -0.06}, pt{-0.13, -0.34})
	f.blob(c.dark, pt{0, -0.52}, pt{0.10, -0.38}, pt{0.125, -0.31}, pt{0, -0.285}, pt{-0.125, -0.31}, pt{-0.10, -0.38})
	f.limb(c.light, -0.085, -0.20, -0.10, 0.16, 0.022, 0.022)
	f.ellipse(hex(0xf1f1f4), 0.01, -0.10, 0.098, 0.098)
	f.ellipse(hex(0x3a78b8), 0.01, -0.10, 0.068, 0.068)
	f.limb(c.dark, 0, 0.14, 0, 0.32, 0.03, 0.03)
	f.inner(5)
}

func drawBalloon(f *figure, c tone, l life) {
	s := 0.02 * swing(l.t*0.45)
	for _, x := range [2]float32{-0.10, 0.10} {
		f.limb(hex(0x7a5334), x*1.3, 0.20, x+s, 0.40, 0.012, 0.012)
	}
	f.poly(hex(0xa9713f), pt{-0.13 + s, 0.38}, pt{0.13 + s, 0.38}, pt{0.10 + s, 0.56}, pt{-0.10 + s, 0.56})
	f.limb(hex(0xd29a5e), -0.11+s, 0.42, 0.11+s, 0.42, 0.02, 0.02)
	f.inner(1)
	f.blob(c.base, pt{0, -0.56}, pt{0.26, -0.48}, pt{0.39, -0.22}, pt{0.33, 0.02}, pt{0.13, 0.25}, pt{-0.13, 0.25}, pt{-0.33, 0.02}, pt{-0.39, -0.22}, pt{-0.26, -0.48})
	f.blob(c.light, pt{-0.03, -0.55}, pt{0.11, -0.40}, pt{0.14, -0.20}, pt{0.05, 0.24}, pt{-0.05, 0.24}, pt{-0.14, -0.20}, pt{-0.11, -0.40})
	f.blob(c.dark, pt{0.10, -0.53}, pt{0.28, -0.42}, pt{0.375, -0.20}, pt{0.31, 0.02}, pt{0.13, 0.24}, pt{0.22, 0.02}, pt{0.27, -0.20}, pt{0.22, -0.40})
	f.limb(c.dark, -0.30, 0.035, 0.29, 0.035, 0.022, 0.022)
	f.inner(3)
}

func drawButterfly(f *figure, c tone, l life) {
	rate := float32(1.3)
	if l.going {
		rate = 1.7
	}
	k := 0.74 + 0.26*swing(l.t*rate)
	ink := hex(0x3a2a3d)
	for _, s := range [2]float32{-1, 1} {
		w := s * k
		f.blob(c.dark, pt{0.02 * s, 0.04}, pt{0.28 * w, 0.02}, pt{0.46 * w, 0.16}, pt{0.40 * w, 0.36}, pt{0.22 * w, 0.40}, pt{0.05 * s, 0.22})
		f.blob(c.base, pt{0.02 * s, 0.06}, pt{0.14 * w, -0.30}, pt{0.40 * w, -0.46}, pt{0.60 * w, -0.36}, pt{0.56 * w, -0.08}, pt{0.30 * w, 0.08})
		f.ellipse(c.light, 0.40*w, -0.24, 0.105*k, 0.11)
		f.ellipse(c.light, 0.28*w, 0.22, 0.075*k, 0.08)
		f.inner(2)
		f.limb(ink, 0.01*s, -0.26, 0.12*s, -0.44, 0.014, 0.014)
		f.ellipse(ink, 0.12*s, -0.45, 0.028, 0.028)
		f.inner(2)
	}
	f.limb(ink, 0, -0.20, 0, 0.26, 0.05, 0.03)
	f.ellipse(ink, 0, -0.24, 0.065, 0.065)
}

func drawBall(f *figure, c tone, l life) {
	a := l.gait * 2 * math.Pi
	white := hex(0xfffaf0)
	if c.base.g > 0.8 && c.base.b > 0.7 { // a white ball is banded in grey
		white = c.dark
	}
	f.ellipse(c.base, 0, 0, 0.38, 0.38)
	ca, sa := cosf(a), sinf(a)
	turn := func(x, y float32) pt { return pt{x*ca - y*sa, x*sa + y*ca} }
	f.blob(white, turn(-0.36, -0.075), turn(-0.12, -0.045), turn(0.12, -0.045), turn(0.36, -0.075), turn(0.36, 0.075), turn(0.12, 0.045), turn(-0.12, 0.045), turn(-0.36, 0.075))
	f.inner(1)
	for i := range 2 {
		q := turn(0, 0.20-0.40*float32(i))
		f.ellipse(c.dark, q.x, q.y, 0.075, 0.075)
		f.inner(1)
	}
	f.tilted(rgb{1, 1, 1}, -0.15, -0.19, 0.09, 0.05, -0.7)
	f.ghost(0.45)
}

func drawPerson(f *figure, c tone, l life) {
	a, arm := float32(0), float32(0.05)*swing(l.t*0.5)
	if l.going {
		a, arm = 0.13*swing(l.gait), 0.16*swing(l.gait)
	}
	shoe, cloth := hex(0x4a3530), hex(0x3f4a66)
	f.limb(c.dark, 0.02, -0.10, 0.05-arm, 0.14, 0.06, 0.05)
	f.limb(cloth, -0.03, 0.22, -0.04-a, 0.44, 0.065, 0.055)
	f.limb(shoe, -0.04-a, 0.47, 0.04-a, 0.48, 0.05, 0.04)
	f.limb(cloth, 0.05, 0.22, 0.05+a, 0.44, 0.065, 0.055)
	f.limb(shoe, 0.05+a, 0.47, 0.13+a, 0.48, 0.05, 0.04)
	f.blob(c.base, pt{0, -0.19}, pt{0.13, -0.13}, pt{0.18, 0.10}, pt{0.23, 0.30}, pt{0, 0.33}, pt{-0.23, 0.30}, pt{-0.18, 0.10}, pt{-0.13, -0.13})
	f.ellipse(l.skin, 0.02, -0.31, 0.145, 0.155)
	f.blob(c.base, pt{-0.17, -0.30}, pt{-0.15, -0.44}, pt{0.0, -0.53}, pt{0.14, -0.46}, pt{0.19, -0.37}, pt{0.02, -0.39}, pt{-0.06, -0.30}, pt{-0.10, -0.18})
	f.limb(c.light, 0.02, -0.10, 0.04, 0.28, 0.018, 0.018)
	f.inner(1)
	f.eye(0.09, -0.30, 0.036)
	f.limb(c.dark, -0.02, -0.09, -0.03+arm, 0.14, 0.062, 0.05)
	f.ellipse(l.skin, -0.03+arm, 0.17, 0.045, 0.045)
}
