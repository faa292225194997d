package world

import "strings"

// everydayShare is the share of Tell's texts that use everyday words.
const everydayShare = 0.5

// Tell describes the scene for training. Half of its texts are a
// [Scene.Caption]. The other half say the same as people write it: with
// synonyms, sentences of several clauses, facts left out, in lower case,
// without articles or the final full stop. Each word still means what is drawn:
// a kitten is a small cat. The same variant gives the same text.
func (s Scene) Tell(lang Lang, variant uint64) string {
	r := newRNG(variant, "tell "+lang.String())
	if !r.chance(everydayShare) {
		return s.caption(lang, variant, true)
	}
	return s.everyday(lang, r)
}

// everyday describes a scene in everyday words.
func (s Scene) everyday(lang Lang, r *rng) string {
	f := facts{Scene: s, fit: true}
	told := func(usual bool, when, otherwise float64) bool {
		if usual {
			return r.chance(when)
		}
		return r.chance(otherwise)
	}
	for i, a := range s.Actors {
		f.size[i] = told(a.Size == Medium, 0.12, 0.8)
	}
	f.place = r.chance(0.93)
	f.time = told(s.Time == Day, 0.4, 0.88)
	f.weather = told(s.Weather == Clear, 0.25, 0.9) && (s.Place != Underwater && s.Place != Space || s.Weather != Clear)
	f.camera = told(s.Camera == Static, 0.25, 0.75)
	f.command = f.camera && r.chance(0.1)
	f.direction = r.chance(0.6)
	switch lang {
	case Zh:
		return everydayZh(&f, r)
	case Ar:
		return everydayAr(&f, r)
	}
	return everydayEn(&f, r)
}

// sideways reports whether a motion crosses the frame.
func (m Motion) sideways() bool { return m == MoveLeft || m == MoveRight }

// followed reports whether the camera moves with the actors: either it follows
// them, or they pan along while they stay where they are in the frame.
func (f *facts) followed() bool {
	switch f.Camera {
	case PanLeft:
		return f.Events[0] == MoveLeft || f.Events[0] == Still
	case PanRight:
		return f.Events[0] == MoveRight || f.Events[0] == Still
	}
	return false
}

// way is how a subject moves: by its own manner, except that walkers swim in
// the sea and float in space.
func (f *facts) way() manner {
	m := f.joint()
	if m == walks {
		switch f.Place {
		case Ocean, Underwater:
			return swims
		case Space:
			return floats
		}
	}
	return m
}

// sky is the combination of hour and weather that a word means.
type sky struct {
	time    Daytime
	weather Weather
}

// plainly joins sentences into a text as people type it: some in lower case,
// some without the final full stop.
func plainly(text string, r *rng) string {
	text = strings.TrimSpace(text)
	switch r.intn(8) {
	case 0:
		return strings.ToLower(text)
	case 1:
		return strings.TrimSuffix(strings.ToLower(text), ".")
	case 2:
		return strings.TrimSuffix(text, ".")
	}
	return text
}
