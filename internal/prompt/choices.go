package prompt

import (
	"slices"

	"github.com/kinora-video/kinora/internal/world"
)

// fit is where a subject looks right, and what it does there, as far as nobody
// said otherwise.
type fit struct {
	places  []world.Place
	motions []world.Motion
}

var (
	onLand  = []world.Place{world.Meadow, world.Beach, world.City, world.Desert, world.Mountains}
	inAir   = []world.Place{world.Meadow, world.Beach, world.Ocean, world.City, world.Desert, world.Mountains}
	alive   = []world.Motion{world.MoveLeft, world.MoveRight, world.Bounce, world.Circle, world.Approach, world.Still}
	onWheel = []world.Motion{world.MoveLeft, world.MoveRight, world.Approach, world.Still}
	afloat  = []world.Motion{world.MoveLeft, world.MoveRight, world.MoveUp, world.MoveDown, world.Circle, world.Approach}
)

var fits = [world.NumSubjects]fit{
	world.Cat: {onLand, alive}, world.Dog: {onLand, alive}, world.Person: {onLand, alive}, world.Bird: {inAir, afloat}, world.Butterfly: {inAir, afloat},
	world.Fish: {[]world.Place{world.Underwater}, afloat}, world.Car: {onLand, onWheel}, world.SteamTrain: {onLand, onWheel},
	world.Boat: {[]world.Place{world.Ocean}, onWheel}, world.Rocket: {[]world.Place{world.Space, world.Mountains, world.Desert}, afloat},
	world.Balloon: {inAir, []world.Motion{world.MoveLeft, world.MoveRight, world.MoveUp, world.MoveDown}},
	world.Ball:    {onLand, []world.Motion{world.Bounce, world.MoveRight, world.MoveUp, world.MoveDown}},
}

// Choices are the sentences that keep what the prompt says and differ in what it
// leaves open: the colour and the place, what is done, the hour and the weather; if
// nothing of the prompt was understood, also who does it. All can be drawn, none
// is of a combination that training never shows, and the draft's own sentence is
// the first. A language model may choose one of them.
func (d Draft) Choices() []string {
	if d.edition == world.NoEdition {
		return nil
	}
	var all []string
	seen := map[string]bool{}
	add := func(s world.Scene) {
		told := d.told
		told.Place, told.Time, told.Weather = true, told.Time || s.Time != world.Day, told.Weather || s.Weather != world.Clear
		if text := s.Say(d.Lang, told, d.like); text != "" && !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
	}
	if d.Sentence != "" {
		add(d.Scene)
		d.vary(d.Scene, add)
		return all
	}
	for s := range world.Subject(world.NumSubjects) {
		d.open = [numKinds]bool{place: true, motion: true, daytime: true, weather: true}
		d.vary(world.Scene{
			Version: world.Version, Duration: 6, Actors: []world.Actor{{Subject: s, Color: usualIn(s, d.edition), Count: 1}},
			Events: []world.Motion{usualMotion[s]}, Place: usualPlace[s],
		}, add)
	}
	return all
}

// usualIn is the usual colour of a subject in an edition.
func usualIn(s world.Subject, e world.Edition) world.Color {
	a := actor{subject: s}
	return a.drawn(e).Color
}

// vary yields scenes that differ from one in what is open.
func (d Draft) vary(s world.Scene, yield func(world.Scene)) {
	first := s.Actors[0]
	colors, places, motions := []world.Color{first.Color}, []world.Place{s.Place}, []world.Motion{s.Events[0]}
	hours, skies := []world.Daytime{s.Time}, []world.Weather{s.Weather}
	if d.open[color] {
		for c := range world.Color(world.MeasuredColors) {
			colors = append(colors, c)
		}
	}
	if d.open[place] {
		places = append(places, fits[first.Subject].places...)
	}
	if d.open[motion] {
		motions = append(motions, fits[first.Subject].motions...)
	}
	if d.open[daytime] {
		hours = append(hours, world.Day, world.Sunset, world.Night)
	}
	if d.open[weather] {
		skies = append(skies, world.Clear, world.Rain, world.Snow)
	}
	for _, c := range colors {
		for _, p := range places {
			for _, m := range motions {
				for _, hour := range hours {
					for _, sky := range skies {
						if !dry(p) {
							sky = world.Clear
						}
						v := s
						v.Actors = slices.Clone(s.Actors)
						v.Actors[0].Color, v.Place, v.Events, v.Time, v.Weather = c, p, []world.Motion{m}, hour, sky
						if !world.HeldOut(v) {
							yield(v)
						}
					}
				}
			}
		}
	}
}

// shown are prompts with good answers, in each language, to show a language model
// what it is asked for.
var shown = [world.NumLangs][]string{
	world.En: {"my puppy loves the snow", "a shark", "I am waiting for the bus in the rain", "fireworks over the city", "a dragon flies over the mountains at dawn"},
	world.Zh: {"我的小狗喜欢下雪", "一条鲨鱼", "我在雨中等公交车", "蝴蝶在花丛中飞舞"},
	world.Ar: {"كلب صغير يلعب في الثلج", "سمكة قرش", "السيارة تنتظر تحت المطر", "فراشة فوق الزهور"},
}

// Examples are everyday prompts with what they become, in the language of the
// draft.
func (d Draft) Examples() [][2]string {
	var list [][2]string
	for _, p := range shown[d.Lang] {
		list = append(list, [2]string{p, Make(p, d.edition).Sentence})
	}
	return list
}

// Better reads what a language model makes of the prompt. It is taken if it can be
// drawn, states all that the draft's sentence does, and keeps what the prompt says;
// sentence is in the words of the edition, whatever words the model used.
func (d Draft) Better(answer string) (sentence string, ok bool) {
	o := Make(answer, d.edition)
	r := read(answer)
	if o.Sentence == "" || o.Lang != d.Lang || !r.complete() {
		return "", false
	}
	if d.Sentence == "" {
		return o.Sentence, true
	}
	a, b := d.Scene.Actors, o.Scene.Actors
	if len(a) != len(b) {
		return "", false
	}
	for i := range a {
		if a[i].Subject != b[i].Subject || a[i].Count != b[i].Count || !d.open[color] && a[i].Color != b[i].Color || !d.open[size] && a[i].Size != b[i].Size {
			return "", false
		}
	}
	s, t := d.Scene, o.Scene
	keeps := (d.open[place] || s.Place == t.Place) && (d.open[daytime] || s.Time == t.Time) && (d.open[weather] || s.Weather == t.Weather) &&
		(d.open[camera] || s.Camera == t.Camera) && (d.open[motion] || s.Events[0] == t.Events[0] || d.goes && t.Events[0] == world.MoveLeft)
	return o.Sentence, keeps
}
