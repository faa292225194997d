package world

import "math"

// Speeds and periods of the motions. Lengths are in frame heights, for a frame
// of 16:10; times are in seconds. docs/world.md describes what they look like.
const (
	sideSpeed    = 0.36 // a frame's width in 4.4 s
	climbSpeed   = 0.30 // a frame's height in 3.3 s
	bouncePeriod = 1.2
	bounceHeight = 0.30
	circlePeriod = 3.4
	circleRadius = 0.20
	panSpeed     = 0.40 // of the ground; layers farther away are slower
	tiltReach    = 0.52 // of the ground, over the whole video
	zoomReach    = 1.8
)

// pose is the state of the group of actors at one moment, relative to the
// frame.
type pose struct {
	x, y       float64 // middle of the group, units (frame heights; x from the left)
	scale      float64
	rot        float64
	wide, tall float64
	lift       float64 // height above its standing position, for its shadow
	gait       float64 // distance covered over the ground, in units
	going      bool
	left       bool // faces left
}

// stage holds the constants of a video's group motion.
type stage struct {
	aspect       float64
	homeX, homeY float64 // home position of the group, in units
	halfW        float64 // the group's half width, units
	above, below float64 // how far the group extends from its middle, in units
	start        float64 // how long before reaching home the first event begins, in seconds
	faceLeft     bool    // facing left if the motion has no direction
	seconds      float64
	events       []Motion
	pan          float64 // speed of the ground to the left, in units a second
}

// at returns the pose at time t. The two halves of a two-event video meet at
// home: the first event arrives there at half time, the second one leaves from
// there.
func (s *stage) at(t float64) pose {
	event, tau := s.events[0], t+s.start
	first := true
	if len(s.events) == 2 {
		tau = t - s.seconds/2
		if tau >= 0 {
			event, first = s.events[1], false
		}
	}
	p := pose{x: s.homeX, y: s.homeY, scale: 1, wide: 1, tall: 1, left: s.faceLeft}
	s.inherit(&p, first)
	s.move(&p, event, tau, t, first)
	if s.pan != 0 {
		p.going = true
	}
	p.gait += s.pan * t
	return p
}

// inherit keeps the state that a finished first event leaves behind.
func (s *stage) inherit(p *pose, first bool) {
	if first {
		return
	}
	switch s.events[0] {
	case MoveLeft:
		p.left = true
	case MoveRight:
		p.left = false
	case Approach:
		p.scale = 1.25
	}
}

func (s *stage) move(p *pose, m Motion, tau, t float64, first bool) {
	p.going = m != Still
	switch m {
	case MoveLeft, MoveRight:
		d := sideSpeed * tau
		if p.left = m == MoveLeft; p.left {
			d = -d
		}
		p.x = wrap(s.homeX+d, -s.halfW, s.aspect+s.halfW)
		p.gait = d
	case MoveUp, MoveDown:
		d := climbSpeed * tau
		if m == MoveUp {
			d = -d
		}
		p.y = wrap(s.homeY+d, -s.below, 1+s.above)
		p.gait = math.Abs(d) * 0.6
	case Bounce:
		h := math.Abs(math.Sin(math.Pi * tau / bouncePeriod))
		p.lift = bounceHeight * h
		p.y -= p.lift
		if h < 0.3 { // squash on landing
			k := (0.3 - h) / 0.3
			p.wide, p.tall = 1+0.13*k*k, 1-0.16*k*k
		}
		p.gait = 0.1 * t
	case Circle:
		a := 2 * math.Pi * tau / circlePeriod
		p.x += circleRadius * 1.15 * math.Sin(a)
		p.lift = circleRadius * (1 - math.Cos(a))
		p.y -= p.lift
		p.gait = sideSpeed * t
	case Approach:
		s.approach(p, t, first)
	}
	if p.left {
		p.gait = -p.gait
	}
}

// approach grows the group from far to near over the event's share of the
// video.
func (s *stage) approach(p *pose, t float64, first bool) {
	length := s.seconds / float64(len(s.events))
	if !first {
		t -= length
	}
	k := min(max(t/length, 0), 1)
	from, to := 0.42, 1.25
	if !first {
		from, to = 1, 1.75
	}
	p.scale = from * math.Pow(to/from, k)
	if first {
		p.y += 0.14 * (p.scale - 1) * (1 - k)
	}
	p.gait = 0.3 * t
}

// wrap maps v into [lo, hi): leaving on one side means entering on the other.
func wrap(v, lo, hi float64) float64 {
	n := hi - lo
	v = math.Mod(v-lo, n)
	if v < 0 {
		v += n
	}
	return lo + v
}

// cameraAt returns the view at time t of a video.
func cameraAt(c Camera, t, seconds float64) camera {
	k := min(max(t/seconds, 0), 1)
	ease := 0.7*k + 0.3*k*k*(3-2*k)
	v := camera{zoom: 1}
	switch c {
	case PanLeft:
		v.panX = -panSpeed * t
	case PanRight:
		v.panX = panSpeed * t
	case TiltUp:
		v.tiltY = tiltReach * (0.38 - ease)
	case TiltDown:
		v.tiltY = tiltReach * (ease - 0.62)
	case ZoomIn:
		v.zoom = math.Pow(zoomReach, k)
	case ZoomOut:
		v.zoom = math.Pow(zoomReach, 1-k)
	}
	return v
}
