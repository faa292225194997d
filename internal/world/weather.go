package world

import "math"

// drop is a raindrop or a flake: where it starts, how fast and how big it is.
type drop struct{ x, y, speed, size, sway, phase float64 }

// makeWeather scatters drops or flakes: few and large, so that they show at a
// glance.
func (r *Renderer) makeWeather() {
	rnd := newRNG(r.scene.Seed, "weather")
	n := [NumWeathers]int{Clear: 0, Rain: 44, Snow: 46}[r.scene.Weather]
	for range n {
		d := drop{x: rnd.float(), y: rnd.float(), size: rnd.in(0.75, 1.25), sway: rnd.in(0.5, 1), phase: rnd.float()}
		d.speed = rnd.in(1.15, 1.45)
		if r.scene.Weather == Snow {
			d.speed = rnd.in(0.13, 0.24)
		}
		r.falls = append(r.falls, d)
	}
}

// drawWeather lays rain or snow over the frame. It follows the camera a little.
func (r *Renderer) drawWeather(cam camera, t float64) {
	h, aspect := float64(r.h), float64(r.w)/float64(r.h)
	r.drawBubbles(cam, t)
	for _, d := range r.falls {
		x := d.x - cam.panX*0.5/aspect
		y := wrap(d.y+d.speed*t-cam.tiltY*0.5, -0.1, 1.1)
		r.ras.reset(r.w, r.h)
		if r.scene.Weather == Rain {
			x = wrap(x-0.10*(d.y+d.speed*t), -0.05, 1.05)
			px, py, l := float32(x*aspect*h), float32(y*h), float32(0.085*d.size*h)
			r.grown = appendLimb(r.grown[:0], px+l*0.16, py-l, px, py, float32(0.003*h), float32(0.0065*h), 3)
			r.ras.add(r.grown)
			r.img.fill(&r.ras, clearer(hex(0xe6f1ff), 0.50), false)
			continue
		}
		x = wrap(x+0.025*d.sway*math.Sin(2*math.Pi*(t*0.28*d.sway+d.phase)), -0.05, 1.05)
		px, py, s := float32(x*aspect*h), float32(y*h), float32(0.0155*d.size*h)
		r.grown = appendEllipse(r.grown[:0], px, py, s, s, 0, 10)
		r.ras.add(r.grown)
		r.img.fill(&r.ras, clearer(rgb{1, 1, 1}, 0.85), false)
	}
}

// drawBubbles draws the rising bubbles of an underwater scene.
func (r *Renderer) drawBubbles(cam camera, t float64) {
	h, aspect := float64(r.h), float64(r.w)/float64(r.h)
	for _, d := range r.bubbles {
		y := wrap(d.y-d.speed*t-cam.tiltY*0.8, -0.1, 1.1)
		x := wrap(d.x-cam.panX*0.8/aspect+0.012*math.Sin(2*math.Pi*(t*0.4+d.phase)), -0.05, 1.05)
		px, py, s := float32(x*aspect*h), float32(y*h), float32(0.020*d.size*h)
		for i, k := range [2]float32{1, 0.45} {
			r.grown = appendEllipse(r.grown[:0], px-s*0.3*float32(i), py-s*0.3*float32(i), s*k, s*k, 0, 14)
			r.ras.reset(r.w, r.h)
			r.ras.add(r.grown)
			r.img.fill(&r.ras, clearer(rgb{1, 1, 1}, 0.38), false)
		}
	}
}
