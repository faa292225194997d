package world

import "slices"

// Split says which scenes to draw.
type Split uint8

// Train never includes a held-out combination; Test includes nothing else.
const (
	Train Split = iota
	Test
)

// SampleOptions restricts [Sample].
type SampleOptions struct {
	Split Split
	// Simple asks for the setting in which models are measured: one actor with
	// a count of 1, and one event.
	Simple bool
	// Everyday draws from all colours. Without it only those up to White are
	// drawn, so that a seed still means the videos that published figures were
	// measured by.
	Everyday bool
	// Seconds is the video's duration; 0 means 6.
	Seconds float64
}

// Sample draws a random scene. The same seed and options give the same scene.
func Sample(seed uint64, opt SampleOptions) Scene {
	r := newRNG(seed, "sample")
	for {
		s := draw(r, opt)
		if opt.Everyday && lost(s) {
			continue
		}
		if opt.Split == Test {
			pick(r, heldOutPairs).give(&s, r) // every pair equally often
			s.Weather = fitting(s.Place, s.Weather)
		}
		if HeldOut(s) == (opt.Split == Test) {
			return s
		}
	}
}

// lost reports whether an actor would hardly stand out from its background.
func lost(s Scene) bool {
	return s.Place == Space && s.Time == Night && slices.ContainsFunc(s.Actors, func(a Actor) bool { return a.Color == Black })
}

// draw chooses every attribute without regard to the split.
func draw(r *rng, opt SampleOptions) Scene {
	s := Scene{
		Version: Version, Seed: r.next(), Duration: opt.Seconds,
		Place:  Place(r.intn(NumPlaces)),
		Time:   Daytime(r.intn(NumDaytimes)),
		Camera: Camera(r.intn(NumCameras)),
		Events: []Motion{Motion(r.intn(NumMotions))},
		Actors: []Actor{drawActor(r, opt)},
	}
	if s.Duration == 0 {
		s.Duration = 6
	}
	if r.chance(0.35) {
		s.Weather = Weather(1 + r.intn(NumWeathers-1))
	}
	s.Weather = fitting(s.Place, s.Weather)
	if opt.Simple {
		return s
	}
	if r.chance(0.2) {
		second := Motion(r.intn(NumMotions - 1))
		if second >= s.Events[0] {
			second++
		}
		s.Events = append(s.Events, second)
	}
	if r.chance(0.2) {
		b := drawActor(r, opt)
		for b.Subject == s.Actors[0].Subject && b.Color == s.Actors[0].Color {
			b = drawActor(r, opt)
		}
		s.Actors[0].Count, b.Count = 1, 1
		if r.chance(0.12) { // keeps the picture uncrowded
			b.Count = 2
		}
		s.Actors = append(s.Actors, b)
		s.Relation = Relation(1 + r.intn(NumRelations-1))
	}
	return s
}

// MeasuredColors is how many colours appear in videos that models are measured
// by: the first ones.
const MeasuredColors = int(White) + 1

func drawActor(r *rng, opt SampleOptions) Actor {
	colors := MeasuredColors
	if opt.Everyday {
		colors = NumColors
	}
	a := Actor{Subject: Subject(r.intn(NumSubjects)), Color: Color(r.intn(colors)), Size: Size(r.intn(NumSizes)), Count: 1}
	if !opt.Simple && r.chance(0.25) {
		a.Count = 2 + r.intn(MaxCount-1)
	}
	return a
}

// fitting drops weather where nobody expects it: Sample draws no rain under
// water or in space, though a hand-written scene may ask for it.
func fitting(p Place, w Weather) Weather {
	if p == Underwater || p == Space {
		return Clear
	}
	return w
}
