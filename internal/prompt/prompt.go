// Package prompt turns what people write into what reel can draw: an everyday
// sentence ("my kitten is scared of the storm") becomes a sentence of the
// storybook's captions that comes nearest to it ("A small orange kitten stays
// still in a meadow in the rain.").
//
// Make does so by rules alone: a table of everyday words with what each stands
// for, and defaults for what nobody said. The same prompt gives the same
// sentence. Choices are the sentences that keep what was said and differ in what
// was left open: a language model that is held to them (internal/grammar) may
// choose, and cannot choose badly.
//
// The package opens no files, knows no model, and changes no prompt by itself:
// whoever calls it decides what is drawn, and shows it.
package prompt

import (
	"slices"

	"github.com/kinora-video/kinora/internal/world"
)

// Draft is what a prompt becomes.
type Draft struct {
	// Sentence is in the language of the prompt, and in the words of an edition of
	// the storybook; "" if nothing of the prompt was understood.
	Sentence string
	Lang     world.Lang
	Scene    world.Scene // that the sentence describes
	// Complete says that the prompt itself states all that a picture needs in words
	// that the edition has, so that it may as well be taken as it is.
	Complete bool

	told    world.Told
	edition world.Edition
	open    [numKinds]bool // what the prompt says nothing about
	goes    bool           // the prompt says that somebody moves, and not where
	like    func(string) int
}

// usualColor is that of a subject of which none is said.
var usualColor = [world.NumSubjects]world.Color{
	world.Cat: world.Orange, world.Dog: world.Brown, world.Bird: world.Blue, world.Fish: world.Orange, world.Car: world.Red, world.Boat: world.White,
	world.SteamTrain: world.Green, world.Rocket: world.White, world.Balloon: world.Red, world.Butterfly: world.Yellow, world.Ball: world.Red, world.Person: world.Blue,
}

// usualPlace is where a subject is of which no place is said.
var usualPlace = [world.NumSubjects]world.Place{
	world.Cat: world.Meadow, world.Dog: world.Meadow, world.Bird: world.Meadow, world.Fish: world.Underwater, world.Car: world.City, world.Boat: world.Ocean,
	world.SteamTrain: world.Mountains, world.Rocket: world.Mountains, world.Balloon: world.Meadow, world.Butterfly: world.Meadow, world.Ball: world.Meadow, world.Person: world.Meadow,
}

// usualMotion is what a subject does of which nothing is said.
var usualMotion = [world.NumSubjects]world.Motion{
	world.Cat: world.MoveRight, world.Dog: world.MoveRight, world.Bird: world.MoveRight, world.Fish: world.MoveRight, world.Car: world.MoveRight, world.Boat: world.MoveRight,
	world.SteamTrain: world.MoveRight, world.Rocket: world.MoveUp, world.Balloon: world.MoveUp, world.Butterfly: world.Circle, world.Ball: world.Bounce, world.Person: world.MoveRight,
}

// Make makes the sentence that comes nearest to a prompt, in words of an edition.
func Make(text string, e world.Edition) Draft {
	r := read(text)
	d := Draft{Lang: r.lang, edition: e}
	if len(r.actors) == 0 || e == world.NoEdition {
		return d
	}
	a := &r.actors[0]
	for k := range d.open { // what the words suggest is kept too
		d.open[k] = !r.has[k] && !r.usual[k] && !a.usual[k]
	}
	d.open[subject] = false
	d.open[color], d.open[size], d.open[count] = !a.has[color] && !a.usual[color], !a.has[size] && !a.usual[size], false
	d.goes = r.has[motion] && r.is[motion] == going
	d.Scene = r.scene(e)
	d.told = world.Told{
		Place: true, Time: r.has[daytime] || d.Scene.Time != world.Day, Weather: d.Scene.Weather != world.Clear || r.has[weather] && dry(d.Scene.Place),
		Camera: r.has[camera] || d.Scene.Camera != world.Static,
	}
	for i, actor := range d.Scene.Actors {
		d.told.Sizes[i] = actor.Size != world.Medium || r.actors[i].has[size]
	}
	d.like = func(word string) int {
		if w := world.Fold(word); r.words[w] || r.words[stem(r.lang, w)] {
			return 1
		}
		return 0
	}
	d.Sentence = d.Scene.Say(d.Lang, d.told, d.like)
	d.Complete = r.complete() && len(e.UnknownWords(text)) == 0
	return d
}

// dry says whether weather is seen in a place.
func dry(p world.Place) bool { return p != world.Underwater && p != world.Space }

// complete says whether a prompt states who, in which colour, where and what they
// do.
func (r *reading) complete() bool {
	return r.has[place] && r.has[motion] && len(r.actors) > 0 && !slices.ContainsFunc(r.actors, func(a actor) bool { return !a.has[color] })
}

// scene fills in what the prompt leaves open.
func (r *reading) scene(e world.Edition) world.Scene {
	first := &r.actors[0]
	at := func(k kind, otherwise uint8) uint8 {
		switch {
		case r.has[k] || r.usual[k] && k != motion:
			return r.is[k]
		case first.usual[k] && !(k == weather && r.has[place] && r.is[place] != uint8(world.Mountains) && r.has[daytime]):
			return first.is[k]
		case r.usual[k]:
			return r.is[k]
		}
		return otherwise
	}
	s := world.Scene{
		Version: world.Version, Duration: 6, Place: world.Place(at(place, uint8(usualPlace[first.subject]))),
		Time: world.Daytime(at(daytime, uint8(world.Day))), Weather: world.Weather(at(weather, uint8(world.Clear))), Camera: world.Camera(at(camera, uint8(world.Static))),
	}
	if !dry(s.Place) {
		s.Weather = world.Clear
	}
	does := at(motion, uint8(usualMotion[first.subject]))
	if r.usual[motion] && !r.has[motion] {
		does = r.is[motion]
	}
	if does == going {
		does = uint8(world.MoveRight)
	}
	s.Events = []world.Motion{world.Motion(does)}
	for i := range r.actors {
		s.Actors = append(s.Actors, r.actors[i].drawn(e))
	}
	if len(s.Actors) == 2 {
		if s.Relation = world.LeftOf; r.has[relation] {
			s.Relation = world.Relation(r.is[relation])
		}
		if a, b := &s.Actors[0], &s.Actors[1]; a.Subject == b.Subject && a.Color == b.Color { // the edition lacks one of the colours
			b.Color = (b.Color + 2) % world.Color(world.MeasuredColors)
		}
	}
	return s
}

// drawn is an actor as an edition can draw it.
func (a *actor) drawn(e world.Edition) world.Actor {
	out := world.Actor{Subject: a.subject, Color: usualColor[a.subject], Count: 1}
	if a.has[color] || a.usual[color] {
		out.Color = world.Color(a.is[color])
	}
	if a.has[size] || a.usual[size] {
		out.Size = world.Size(a.is[size])
	}
	if a.has[count] || a.usual[count] {
		out.Count = max(1, int(a.is[count]))
	}
	if e < world.EverydayEdition && int(out.Color) >= world.MeasuredColors {
		for c := range world.Color(world.MeasuredColors) {
			if c.String() == e.Nearest(out.Color.String()) {
				out.Color = c
			}
		}
	}
	return out
}
