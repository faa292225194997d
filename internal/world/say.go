package world

import "strings"

// Told says which facts a sentence states; who, in which colour and what they do
// are always stated.
type Told struct {
	Sizes                        [MaxActors]bool
	Place, Time, Weather, Camera bool
}

// Say describes the scene in one plain sentence, and a second one for the camera.
// It is one of the texts of [Scene.Caption]: the usual one, but for words that the
// writer of a prompt has used. Like says which those are, higher for what is more
// wanted; nil takes the usual ones.
func (s Scene) Say(lang Lang, told Told, like func(word string) int) string {
	if lang >= NumLangs || s.Validate() != nil {
		return ""
	}
	f := facts{Scene: s}
	return s.say(lang, told, usual{f: &f, like: like})
}

// say is Say by another guide.
func (s Scene) say(lang Lang, told Told, g guide) string {
	f := facts{Scene: s, size: told.Sizes, place: told.Place, time: told.Time, weather: told.Weather, camera: told.Camera, fit: true}
	r := &rng{guide: g}
	switch lang {
	case Zh:
		return captionZh(f, r)
	case Ar:
		return captionAr(f, r)
	}
	return captionEn(f, r)
}

// usual is the guide of Say. The last way to build a sentence is the plain one
// throughout captions.
type usual struct {
	f    *facts
	like func(word string) int
}

func (u usual) choose(n int) int     { return n - 1 }
func (u usual) maybe(p float64) bool { return p >= 0.5 }

func (u usual) pick(n int, text func(i int) []string) int {
	best, most := 0, 0
	for i := range n {
		score := 0
		for _, t := range text(i) {
			score = max(score, u.score(t))
		}
		if i == 0 || score > most {
			best, most = i, score
		}
	}
	return best
}

// neutral are the verbs that any subject may have anywhere.
var neutral = []string{"moves|move", "移动", "~تحرك"}

func (u usual) score(text string) (score int) {
	if u.like != nil {
		for _, w := range splitWords(text) {
			score += 2 * u.like(w)
		}
		if scriptOf([]rune(text + " ")[0]) == 2 { // words are not spaced
			score += 2 * u.like(text)
		}
	}
	for _, verb := range neutral {
		if u.f.outOfPlace() && strings.Contains(text, verb) {
			score++
		}
	}
	return score
}

// outOfPlace reports whether the verbs of the subject's manner are odd where it
// is: a dog does not walk on the sea.
func (f *facts) outOfPlace() bool {
	switch wet := f.Place == Ocean || f.Place == Underwater; f.joint() {
	case walks, drives, rolls:
		return wet || f.Place == Space
	case flies:
		return f.Place == Underwater
	case swims:
		return !wet
	case sails:
		return f.Place != Ocean
	case floats:
		return f.Place == Underwater
	}
	return false
}
