package world

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"
)

// MaxPixels is the largest width times height of a frame (4K fits). A renderer
// takes some 50 to 120 bytes a pixel, most with a panning camera.
const MaxPixels = 1 << 23

// maxTime, in seconds, keeps positions within the range of fixed point.
const maxTime = 1e5

// Renderer draws the frames of one scene at one size. It holds the scenery,
// painted once, and scratch space: use one per goroutine.
type Renderer struct {
	scene   Scene
	w, h    int
	unit    float64 // pixels per frame height, for the actors
	img     bitmap
	ras     raster
	layers  []*layer
	views   []view
	line    []uint32
	stage   stage
	members []member
	order   []int // of members, back to front
	light   rgb
	falls   []drop
	bubbles []drop
	fig     figure
	grown   []pt
	filled  []image.Rectangle // areas of the actors in the last frame
	mask    bool              // the actors are drawn white, without shadows
	hidden  []uint32          // of a mask: the picture without the actors
}

// member is one subject of the group.
type member struct {
	subject Subject
	tone    tone
	dx, dy  float64 // from the group's middle, units
	size    float64 // units
	phase   float64 // keeps members out of step with each other
	skin    rgb
}

// NewRenderer prepares a scene for frames of w×h pixels. It panics on an
// invalid scene, and on a size below 8×8 or above [MaxPixels]: check input from
// outside with [Scene.Validate] and [CheckSize].
func NewRenderer(s Scene, w, h int) *Renderer {
	if err := s.Validate(); err != nil {
		panic("world: " + err.Error())
	}
	if err := CheckSize(w, h); err != nil {
		panic("world: " + err.Error())
	}
	r := &Renderer{scene: s, w: w, h: h}
	r.unit = min(float64(h), float64(w)/1.6)
	r.img = bitmap{w: w, h: h, pix: make([]uint32, w*h)}
	r.paintScenery()
	r.cast()
	r.makeWeather()
	r.views = make([]view, len(r.layers))
	return r
}

// CheckSize returns an error if frames of w×h pixels cannot be drawn.
func CheckSize(w, h int) error {
	if w < 8 || h < 8 || w > 1<<14 || h > 1<<14 || w*h > MaxPixels {
		return fmt.Errorf("frame size %d×%d: sides must be 8 to %d and at most %d pixels in all", w, h, 1<<14, MaxPixels)
	}
	if w > 8*h || h > 8*w {
		return fmt.Errorf("frame size %d×%d: one side is more than 8 times the other", w, h)
	}
	return nil
}

// Size is the frames' width and height in pixels.
func (r *Renderer) Size() (w, h int) { return r.w, r.h }

var sizes = [NumSizes]float64{Medium: 0.38, Small: 0.26, Large: 0.54}

// groundLine is where feet stand, in units from the top.
var groundLine = [NumPlaces]float64{
	Meadow: 0.86, Beach: 0.86, Ocean: 0.74, City: 0.88, Desert: 0.86, Mountains: 0.86, Underwater: 0.82, Space: 0.84,
}

// cast places the actors as a group and prepares its motion.
func (r *Renderer) cast() {
	s, rnd := r.scene, newRNG(r.scene.Seed, "cast")
	k := r.unit / float64(r.h)
	aspect := float64(r.w) / float64(r.h)
	skins := []uint32{0xf6d3b3, 0xe0ac7e, 0xb97a4b, 0x7d4e2d}
	center := [2]float64{}
	kind := [2]float64{}
	for i, a := range s.Actors {
		n := float64(a.Count)
		kind[i] = sizes[a.Size] * builds[a.Subject].weight * [4]float64{1, 1, 0.84, 0.68}[a.Count] * k
		if len(s.Actors) == 2 {
			kind[i] *= 0.82
		}
		half := float64(builds[a.Subject].half) * kind[i]
		center[i] = half * (1 + 0.8*(n-1))
	}
	dx, dy := r.relate(center, kind)
	for i, a := range s.Actors {
		b := builds[a.Subject]
		step := float64(b.half) * 2.05 * kind[i]
		for m := range a.Count {
			off := float64(m) - float64(a.Count-1)/2
			stagger := 0.0
			if !b.ground {
				stagger = kind[i] * 0.22 * float64(m%2*2-1) * float64(min(a.Count-1, 1))
			}
			r.members = append(r.members, member{
				subject: a.Subject, tone: toneOf(a.Color, r.light), size: kind[i],
				dx: dx[i] + off*step, dy: dy[i] + stagger, phase: rnd.float(),
				skin: hex(pick(rnd, skins)).mul(r.light),
			})
		}
	}
	r.setStage(rnd, aspect)
	r.sortMembers()
}

// relate spaces two actors by their relation.
func (r *Renderer) relate(half, size [2]float64) (dx, dy [2]float64) {
	gap := 0.06
	switch r.scene.Relation {
	case LeftOf, RightOf:
		d := (half[0] + half[1] + gap) / 2
		dx = [2]float64{-d, d}
		if r.scene.Relation == RightOf {
			dx = [2]float64{d, -d}
		}
	case Above, Below:
		d := (size[0] + size[1]) / 2 * 0.54
		dy = [2]float64{-d, d}
		if r.scene.Relation == Below {
			dy = [2]float64{d, -d}
		}
	}
	return dx, dy
}

func (r *Renderer) setStage(rnd *rng, aspect float64) {
	s := r.scene
	st := &r.stage
	*st = stage{aspect: aspect, seconds: s.Duration, events: s.Events, faceLeft: rnd.chance(0.3)}
	ground := s.Relation == NoRelation || s.Relation == LeftOf || s.Relation == RightOf
	feet := 0.0
	for _, m := range r.members {
		b := builds[m.subject]
		st.halfW = max(st.halfW, math.Abs(m.dx)+float64(b.half)*m.size)
		feet = max(feet, m.dy+float64(b.feet)*m.size)
		ground = ground && b.ground
	}
	line := groundLine[s.Place]
	switch {
	case ground: // all actors stand; shorter ones stand on the same line
		st.homeY = line - feet
		for i := range r.members {
			m := &r.members[i]
			m.dy = feet - float64(builds[m.subject].feet)*m.size
		}
	case s.Relation == Above || s.Relation == Below:
		st.homeY = 0.52
	default:
		st.homeY = 0.44 + 0.06*rnd.float()
	}
	if s.Place == Underwater || s.Place == Space {
		st.homeY = min(st.homeY, 0.56)
	}
	for _, m := range r.members {
		b := builds[m.subject]
		st.above = max(st.above, float64(b.top)*m.size-m.dy)
		st.below = max(st.below, float64(b.feet)*m.size+m.dy)
	}
	st.homeX = aspect * (0.5 + 0.07*(rnd.float()*2-1))
	if len(s.Events) == 1 {
		switch s.Events[0] {
		case MoveLeft, MoveRight:
			st.start = -(0.24 + 0.12*rnd.float()) * aspect / sideSpeed
		case MoveUp, MoveDown:
			st.start = r.climbStart(rnd, s.Events[0])
		default:
			st.start = rnd.float() * 0.6
		}
	}
	for _, e := range s.Events {
		rise := map[Motion]float64{Bounce: bounceHeight, Circle: 2 * circleRadius}[e]
		if rise > 0 { // the hop or circle stays in the frame
			st.homeY = min(max(st.homeY, st.above+rise+0.02), max(st.homeY, 0.98-st.below))
		}
	}
	st.turnWithCamera(s)
}

// turnWithCamera makes actors without a direction of their own face the
// direction of a pan.
func (st *stage) turnWithCamera(s Scene) {
	switch s.Camera {
	case PanLeft:
		st.pan, st.faceLeft = -panSpeed, true
	case PanRight:
		st.pan, st.faceLeft = panSpeed, false
	}
}

// climbStart starts an upward motion low and a downward one high.
func (r *Renderer) climbStart(rnd *rng, m Motion) float64 {
	from := 0.70 + 0.12*rnd.float()
	if m == MoveUp {
		return (r.stage.homeY - from) / climbSpeed
	}
	return (1 - from - r.stage.homeY) / climbSpeed
}

// Frame draws the video at t seconds into dst, in RGB, 3 bytes a pixel, rows
// from the top. Frames do not depend on each other. Before the beginning and
// after the end, motions continue in the same way. dst must hold w*h*3 bytes.
func (r *Renderer) Frame(dst []byte, t float64) {
	if len(dst) < r.w*r.h*3 {
		panic(fmt.Sprintf("world: frame needs %d bytes, got %d", r.w*r.h*3, len(dst)))
	}
	cam, t := r.look(t)
	r.drawLayers(false)
	r.drawActors(cam, t)
	r.drawLayers(true)
	r.drawWeather(cam, t)
	for i, p := range r.img.pix {
		d := dst[i*3:][:3]
		d[0], d[1], d[2] = byte(p), byte(p>>8), byte(p>>16)
	}
}

// look turns the camera to a moment, which is bounded.
func (r *Renderer) look(t float64) (camera, float64) {
	if t = min(max(t, -maxTime), maxTime); math.IsNaN(t) {
		t = 0
	}
	cam := cameraAt(r.scene.Camera, t, r.scene.Duration)
	for i, l := range r.layers {
		r.views[i] = l.see(cam, t, r.w, r.h)
	}
	return cam, t
}

// drawLayers composites the layers behind or in front of the actors row by row,
// starting at the frontmost layer that is opaque in the row.
func (r *Renderer) drawLayers(front bool) {
	for y := range r.h {
		row := r.img.pix[y*r.w:][:r.w]
		from := 0
		for i := len(r.layers) - 1; i > 0; i-- {
			if r.layers[i].front == front && r.layers[i].kindAt(r.views[i], y) >= rowOpaque {
				from = i
				break
			}
		}
		for i := from; i < len(r.layers); i++ {
			l := r.layers[i]
			if l.front == front && l.kindAt(r.views[i], y) != rowEmpty {
				r.line = l.draw(row, r.views[i], y, r.line)
			}
		}
	}
}

func (r *Renderer) drawActors(cam camera, t float64) {
	r.filled = r.filled[:0]
	p := r.stage.at(t)
	h := float64(r.h)
	zoom := 1 + (cam.zoom-1)*0.75
	fit := 0.62 / max(r.stage.halfW/r.stage.aspect, (r.stage.above+r.stage.below)/2) // a group always fits into the frame
	zoom = min(zoom*p.scale, max(fit, 1)) / p.scale
	for _, i := range r.order {
		m := &r.members[i]
		b := builds[m.subject]
		size := m.size * p.scale * zoom
		x := p.x + m.dx*p.scale*zoom
		y := p.y + m.dy*p.scale
		if b.ground && p.lift < 0.02 {
			y -= float64(b.feet) * m.size * p.scale * (zoom - 1) * 0.5
		}
		tt := t + m.phase*3
		f := &r.fig
		f.reset(float32(size * h))
		drawers[m.subject](f, m.tone, life{t: float32(tt), gait: float32(p.gait/(m.size*1.1) + m.phase), going: p.going, skin: m.skin})
		st := stance{
			x: float32(x * h), y: float32(y * h), size: float32(size * h),
			rot: float32(p.rot), wide: float32(p.wide), tall: float32(p.tall), flip: p.left,
		}
		r.posture(&st, m, p, tt)
		if b.ground && r.standing() && !r.mask {
			r.groundShadow(st, b, p)
		}
		st.apply(f.pts)
		r.filled = append(r.filled, boundsOf(f.pts))
		r.drawFigure(f, m.tone, st.size)
	}
}

// Actors returns the rectangles that the actors fill in the last frame drawn,
// in pixels. Parts of them, or all, may lie outside the frame. They are valid
// until the next frame.
func (r *Renderer) Actors() []image.Rectangle { return r.filled }

// boundsOf returns the smallest rectangle of whole pixels around points.
func boundsOf(pts []pt) image.Rectangle {
	if len(pts) == 0 {
		return image.Rectangle{}
	}
	lo, hi := pts[0], pts[0]
	for _, p := range pts[1:] {
		lo = pt{min(lo.x, p.x), min(lo.y, p.y)}
		hi = pt{max(hi.x, p.x), max(hi.y, p.y)}
	}
	return image.Rect(int(math.Floor(float64(lo.x))), int(math.Floor(float64(lo.y))), int(math.Ceil(float64(hi.x))), int(math.Ceil(float64(hi.y))))
}

// posture adds the body motion that fits a subject's manner.
func (r *Renderer) posture(st *stance, m *member, p pose, t float64) {
	b := builds[m.subject]
	event := r.scene.Events[0]
	if len(r.scene.Events) == 2 && t-m.phase*3 >= r.scene.Duration/2 {
		event = r.scene.Events[1]
	}
	if m.subject == Rocket && (event == MoveLeft || event == MoveRight) {
		st.rot = 1.15
	}
	if m.subject == Rocket && event == MoveDown {
		st.rot = math.Pi
	}
	if m.subject == Ball || m.subject == Butterfly || m.subject == Balloon {
		if m.subject != Ball {
			st.flip = false
		}
	}
	if !b.ground { // floats a little
		st.y += st.size * 0.025 * sinf(float32(t)*2.1)
	}
	if m.subject == Boat {
		st.rot += 0.05 * sinf(float32(t)*1.9)
	}
	if !p.going && b.ground { // breathes
		st.tall *= 1 + 0.012*sinf(float32(t)*2.4)
	}
}

// standing reports whether the group's home is on the ground, in a view that
// keeps the ground in place.
func (r *Renderer) standing() bool {
	c := r.scene.Camera
	return c != TiltUp && c != TiltDown && math.Abs(r.stage.homeY+r.stage.below-groundLine[r.scene.Place]) < 0.07
}

// groundShadow is the soft round shadow below actors that stand or jump.
func (r *Renderer) groundShadow(st stance, b build, p pose) {
	h := float32(r.h)
	y := st.y + float32(p.lift)*h + b.feet*st.size
	if y > h*1.05 || y < h*0.5 || p.lift < 0.01 && math.Abs(p.y-r.stage.homeY) > 0.05 && p.scale == 1 {
		return
	}
	k := 1 - float32(p.lift)*1.2
	for i := range 3 {
		g := 1 - 0.22*float32(i)
		r.grown = appendEllipse(r.grown[:0], st.x, y, b.half*st.size*0.86*g*k, st.size*0.055*g*k, 0, 24)
		r.ras.reset(r.w, r.h)
		r.ras.add(r.grown)
		r.img.fill(&r.ras, clearer(rgb{0.02, 0.02, 0.08}, 0.10), false)
	}
}

// sortMembers orders members back to front: higher ones are farther away.
func (r *Renderer) sortMembers() {
	for i := range r.members {
		r.order = append(r.order, i)
	}
	slices.SortStableFunc(r.order, func(a, b int) int {
		return cmp.Compare(r.members[a].dy, r.members[b].dy)
	})
}
