package world

import "strings"

// facts is what one caption says about a scene. Defaults (medium size, day,
// clear weather, a still camera) are stated in most captions and left out in
// the others.
type facts struct {
	Scene
	size                         [MaxActors]bool
	place, time, weather, camera bool
	command                      bool // the camera move as a bracketed command
	direction                    bool // the direction of a motion, in everyday words
	fit                          bool // a noun that implies a size is used for that size only
}

// Caption describes the scene. Variant chooses the phrasing: the words, their
// order and the facts. The same variant gives the same text. About three
// captions in four state every attribute; the others leave some out. Some state
// the camera move as one of MiniMax's bracketed commands, [Pan left].
func (s Scene) Caption(lang Lang, variant uint64) string { return s.caption(lang, variant, false) }

// caption is Caption; with fit, a kitten is a small cat.
func (s Scene) caption(lang Lang, variant uint64, fit bool) string {
	r := newRNG(variant, "caption "+lang.String())
	f := choose(s, r)
	f.fit = fit
	switch lang {
	case Zh:
		return captionZh(f, r)
	case Ar:
		return captionAr(f, r)
	}
	return captionEn(f, r)
}

// choose decides which facts a caption states.
func choose(s Scene, r *rng) facts {
	f := facts{Scene: s, place: true, time: true, weather: true, camera: true, size: [MaxActors]bool{true, true}}
	f.command = r.chance(0.22)
	if s.Weather == Clear && (s.Place == Underwater || s.Place == Space) {
		f.weather = false // nobody would mention it
	}
	if r.chance(0.76) {
		return f
	}
	// Defaults are often left out, other facts seldom; at least one fact is
	// left out.
	keep := func(isDefault bool) bool {
		if isDefault {
			return r.chance(0.25)
		}
		return r.chance(0.85)
	}
	for i, a := range s.Actors {
		f.size[i] = keep(a.Size == Medium)
	}
	f.time, f.weather = keep(s.Time == Day), keep(s.Weather == Clear) && f.weather
	f.camera, f.place = keep(s.Camera == Static), keep(false)
	return f
}

// commands are MiniMax's camera commands for each move. The first is the move's
// own name, the others look the same in a flat picture.
var commands = [NumCameras][]string{
	Static:   {"Static shot"},
	PanLeft:  {"Pan left", "Pan left", "Truck left"},
	PanRight: {"Pan right", "Pan right", "Truck right"},
	TiltUp:   {"Tilt up", "Tilt up", "Pedestal up"},
	TiltDown: {"Tilt down", "Tilt down", "Pedestal down"},
	ZoomIn:   {"Zoom in", "Zoom in", "Push in"},
	ZoomOut:  {"Zoom out", "Zoom out", "Pull out"},
}

// Command is the camera command that captions use for a move, such as Pan left.
func (v Camera) Command() string {
	if int(v) >= NumCameras {
		return v.String()
	}
	return commands[v][0]
}

// manner is the kind of verb that fits how a subject moves.
type manner uint8

const (
	walks manner = iota
	flies
	swims
	drives
	sails
	rolls
	floats
	numManners
)

var manners = [NumSubjects]manner{
	Cat: walks, Dog: walks, Person: walks, Bird: flies, Butterfly: flies, Rocket: flies, Fish: swims,
	Car: drives, SteamTrain: drives, Boat: sails, Ball: rolls, Balloon: floats,
}

// joint returns the manner of all actors, or numManners if they differ.
func (f *facts) joint() manner {
	m := manners[f.Actors[0].Subject]
	if len(f.Actors) == 2 && manners[f.Actors[1].Subject] != m {
		return numManners
	}
	return m
}

// shuffle puts a list into random order.
func shuffle[T any](r *rng, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := r.intn(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// sentence starts a text with a capital letter and ends it with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	if c := text[0]; c >= 'a' && c <= 'z' {
		text = string(c-32) + text[1:]
	}
	return text + "."
}
