package world

import (
	"image"
	"image/color"
)

// Image returns the frame at t seconds as an image.
func (r *Renderer) Image(t float64) *image.RGBA {
	buf := make([]byte, r.w*r.h*3)
	r.Frame(buf, t)
	m := image.NewRGBA(image.Rect(0, 0, r.w, r.h))
	for i := range r.w * r.h {
		copy(m.Pix[i*4:], buf[i*3:i*3+3])
		m.Pix[i*4+3] = 255
	}
	return m
}

// ContactSheet shows videos at a glance: one row of a few moments for each
// scene, with the given number of columns of videos.
func ContactSheet(scenes []Scene, w, h, moments, columns int) *image.RGBA {
	const gap = 6
	columns = max(1, min(columns, len(scenes)))
	rows := (len(scenes) + columns - 1) / columns
	strip := moments*(w+2) + gap
	m := image.NewRGBA(image.Rect(0, 0, columns*strip+gap, rows*(h+gap)+gap))
	paper := color.RGBA{0xf7, 0xf3, 0xea, 0xff}
	for i := 0; i < len(m.Pix); i += 4 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = paper.R, paper.G, paper.B, paper.A
	}
	for i, s := range scenes {
		r := NewRenderer(s, w, h)
		for k := range moments {
			f := r.Image(s.Seconds() * (float64(k) + 0.5) / float64(moments))
			x, y := gap+i%columns*strip+k*(w+2), gap+i/columns*(h+gap)
			for line := range h {
				copy(m.Pix[m.PixOffset(x, y+line):], f.Pix[line*f.Stride:(line+1)*f.Stride])
			}
		}
	}
	return m
}
