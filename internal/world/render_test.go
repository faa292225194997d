package world

import (
	"bytes"
	"image"
	"math"
	"slices"
	"testing"
)

// still is a simple scene for tests: one large red ball at rest.
func still() Scene {
	return Scene{
		Version: Version, Seed: 3, Duration: 6, Place: Meadow,
		Actors: []Actor{{Subject: Ball, Color: Red, Size: Medium, Count: 1}}, Events: []Motion{Still},
	}
}

func shoot(s Scene, w, h int, t float64) []byte {
	buf := make([]byte, w*h*3)
	NewRenderer(s, w, h).Frame(buf, t)
	return buf
}

func TestFramesAreDeterministic(t *testing.T) {
	for seed := range uint64(25) {
		s := Sample(seed, SampleOptions{})
		const w, h = 96, 60
		a, b := NewRenderer(s, w, h), NewRenderer(s, w, h)
		times := []float64{0, 1.3, 2.9, 3.1, 5.96}
		var first [][]byte
		for _, at := range times {
			buf := make([]byte, w*h*3)
			a.Frame(buf, at)
			first = append(first, buf)
		}
		for i := len(times) - 1; i >= 0; i-- { // in reverse order, with a used renderer
			buf := bytes.Repeat([]byte{99}, w*h*3)
			b.Frame(buf, times[i])
			if !bytes.Equal(buf, first[i]) {
				t.Fatalf("seed %d: the frame at %g s depends on what was drawn before", seed, times[i])
			}
		}
	}
}

func TestEveryCombinationDraws(t *testing.T) {
	n := 0
	for p := range Place(NumPlaces) {
		for d := range Daytime(NumDaytimes) {
			for w := range Weather(NumWeathers) {
				for c := range Camera(NumCameras) {
					s := still()
					s.Place, s.Time, s.Weather, s.Camera, s.Seed = p, d, w, c, uint64(n)
					s.Actors[0].Subject, s.Actors[0].Color = Subject(n%NumSubjects), Color(n%NumColors)
					s.Actors[0].Count, s.Actors[0].Size = 1+n%MaxCount, Size(n/2%NumSizes)
					s.Events = []Motion{Motion(n / 3 % NumMotions)}
					drawAndJudge(t, s)
					n++
				}
			}
		}
	}
	for a := range Subject(NumSubjects) {
		for m := range Motion(NumMotions) {
			for r := LeftOf; r < NumRelations; r++ {
				s := still()
				s.Actors = []Actor{{a, Color(n % NumColors), Size(n % NumSizes), 1 + n%3}, {Subject(n % NumSubjects), Red, Large, 1 + n/3%3}}
				s.Relation, s.Events, s.Place = r, []Motion{m, Motion(n % NumMotions)}, Place(n%NumPlaces)
				drawAndJudge(t, s)
				n++
			}
		}
	}
}

// drawAndJudge draws a moment and fails on a picture with nothing in it.
func drawAndJudge(t *testing.T, s Scene) {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	buf := shoot(s, 40, 25, 2.5)
	lo, hi := byte(255), byte(0)
	for _, v := range buf {
		lo, hi = min(lo, v), max(hi, v)
	}
	if hi-lo < 30 {
		t.Errorf("%v: the picture is blank (%d … %d)", s.Labels(), lo, hi)
	}
}

// TestAnySizeAnyMoment draws odd sizes and moments outside the video.
func TestAnySizeAnyMoment(t *testing.T) {
	for i, size := range [][2]int{{8, 8}, {9, 31}, {61, 8}, {33, 64}, {257, 161}} {
		for c := range Camera(NumCameras) {
			s := Sample(uint64(i), SampleOptions{})
			s.Camera = c
			r := NewRenderer(s, size[0], size[1])
			buf := make([]byte, size[0]*size[1]*3)
			for _, at := range []float64{-3, 0, 5.999, 1e4, math.Inf(1), math.Inf(-1), math.NaN(), 1e300} {
				r.Frame(buf, at)
			}
		}
	}
	for _, size := range [][2]int{{7, 8}, {8, 7}, {0, 0}, {-1, 100}, {1 << 15, 8}, {1 << 13, 1 << 13}, {100, 8}} {
		if CheckSize(size[0], size[1]) == nil {
			t.Errorf("size %v is accepted", size)
		}
	}
}

// where returns the middle and the area (as a share of the frame) of the red
// pixels.
func where(buf []byte, w, h int) (x, y, area float64) {
	for i := range w * h {
		r, g, b := int(buf[i*3]), int(buf[i*3+1]), int(buf[i*3+2])
		if r > 170 && g < 90 && b < 100 {
			x += float64(i%w) / float64(w)
			y += float64(i/w) / float64(h)
			area++
		}
	}
	return x / area, y / area, area / float64(w*h)
}

// TestMotionsAreSeen follows a red ball over a meadow.
func TestMotionsAreSeen(t *testing.T) {
	const w, h = 128, 80
	follow := func(m Motion, from, to float64) (dx, dy, rx, ry, grow float64) {
		s := still()
		s.Events = []Motion{m}
		s.Actors[0].Size = Small
		r := NewRenderer(s, w, h)
		buf := make([]byte, w*h*3)
		minX, maxX, minY, maxY := 2.0, -1.0, 2.0, -1.0
		var x0, y0, a0, x, y, a float64
		const steps = 24
		for i := range steps + 1 {
			r.Frame(buf, from+(to-from)*float64(i)/steps)
			x, y, a = where(buf, w, h)
			if i == 0 {
				x0, y0, a0 = x, y, a
			}
			minX, maxX, minY, maxY = min(minX, x), max(maxX, x), min(minY, y), max(maxY, y)
		}
		return x - x0, y - y0, maxX - minX, maxY - minY, a / a0
	}
	type seen struct{ dx, dy, rx, ry, grow float64 }
	check := func(m Motion, ok func(seen) bool, from, to float64) {
		t.Helper()
		dx, dy, rx, ry, grow := follow(m, from, to)
		if s := (seen{dx, dy, rx, ry, grow}); !ok(s) {
			t.Errorf("%v looks like %+v", m, s)
		}
	}
	check(MoveLeft, func(s seen) bool { return s.dx < -0.15 && s.ry < 0.05 }, 0.2, 1.2)
	check(MoveRight, func(s seen) bool { return s.dx > 0.15 && s.ry < 0.05 }, 0.2, 1.2)
	check(MoveUp, func(s seen) bool { return s.dy < -0.15 && s.rx < 0.05 }, 0.2, 1)
	check(MoveDown, func(s seen) bool { return s.dy > 0.15 && s.rx < 0.05 }, 0.2, 1)
	check(Bounce, func(s seen) bool { return s.ry > 0.2 && s.rx < 0.05 }, 0, 2)
	check(Circle, func(s seen) bool { return s.ry > 0.3 && s.rx > 0.2 }, 0, 3.4)
	check(Approach, func(s seen) bool { return s.grow > 4 }, 0, 6)
	check(Still, func(s seen) bool { return s.rx < 0.03 && s.ry < 0.03 && s.grow > 0.9 && s.grow < 1.1 }, 0, 6)
}

// TestEventsFollowEachOther checks that the first motion shows before half time
// and the second after it, without a jump in between.
func TestEventsFollowEachOther(t *testing.T) {
	const w, h = 128, 80
	s := still()
	s.Actors[0].Size = Small
	for _, second := range []Motion{MoveUp, MoveLeft, Bounce, Circle, Still, Approach} {
		s.Events = []Motion{MoveRight, second}
		r := NewRenderer(s, w, h)
		buf := make([]byte, w*h*3)
		at := func(sec float64) (x, y float64) {
			r.Frame(buf, sec)
			x, y, _ = where(buf, w, h)
			return x, y
		}
		x0, _ := at(2.3)
		x1, y1 := at(2.98)
		x2, y2 := at(3.02)
		if x1-x0 < 0.08 {
			t.Errorf("right, then %v: moved by %g before half time", second, x1-x0)
		}
		if math.Abs(x2-x1) > 0.04 || math.Abs(y2-y1) > 0.06 {
			t.Errorf("right, then %v: jumps from %.2f %.2f to %.2f %.2f at half time", second, x1, y1, x2, y2)
		}
		if x3, y3 := at(3.8); second == MoveUp && y2-y3 < 0.1 || second == MoveLeft && x2-x3 < 0.08 {
			t.Errorf("right, then %v: is at %.2f %.2f after %.2f %.2f", second, x3, y3, x2, y2)
		}
	}
}

// TestCameraMovesAreSeen finds the shift and the scale that best match two
// moments.
func TestCameraMovesAreSeen(t *testing.T) {
	const w, h = 128, 80
	for place := range Place(NumPlaces) {
		for c := range Camera(NumCameras) {
			if place == Ocean && c == Static {
				continue // nothing at rest there to measure
			}
			s := still()
			s.Place, s.Camera, s.Actors[0].Size = place, c, Small
			r := NewRenderer(s, w, h)
			a, b := make([]byte, w*h*3), make([]byte, w*h*3)
			r.Frame(a, 2.9)
			later := 3.6
			if c == PanLeft || c == PanRight { // larger shifts are beyond the search range
				later = 3.15
			}
			r.Frame(b, later)
			dx, dy, zoom := bestMatch(a, b, w, h)
			want := map[Camera][3]int{PanLeft: {1, 0, 0}, PanRight: {-1, 0, 0}, TiltUp: {0, 1, 0}, TiltDown: {0, -1, 0}, ZoomIn: {0, 0, 1}, ZoomOut: {0, 0, -1}}[c]
			if got := [3]int{sign(dx), sign(dy), zoom}; got != want {
				t.Errorf("%v, %v: scenery goes %d %d, zoom %d", place, c, dx, dy, zoom)
			}
		}
	}
}

func sign(v int) int { return max(-1, min(1, v)) }

// bestMatch finds how b came from a, ignoring the sky: shifted by whole pixels,
// or scaled about the zoom's centre.
func bestMatch(a, b []byte, w, h int) (dx, dy, zoom int) {
	best := math.Inf(1)
	try := func(x, y int, scale float64, z int) {
		var sum, n float64
		for j := h * 2 / 5; j < h-4; j += 2 {
			for i := 12; i < w-12; i++ {
				if i > w/3 && i < w*2/3 { // the actor
					continue
				}
				u := int(math.Round((float64(i)-zoomCenterX*float64(w))/scale+zoomCenterX*float64(w))) - x
				v := int(math.Round((float64(j)-zoomCenterY*float64(h))/scale+zoomCenterY*float64(h))) - y
				if u < 0 || v < 0 || u >= w || v >= h {
					continue
				}
				for k := range 3 {
					sum += math.Abs(float64(a[(v*w+u)*3+k]) - float64(b[(j*w+i)*3+k]))
				}
				n++
			}
		}
		if sum/n < best*0.97 { // waves and weather move a little on their own
			best, dx, dy, zoom = sum/n, x, y, z
		}
	}
	try(0, 0, 1, 0)
	for d := 1; d <= 10; d++ {
		try(d, 0, 1, 0)
		try(-d, 0, 1, 0)
		try(0, d, 1, 0)
		try(0, -d, 1, 0)
	}
	for k := 1; k <= 4; k++ {
		try(0, 0, 1+0.016*float64(k), 1)
		try(0, 0, 1/(1+0.016*float64(k)), -1)
	}
	return dx, dy, zoom
}

// TestColorDominates checks that the subject's own colour has the most pixels
// of all named colours, at every time of day.
func TestColorDominates(t *testing.T) {
	for a := range Subject(NumSubjects) {
		for c := range Color(NumColors) {
			for d := range Daytime(NumDaytimes) {
				light := paletteOf(Meadow, d).light
				r := &Renderer{w: 80, h: 80, img: *newBitmap(80, 80)}
				r.fig.reset(60)
				drawers[a](&r.fig, toneOf(c, light), life{skin: hex(0xe0ac7e)})
				stance{x: 40, y: 40, size: 60, wide: 1, tall: 1}.apply(r.fig.pts)
				for _, p := range r.fig.parts {
					r.ras.reset(80, 80)
					r.ras.add(r.fig.pts[p.from:p.to])
					r.img.fill(&r.ras, clearer(p.color, p.alpha), false)
				}
				var votes [NumColors]int
				for _, p := range r.img.pix {
					if p>>24 == 255 {
						votes[nearest(p, light)]++
					}
				}
				for o, n := range votes {
					if Color(o) != c && n >= votes[c] {
						t.Errorf("%v %v by %v looks %v: %v", c, a, d, Color(o), votes)
					}
				}
			}
		}
	}
}

// nearest names the colour whose shades are closest to a pixel.
func nearest(p uint32, light rgb) Color {
	best, name := float32(9), Red
	q := rgb{float32(p&255) / 255, float32(p>>8&255) / 255, float32(p>>16&255) / 255}
	for c := range Color(NumColors) {
		t := toneOf(c, light)
		for _, s := range []rgb{t.base, t.dark, t.light} {
			d := (q.r-s.r)*(q.r-s.r) + (q.g-s.g)*(q.g-s.g) + (q.b-s.b)*(q.b-s.b)
			if d < best {
				best, name = d, c
			}
		}
	}
	return name
}

// TestActorsAreWhereTheyAreSaidToBe: videos that differ only in their actor's
// colour differ around its rectangle and nowhere else.
func TestActorsAreWhereTheyAreSaidToBe(t *testing.T) {
	const w, h, shadow = 256, 160, 10
	scene := Scene{Version: 1, Seed: 3, Duration: 6, Actors: []Actor{{Subject: Cat, Color: Red, Count: 1}}, Events: []Motion{MoveRight}, Place: City}
	other := scene
	other.Actors = []Actor{{Subject: Cat, Color: Blue, Count: 1}}
	a, b := NewRenderer(scene, w, h), NewRenderer(other, w, h)
	x, y := make([]byte, w*h*3), make([]byte, w*h*3)
	for _, at := range []float64{0, 2, 4} {
		a.Frame(x, at)
		b.Frame(y, at)
		where, differ := a.Actors()[0].Inset(-shadow), 0
		for i := range w * h {
			if !slices.Equal(x[3*i:3*i+3], y[3*i:3*i+3]) {
				if differ++; !image.Pt(i%w, i/w).In(where) {
					t.Fatalf("at %g s: pixel %d,%d is of the actor, who is said to fill %v", at, i%w, i/w, a.Actors()[0])
				}
			}
		}
		if size := a.Actors()[0].Intersect(image.Rect(0, 0, w, h)).Size(); differ < size.X*size.Y/8 {
			t.Errorf("at %g s: %d pixels are of the actor, who is said to fill %v", at, differ, a.Actors()[0])
		}
	}
}
