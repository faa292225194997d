package world

import "math"

func (s *scenery) meadow() {
	s.sky(s.rnd.in(0.15, 0.85), 0.20)
	s.clouds(5, 0.08, 0.34)
	_, p := s.sheet(0.34)
	s.ridge(p, s.wave(0.56, 0.06, 2, 5), flat(s.pal.far))
	_, p = s.sheet(0.58)
	hill := s.wave(0.66, 0.05, 3, 4)
	s.scatter(9, func(u float64) {
		s.tree(p, float32(u), float32(hill(u)+0.01), float32(s.rnd.in(0.15, 0.24)), s.pal.accent)
	})
	s.ridge(p, hill, flat(s.pal.mid))
	_, p = s.sheet(1)
	s.ridge(p, s.wave(0.77, 0.015, 2, 3), fadeDown(s.pal.ground, 0.76, 1.1))
	s.scatter(14, func(u float64) { s.flower(p, float32(u), float32(s.rnd.in(0.84, 1.0))) })
	s.grass(1.32)
}

// fadeDown darkens a paper slightly from one height to another.
func fadeDown(c rgb, y0, y1 float32) paint { return fade(c, c.dark(0.84)).over(y0, y1) }

func (s *scenery) flower(p *pen, x, y float32) {
	c := pick(s.rnd, []rgb{hex(0xfff3c4), hex(0xf7b7c8), hex(0xffffff)}).mul(s.pal.light)
	if s.pal.night {
		c = c.dark(0.6)
	}
	p.limb(x, y, x, y-0.035, 0.004, 0.004, flat(s.pal.accent))
	p.ellipse(x, y-0.045, 0.018, 0.016, flat(c))
	p.ellipse(x, y-0.045, 0.007, 0.007, flat(hex(0xe8a33c).mul(s.pal.light)))
}

// grass is a low fringe in front of the actors.
func (s *scenery) grass(parallax float64) {
	_, p := s.front(parallax)
	c := s.pal.accent.dark(0.86)
	s.scatter(26, func(u float64) {
		x := float32(u)
		for k := range 3 {
			a := float32(k-1) * 0.035
			h := float32(s.rnd.in(0.07, 0.12))
			p.tri(pt{x + a - 0.016, 1.05}, pt{x + a*2, 1.02 - h}, pt{x + a + 0.016, 1.05}, flat(c))
		}
	})
	s.ridge(p, s.wave(1.0, 0.006, 4, 7), flat(c))
}

func (s *scenery) beach() {
	s.sky(s.rnd.in(0.2, 0.8), 0.20)
	s.clouds(4, 0.08, 0.30)
	_, p := s.sheet(0.30)
	s.ridge(p, s.islands(0.50, 0.07), flat(s.pal.far))
	s.sea(0.40, 0.505, 0.018, s.pal.mid)
	s.sea(0.62, 0.62, -0.02, s.pal.near)
	_, p = s.sheet(1)
	shore := s.wave(0.72, 0.02, 1, 3)
	s.ridge(p, func(u float64) float64 { return shore(u) - 0.02 }, flat(rgb{1, 1, 1}.mul(s.pal.light).mix(s.pal.near, 0.15)))
	s.ridge(p, shore, fadeDown(s.pal.ground, 0.72, 1.1))
	s.scatter(3, func(u float64) { s.palm(p, float32(u), float32(shore(u))+0.03, float32(s.rnd.in(0.44, 0.56))) })
	s.scatter(8, func(u float64) {
		p.ellipse(float32(u), float32(s.rnd.in(0.86, 1)), 0.022, 0.014, flat(s.pal.ground.light(0.5).mix(s.pal.accent, 0.1)))
	})
	_, p = s.front(1.3)
	s.ridge(p, s.wave(0.985, 0.02, 2, 3), flat(s.pal.ground.dark(0.82)))
}

// islands is a contour that stays under water except for a few humps.
func (s *scenery) islands(base, amp float64) func(float64) float64 {
	f := s.wave(0, 1, 2, 3)
	return func(u float64) float64 { return base - amp*max(-f(u), -0.6) }
}

// sea is a sheet of water with paper waves that drifts and bobs.
func (s *scenery) sea(parallax, y, drift float64, c rgb) (*layer, *pen) {
	l, p := s.drifting(parallax, drift)
	l.bob, l.bobPhase = 0.003+0.004*parallax, s.rnd.in(0, 6)
	n := float64(int(s.span / (0.16 + 0.12*parallax)))
	a := 0.008 + 0.016*parallax
	s.ridge(p, func(u float64) float64 { return y - a*math.Abs(math.Sin(math.Pi*n*u/s.span)) }, fadeDown(c, float32(y), float32(y)+0.45))
	for range int(6 + 8*parallax) {
		x, v := float32(s.rnd.in(0, s.span)), float32(s.rnd.in(y+0.04, y+0.20))
		w := float32(0.04 + 0.05*parallax)
		p.limb(x-w, v, x+w, v, 0.006, 0.006, clearer(c.light(0.35), 0.75))
	}
	return l, p
}

func (s *scenery) palm(p *pen, x, y, h float32) {
	trunk := flat(hex(0xa87a50).mul(s.pal.light).mix(s.pal.accent, 0.2))
	tx, ty := x+h*0.16, y-h
	p.limb(x, y, x+h*0.03, y-h*0.55, h*0.045, h*0.035, trunk)
	p.limb(x+h*0.03, y-h*0.55, tx, ty, h*0.035, h*0.026, trunk)
	for i := range 6 {
		a := float64(i)*math.Pi/5 + 0.0
		dx, dy := float32(math.Cos(a))*h*0.42, -float32(math.Sin(a))*h*0.22
		leaf := s.pal.accent.light(0.12 * float32(i%2))
		p.blob(flat(leaf), pt{tx, ty}, pt{tx + dx*0.5, ty + dy - h*0.07}, pt{tx + dx, ty + dy + h*0.14}, pt{tx + dx*0.5, ty + dy*0.6 + h*0.015})
	}
}

func (s *scenery) ocean() {
	s.sky(s.rnd.in(0.2, 0.8), 0.20)
	s.clouds(5, 0.08, 0.34)
	_, p := s.sheet(0.28)
	s.ridge(p, s.islands(0.53, 0.08), flat(s.pal.far))
	s.sea(0.40, 0.54, 0.016, s.pal.mid.light(0.10))
	s.sea(0.66, 0.62, -0.022, s.pal.mid.dark(0.94))
	s.sea(1.0, 0.71, 0.028, s.pal.near)
	l, _ := s.sea(1.35, 0.90, -0.036, s.pal.ground)
	l.front = true
}

func (s *scenery) city() {
	s.sky(s.rnd.in(0.2, 0.8), 0.18)
	s.clouds(4, 0.06, 0.24)
	_, p := s.sheet(0.32)
	s.blocks(p, 17, 0.26, 0.50, 0.80, []rgb{s.pal.far, s.pal.far.dark(0.94)}, false)
	_, p = s.sheet(0.6)
	s.blocks(p, 10, 0.34, 0.60, 0.84, []rgb{s.pal.near, s.pal.mid, s.pal.near.mix(s.pal.mid, 0.5), s.pal.near.mix(hex(0xc98a7a).dark(s.dim()), 0.5)}, true)
	_, p = s.sheet(1)
	s.ridge(p, func(float64) float64 { return 0.785 }, flat(s.pal.ground.light(0.30)))
	p.rect(-9, 0.82, 99, 2, fadeDown(s.pal.ground, 0.82, 1.1))
	n := int(s.span / 0.32)
	for i := range n {
		x := float32(float64(i) * s.span / float64(n))
		p.rect(x, 0.925, x+0.15, 0.945, flat(s.pal.ground.light(0.62)))
	}
	s.scatter(3, func(u float64) { s.lamp(p, float32(u)) })
	_, p = s.front(1.3)
	s.scatter(4, func(u float64) {
		for k := range 4 {
			p.ellipse(float32(u)+float32(k)*0.075, 1.03, 0.075, float32(s.rnd.in(0.06, 0.10)), flat(hex(0x6a9a6a).dark(s.dim())))
		}
	})
	s.ridge(p, func(float64) float64 { return 1.025 }, flat(s.pal.ground.light(0.22)))
}

// dim is how much painted things are darkened at the scene's time of day.
func (s *scenery) dim() float32 {
	if s.pal.night {
		return 0.5
	}
	return 1
}

// blocks is a row of buildings whose roofs are between two heights.
func (s *scenery) blocks(p *pen, n int, top, lowest, foot float32, colors []rgb, windows bool) {
	w := float32(s.span) / float32(n)
	lit := hex(0xffe08a)
	for i := range n {
		x := float32(i)*w + w*float32(s.rnd.in(-0.10, 0.10))
		y := float32(s.rnd.in(float64(top), float64(lowest)))
		bw := w * float32(s.rnd.in(0.80, 1.05))
		c := colors[s.rnd.intn(len(colors))]
		p.rect(x-0.012, y-0.012, x+bw+0.012, foot+1, clearer(rgb{0.05, 0.05, 0.15}, 0.10))
		p.rect(x, y, x+bw, foot+1, flat(c))
		p.rect(x, y, x+bw, y+0.014, flat(c.light(0.25)))
		if s.rnd.chance(0.3) {
			p.rect(x+bw*0.40, y-0.09, x+bw*0.46, y, flat(c.dark(0.9)))
		}
		if !windows {
			continue
		}
		pane := c.mix(hex(0x5a7a9c).dark(s.dim()), 0.55)
		cols := max(2, int(bw/0.085))
		for k := range cols {
			for v := y + 0.06; v < foot-0.06; v += 0.085 {
				g := pane
				if s.rnd.chance(0.25) || s.r.scene.Time != Day && s.rnd.chance(0.45) {
					g = lit.mix(c, 0.25)
				}
				gx := x + bw*(float32(k)+0.28)/float32(cols)
				p.rect(gx, v, gx+bw*0.44/float32(cols), v+0.045, flat(g))
			}
		}
	}
}

func (s *scenery) lamp(p *pen, x float32) {
	iron := flat(s.pal.ground.dark(0.45))
	p.limb(x, 0.83, x, 0.46, 0.011, 0.008, iron)
	p.limb(x, 0.46, x+0.07, 0.44, 0.008, 0.008, iron)
	if s.r.scene.Time != Day {
		p.glow(x+0.075, 0.465, 0.11, hex(0xffe9a0), 0.5)
	}
	p.ellipse(x+0.075, 0.462, 0.028, 0.022, flat(hex(0xfff2c0)))
}

func (s *scenery) desert() {
	s.sky(s.rnd.in(0.2, 0.8), 0.18)
	s.clouds(2, 0.08, 0.22)
	_, p := s.sheet(0.32)
	s.scatter(5, func(u float64) { s.mesa(p, float32(u), 0.64, float32(s.rnd.in(0.16, 0.30))) })
	s.ridge(p, s.wave(0.62, 0.01, 2), flat(s.pal.far.light(0.12)))
	_, p = s.sheet(0.6)
	s.ridge(p, s.wave(0.68, 0.05, 2, 3), flat(s.pal.mid))
	_, p = s.sheet(1)
	dune := s.wave(0.78, 0.02, 1, 2)
	s.scatter(5, func(u float64) { s.cactus(p, float32(u), float32(dune(u))+0.02, float32(s.rnd.in(0.2, 0.32))) })
	s.ridge(p, dune, fadeDown(s.pal.ground, 0.77, 1.1))
	for range 7 {
		x, y := float32(s.rnd.in(0, s.span)), float32(s.rnd.in(0.86, 1))
		p.limb(x-0.10, y, x+0.10, y+0.012, 0.007, 0.004, flat(s.pal.near.dark(0.90)))
	}
	_, p = s.front(1.3)
	s.scatter(7, func(u float64) { p.ellipse(float32(u), 1.02, 0.09, 0.055, flat(s.pal.far.dark(0.78))) })
	s.ridge(p, s.wave(1.03, 0.006, 2, 3), flat(s.pal.ground.dark(0.80)))
}

func (s *scenery) mesa(p *pen, x, y, h float32) {
	w := h * 0.75
	p.blob(flat(s.pal.far), pt{x - w*1.3, y + 0.02}, pt{x - w*0.8, y - h*0.5}, pt{x - w*0.7, y - h}, pt{x, y - h*1.03}, pt{x + w*0.7, y - h}, pt{x + w*0.8, y - h*0.5}, pt{x + w*1.3, y + 0.02})
	p.rect(x-w*0.74, y-h*0.78, x+w*0.74, y-h*0.70, flat(s.pal.far.light(0.2)))
}

func (s *scenery) cactus(p *pen, x, y, h float32) {
	c, w := flat(s.pal.accent), h*0.085
	p.limb(x, y, x, y-h, w, w, c)
	p.limb(x, y-h*0.42, x+h*0.26, y-h*0.46, w*0.7, w*0.7, c)
	p.limb(x+h*0.26, y-h*0.46, x+h*0.26, y-h*0.78, w*0.7, w*0.7, c)
	p.limb(x, y-h*0.32, x-h*0.24, y-h*0.34, w*0.7, w*0.7, c)
	p.limb(x-h*0.24, y-h*0.34, x-h*0.24, y-h*0.60, w*0.7, w*0.7, c)
	p.limb(x-w*0.3, y-h*0.1, x-w*0.3, y-h*0.92, w*0.18, w*0.18, flat(s.pal.accent.light(0.25)))
}

func (s *scenery) mountains() {
	s.sky(s.rnd.in(0.2, 0.8), 0.16)
	_, p := s.sheet(0.30)
	s.scatter(6, func(u float64) { s.peak(p, float32(u), 0.74, float32(s.rnd.in(0.36, 0.52)), s.pal.far) })
	s.clouds(4, 0.12, 0.36)
	_, p = s.sheet(0.52)
	s.scatter(6, func(u float64) { s.peak(p, float32(u), 0.80, float32(s.rnd.in(0.24, 0.34)), s.pal.mid) })
	s.ridge(p, s.wave(0.70, 0.02, 3), flat(s.pal.mid.dark(0.95)))
	_, p = s.sheet(0.75)
	hill := s.wave(0.75, 0.025, 2, 5)
	s.scatter(17, func(u float64) {
		s.pine(p, float32(u), float32(hill(u))+0.03, float32(s.rnd.in(0.14, 0.22)), s.pal.accent)
	})
	s.ridge(p, hill, flat(s.pal.near))
	_, p = s.sheet(1)
	s.ridge(p, s.wave(0.80, 0.012, 2, 3), fadeDown(s.pal.ground, 0.79, 1.1))
	s.scatter(7, func(u float64) {
		p.ellipse(float32(u), float32(s.rnd.in(0.88, 1)), 0.035, 0.018, flat(s.pal.mid.light(0.2)))
	})
	s.grass(1.3)
}

// peak is a mountain with snow on top.
func (s *scenery) peak(p *pen, x, y, h float32, c rgb) {
	w := h * float32(s.rnd.in(0.75, 0.95))
	lean := w * float32(s.rnd.in(-0.15, 0.15))
	top := pt{x + lean, y - h}
	p.tri(pt{top.x, top.y - 0.015}, pt{x + w + 0.02, y}, pt{x - w - 0.02, y}, clearer(rgb{0.05, 0.05, 0.15}, 0.10))
	p.tri(top, pt{x + w, y}, pt{x - w, y}, flat(c))
	p.tri(top, pt{x + w, y}, pt{x + lean*0.2 + w*0.1, y}, flat(c.dark(0.90)))
	at := func(side, k float32) pt { return pt{top.x + (x+side*w-top.x)*k, top.y + h*k} }
	snow := hex(0xffffff).mul(s.pal.light).mix(c, 0.10)
	if s.pal.night {
		snow = hex(0xb8c6ea)
	}
	l, r, m := at(-1, 0.32), at(1, 0.30), at(0, 0.22)
	p.buf = append(p.buf[:0], top, r, pt{(r.x + m.x) / 2, m.y - h*0.02}, pt{m.x + w*0.02, m.y + h*0.14}, pt{(l.x + m.x) / 2, m.y}, l)
	p.poly(p.buf, flat(snow))
}

func (s *scenery) underwater() {
	_, p := s.sheet(0.16)
	s.r.layers[0].depth = 0.2
	p.rect(-9, float32(s.top)-1, 99, float32(s.low)+1, paint{top: s.pal.skyTop, bottom: s.pal.skyLow, alpha: 1, y0: float32(s.top) * 0.6, y1: 0.72})
	s.rays()
	_, p = s.sheet(0.36)
	s.ridge(p, s.wave(0.64, 0.10, 3, 5), flat(s.pal.far.mix(s.pal.skyLow, 0.3)))
	_, p = s.sheet(0.62)
	rocks := s.wave(0.76, 0.07, 2, 7)
	s.scatter(9, func(u float64) {
		s.weed(p, float32(u), float32(rocks(u))+0.03, float32(s.rnd.in(0.2, 0.36)), s.pal.near.mix(hex(0x4fa86a).dark(s.dim()), 0.4))
	})
	s.ridge(p, rocks, flat(s.pal.near))
	_, p = s.sheet(1)
	sand := s.wave(0.83, 0.02, 2, 3)
	s.scatter(7, func(u float64) { s.coral(p, float32(u), float32(sand(u))+0.02, float32(s.rnd.in(0.12, 0.2))) })
	s.ridge(p, sand, fadeDown(s.pal.ground, 0.82, 1.1))
	_, p = s.front(1.3)
	s.scatter(8, func(u float64) { s.weed(p, float32(u), 1.06, float32(s.rnd.in(0.14, 0.24)), s.pal.near.dark(0.8)) })
	s.ridge(p, s.wave(1.03, 0.008, 3, 4), flat(s.pal.ground.dark(0.80)))
	s.bubbles()
}

// rays are slanting bands of light from the surface.
func (s *scenery) rays() {
	_, p := s.drifting(0.22, 0.02)
	a := float32(0.16)
	if s.pal.night {
		a = 0.07
	}
	s.scatter(6, func(u float64) {
		x, w := float32(u), float32(s.rnd.in(0.05, 0.12))
		p.buf = append(p.buf[:0], pt{x, float32(s.top) - 0.1}, pt{x + w, float32(s.top) - 0.1}, pt{x + w*2.2 - 0.34, 0.8}, pt{x - 0.34, 0.8})
		p.poly(p.buf, clearer(s.pal.cloud.mix(s.pal.skyTop, 0.2), a))
	})
}

func (s *scenery) weed(p *pen, x, y, h float32, c rgb) {
	for k := range 3 {
		a := float32(k-1) * 0.05
		px, py := x+a, y
		for i := range 4 {
			q := float32(i+1) / 4
			nx, ny := x+a+a*q+0.022*sinf(q*5+x*9), y-h*q*(1-0.12*float32(k%2))
			p.limb(px, py, nx, ny, 0.020*(1.15-q), 0.018*(1.1-q), flat(c.light(0.06*float32(k))))
			px, py = nx, ny
		}
	}
}

func (s *scenery) coral(p *pen, x, y, h float32) {
	c := pick(s.rnd, []rgb{s.pal.accent, s.pal.accent.mix(hex(0xf2c27a).dark(s.dim()), 0.7), s.pal.accent.mix(hex(0xb07ac0).dark(s.dim()), 0.6)})
	for k := range 5 {
		a := (float32(k) - 2) * 0.42
		p.limb(x, y, x+h*sinf(a), y-h*cosf(a), h*0.13, h*0.09, flat(c))
		p.ellipse(x+h*sinf(a), y-h*cosf(a), h*0.15, h*0.15, flat(c))
	}
}

// bubbles rise slowly in front of everything else.
func (s *scenery) bubbles() {
	for range 9 {
		s.r.bubbles = append(s.r.bubbles, drop{x: s.rnd.float(), y: s.rnd.float(), speed: s.rnd.in(0.10, 0.18), size: s.rnd.in(0.6, 1.2), phase: s.rnd.float()})
	}
}

func (s *scenery) space() {
	_, p := s.sheet(0.12)
	s.r.layers[0].depth = 0.2
	p.rect(-9, float32(s.top)-1, 99, float32(s.low)+1, paint{top: s.pal.skyTop, bottom: s.pal.skyLow, alpha: 1, y0: float32(s.top), y1: 0.8})
	for range 3 { // nebulae
		x, y := float32(s.rnd.in(0, s.span)), float32(s.rnd.in(0.1, 0.5))
		p.glow(x, y, float32(s.rnd.in(0.2, 0.36)), s.pal.skyLow.light(0.3), 0.20)
	}
	s.stars(p, 70)
	x := float32(s.rnd.in(0.15, 0.85) * s.aspect)
	switch s.r.scene.Time {
	case Day:
		p.glow(x, 0.16, 0.30, hex(0xfff3c0), 0.6)
		p.ellipse(x, 0.16, 0.10, 0.10, flat(hex(0xfff6cf)))
	case Sunset:
		p.glow(x, 0.66, 0.40, hex(0xffc27a), 0.55)
		p.ellipse(x, 0.66, 0.15, 0.15, fade(hex(0xffe9a8), hex(0xff8a5a)).over(0.52, 0.78))
	}
	_, p = s.sheet(0.3)
	s.scatter(3, func(u float64) { s.planet(p, float32(u), float32(s.rnd.in(0.14, 0.42)), float32(s.rnd.in(0.07, 0.14))) })
	_, p = s.sheet(0.6)
	s.ridge(p, s.wave(0.72, 0.05, 2, 5), flat(s.pal.mid))
	_, p = s.sheet(1)
	s.ridge(p, s.wave(0.80, 0.018, 2, 3), fadeDown(s.pal.ground, 0.79, 1.1))
	s.scatter(11, func(u float64) {
		x, y, k := float32(u), float32(s.rnd.in(0.86, 1.0)), float32(s.rnd.in(0.04, 0.08))
		p.ellipse(x, y, k, k*0.36, flat(s.pal.ground.dark(0.78)))
		p.ellipse(x, y+k*0.07, k*0.86, k*0.27, flat(s.pal.ground.dark(0.88)))
	})
	_, p = s.front(1.3)
	s.ridge(p, s.wave(0.99, 0.02, 3, 5), flat(s.pal.near.dark(0.72)))
}

func (s *scenery) planet(p *pen, x, y, r float32) {
	c := pick(s.rnd, []rgb{s.pal.far, s.pal.accent, s.pal.far.mix(hex(0x7ad0c8), 0.5)})
	ring := s.rnd.chance(0.5)
	p.ellipse(x, y, r, r, flat(c))
	p.ellipse(x-r*0.25, y-r*0.25, r*0.55, r*0.5, flat(c.light(0.2)))
	p.limb(x-r*0.7, y+r*0.3, x+r*0.6, y+r*0.42, r*0.10, r*0.07, flat(c.dark(0.86)))
	if ring {
		p.limb(x-r*1.6, y+r*0.35, x+r*1.6, y-r*0.35, r*0.06, r*0.06, flat(c.light(0.5)))
	}
}
