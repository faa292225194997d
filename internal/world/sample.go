package world

import "slices"

// Split says which films to draw.
type Split uint8

// The splits. Train never holds a held-out combination, Test only held-out ones.
const (
	Train Split = iota
	Test
)

// SampleOptions narrows [Sample].
type SampleOptions struct {
	Split Split
	// Simple asks for the setting in which models are measured: one actor,
	// one of it, one event.
	Simple bool
	// Everyday draws from all colours. Without it they are those up to White, so
	// that a seed means the films that published figures were measured by.
	Everyday bool
	// Seconds is the film's duration; 0 means 6.
	Seconds float64
}

// Sample makes up a scene. The same seed and options give the same scene.
func Sample(seed uint64, opt SampleOptions) Scene {
	r := newRNG(seed, "sample")
	for {
		s := draw(r, opt)
		if opt.Everyday && lost(s) {
			continue
		}
		if opt.Split == Test {
			pick(r, heldOutPairs).give(&s, r) // each pair as often as the others
			s.Weather = fitting(s.Place, s.Weather)
		}
		if HeldOut(s) == (opt.Split == Test) {
			return s
		}
	}
}

// lost says whether an actor could hardly be told from what is behind it.
func lost(s Scene) bool {
	return s.Place == Space && s.Time == Night && slices.ContainsFunc(s.Actors, func(a Actor) bool { return a.Color == Black })
}

// draw picks every attribute without regard to the split.
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
		if r.chance(0.12) { // the picture stays uncrowded
			b.Count = 2
		}
		s.Actors = append(s.Actors, b)
		s.Relation = Relation(1 + r.intn(NumRelations-1))
	}
	return s
}

// MeasuredColors is how many colours films to measure by have: the first ones.
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

// fitting drops weather where the sampler would not expect any: it does not
// rain under water or in space, though a hand-written scene may ask for it.
func fitting(p Place, w Weather) Weather {
	if p == Underwater || p == Space {
		return Clear
	}
	return w
}
