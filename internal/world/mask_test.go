package world

import (
	"image"
	"testing"
)

// TestMask: a mask covers what an actor fills and nothing else, and drawing it does
// not change the frames.
func TestMask(t *testing.T) {
	const w, h = 128, 80
	for i := range uint64(24) {
		s := Sample(i, SampleOptions{Simple: true})
		r := NewRenderer(s, w, h)
		before, after, mask := make([]byte, w*h*3), make([]byte, w*h*3), make([]byte, w*h)
		r.Frame(before, 2)
		within := image.Rectangle{}
		for _, a := range r.Actors() {
			within = within.Union(a)
		}
		r.Mask(mask, 2)
		r.Frame(after, 2)
		if string(before) != string(after) {
			t.Fatalf("scene %d: the frame is another one after its mask", i)
		}
		inside, outside := 0, 0
		for p, v := range mask {
			if v < 128 {
				continue
			}
			if (image.Point{p % w, p / w}).In(within.Inset(-2)) {
				inside++
			} else {
				outside++
			}
		}
		area := within.Intersect(image.Rect(0, 0, w, h))
		if full := area.Dx() * area.Dy(); outside > 0 || inside < full/6 {
			t.Errorf("scene %d, a %v: %d pixels of the mask lie inside %v, %d outside", i, s.Actors[0].Subject, inside, area, outside)
		}
	}
}
