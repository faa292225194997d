package world

import "fmt"

// Mask draws where actors are seen at t seconds into dst, a byte a pixel, rows from
// the top: 255 within an outline, 0 outside, and between them where an edge or
// something translucent covers part of a pixel. Weather hides nothing. dst must hold
// w*h bytes. It takes the place of the last frame drawn.
func (r *Renderer) Mask(dst []byte, t float64) {
	if len(dst) < r.w*r.h {
		panic(fmt.Sprintf("world: mask needs %d bytes, got %d", r.w*r.h, len(dst)))
	}
	cam, t := r.look(t)
	r.mask = true
	defer func() { r.mask = false }()
	// What lies in front of the actors is drawn over black and over white: the
	// difference is what it lets through.
	clear(r.img.pix)
	r.drawLayers(true)
	r.hidden = append(r.hidden[:0], r.img.pix...)
	clear(r.img.pix)
	r.drawActors(cam, t)
	r.drawLayers(true)
	for i, p := range r.img.pix {
		dst[i] = byte(p>>8) - byte(r.hidden[i]>>8)
	}
}
