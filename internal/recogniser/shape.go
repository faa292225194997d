package recogniser

import (
	"math/bits"
	"sync"

	"github.com/kinora-video/kinora/internal/world"
)

// side is that of an outline, in cells.
const side = 32

// outline is the shape of one actor: where it is within the square around it, the
// longer side of the actor being that of the square.
type outline [side * side / 64]uint64

// smallest is the number of pixels of an actor whose outline can be judged.
const smallest = 60

// outlineOf returns the outline of the largest connected part of a mask. There is
// none if the part is very small or touches the frame, which may cut it.
func outlineOf(m *mask) (outline, bool) {
	part, n := largest(m)
	if n < smallest {
		return outline{}, false
	}
	x0, y0, x1, y1 := viewWidth, viewHeight, -1, -1
	for i := range framePixels {
		if part.has(i) {
			x, y := i%viewWidth, i/viewWidth
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
		}
	}
	if x0 == 0 || y0 == 0 || x1 == viewWidth-1 || y1 == viewHeight-1 {
		return outline{}, false
	}
	long := float64(max(x1-x0, y1-y0) + 1)
	midX, midY := float64(x0+x1)/2, float64(y0+y1)/2
	var out outline
	for i := range side * side {
		x := int(midX + (float64(i%side)+0.5-side/2)*long/side + 0.5)
		y := int(midY + (float64(i/side)+0.5-side/2)*long/side + 0.5)
		if x >= x0 && x <= x1 && y >= y0 && y <= y1 && part.has(y*viewWidth+x) {
			out[i/64] |= 1 << (i % 64)
		}
	}
	return out, true
}

// largest returns the largest connected part of a mask and its number of pixels.
func largest(m *mask) (best mask, size int) {
	var seen mask
	var edge []int
	for i := range framePixels {
		if !m.has(i) || seen.has(i) {
			continue
		}
		var part mask
		n := 0
		seen.set(i)
		for edge = append(edge[:0], i); len(edge) > 0; n++ {
			p := edge[len(edge)-1]
			edge = edge[:len(edge)-1]
			part.set(p)
			for _, q := range neighbours(p) {
				if q >= 0 && m.has(q) && !seen.has(q) {
					seen.set(q)
					edge = append(edge, q)
				}
			}
		}
		if n > size {
			best, size = part, n
		}
	}
	return best, size
}

// neighbours of a pixel; -1 outside the frame.
func neighbours(p int) [4]int {
	out := [4]int{p - 1, p + 1, p - viewWidth, p + viewWidth}
	if p%viewWidth == 0 {
		out[0] = -1
	}
	if p%viewWidth == viewWidth-1 {
		out[1] = -1
	}
	if out[3] >= framePixels {
		out[3] = -1
	}
	return out
}

// overlap is the share of the cells of two outlines that both have, of those that
// either has.
func (a *outline) overlap(b *outline) float64 {
	both, either := 0, 0
	for i, w := range a {
		both += bits.OnesCount64(w & b[i])
		either += bits.OnesCount64(w | b[i])
	}
	return float64(both) / float64(max(either, 1))
}

// outlines are true ones, of every subject in many poses.
var outlines = sync.OnceValue(func() (all [world.NumSubjects][]outline) {
	const scenesEach = 40
	for subject := range all {
		for i := range uint64(scenesEach) {
			s := world.Sample(i, world.SampleOptions{Simple: true})
			s.Actors[0] = world.Actor{Subject: world.Subject(subject), Size: world.Large, Count: 1}
			s.Place, s.Weather, s.Camera = world.Meadow, world.Clear, world.Static
			for _, m := range drawMasks(s, 0.4+float64(i%4), 3) {
				if o, ok := outlineOf(&m); ok {
					all[subject] = append(all[subject], o)
				}
			}
		}
	}
	return all
})

// Shape compares the outlines of a video's actor with true ones.
type Shape struct {
	Frames int // whose outline was read
	// Overlap is that with the nearest true outline of the subject, in [0, 1], the
	// mean of the frames; Nearest counts the frames whose nearest outline of all
	// subjects is one of it.
	Overlap float64
	Nearest int
}

// shapeOf judges masks as those of a subject.
func shapeOf(masks []mask, want world.Subject) (s Shape) {
	for i := range masks {
		got, ok := outlineOf(&masks[i])
		if !ok {
			continue
		}
		var best [world.NumSubjects]float64
		for subject, all := range outlines() {
			for j := range all {
				best[subject] = max(best[subject], got.overlap(&all[j]))
			}
		}
		nearest := 0
		for subject, v := range best {
			if v > best[nearest] {
				nearest = subject
			}
		}
		s.Frames++
		s.Overlap += best[want]
		if nearest == int(want) {
			s.Nearest++
		}
	}
	if s.Frames > 0 {
		s.Overlap /= float64(s.Frames)
	}
	return s
}
