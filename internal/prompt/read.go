package prompt

import (
	"slices"
	"strings"
	"unicode"

	"github.com/kinora-video/kinora/internal/world"
)

// found is a word or phrase of a prompt that means something.
type found struct {
	means    []meaning
	from, to int // among the words of the prompt
	words    []string
	many     bool
}

// language returns the language of most letters of a text.
func language(text string) world.Lang {
	var letters [world.NumLangs]int
	for _, c := range text {
		switch {
		case unicode.Is(unicode.Han, c):
			letters[world.Zh] += 3 // a character is about a syllable
		case unicode.Is(unicode.Arabic, c):
			letters[world.Ar]++
		case unicode.IsLetter(c):
			letters[world.En]++
		}
	}
	best := world.En
	for lang := range world.Lang(world.NumLangs) {
		if letters[lang] > letters[best] {
			best = lang
		}
	}
	return best
}

// possessive removes the English 's, so that the dog's ball is not of dogs.
var possessive = strings.NewReplacer("'s ", " "+owns+" ", "’s ", " "+owns+" ", "s' ", "s "+owns+" ", "'re ", " ", "'m ", " ", "’m ", " ", "n't ", " not ", "n’t ", " not ")

// owns stands for what makes an English owner of a word: whose dog it is, is not
// seen.
const owns = "ownerof"

// maxWords is how many words of a prompt are read.
const maxWords = 400

// scan finds what a prompt says: at each word the longest phrase that is known.
func scan(lang world.Lang, text string) []found {
	l := &lexicons()[lang]
	words := split(lang, possessive.Replace(text+" "))
	words = words[:min(len(words), maxWords)]
	var all []found
	denied := false
	for i := 0; i < len(words); {
		n := min(l.longest, len(words)-i)
		var means []meaning
		for ; n > 0; n-- {
			if means = l.find(lang, words[i:i+n]); means != nil {
				break
			}
		}
		if means == nil {
			n = 1
			means = nearest(lang, words[i])
		}
		switch {
		case slices.Contains([]string{"no", "not", "without", "never", "بدون"}, words[i]):
			denied = true
		case means != nil && denied && means[0].kind != motion:
			denied = false
		case means != nil && i+n < len(words) && words[i+n] == owns && means[0].kind == subject && means[0].value == uint8(world.Person):
		case means != nil && means[0].kind != nothing:
			phrase := words[i : i+n]
			all = append(all, found{means: means, from: i, to: i + n, words: phrase, many: lang == world.En && plural(phrase)})
			denied = false
		}
		i += n
	}
	return all
}

// nearest reads a word that is not known as the one that it is a slip for, or
// that comes near it, if that names something.
func nearest(lang world.Lang, word string) []meaning {
	if lang == world.Zh || len([]rune(word)) < 5 {
		return nil
	}
	near := world.Newest.Nearest(word)
	if near == "" {
		return nil
	}
	means := lexicons()[lang].find(lang, split(lang, near))
	if len(means) == 0 || means[0].kind > place || means[0].implied {
		return nil
	}
	return means
}

// actor is who is in a prompt, with what is said of them.
type actor struct {
	word    string
	subject world.Subject
	has     [numKinds]bool  // what is said
	is      [numKinds]uint8 // and what goes without saying
	usual   [numKinds]bool
}

func (a *actor) say(k kind, v uint8) {
	if !a.has[k] {
		a.has[k], a.is[k] = true, v
	}
}

// reading is what is understood of a prompt.
type reading struct {
	lang    world.Lang
	actors  []actor
	has     [numKinds]bool // said of the scene
	is      [numKinds]uint8
	usual   [numKinds]bool // not said, but likely
	implied []meaning
	words   map[string]bool // of what was understood
	pending [numKinds]uint8 // said of who comes next; one more than the value
	several uint8           // how many are implied
}

// read reads a prompt.
func read(text string) *reading {
	r := &reading{lang: language(text), words: map[string]bool{}}
	items := scan(r.lang, text)
	for i, f := range items {
		next := len(items) > i+1 && items[i+1].from == f.to
		if r.describesOther(items, i, next) {
			continue
		}
		if f.means[0].kind != relation {
			r.note(f.words)
		}
		for _, m := range f.means {
			r.take(f, m, next && items[i+1].means[0].kind == subject && !items[i+1].means[0].implied)
		}
	}
	r.settle()
	return r
}

// little are words that only join others.
var little = strings.Fields("a an the of on in at to from into and or with by for it is are was be its his her my your our their as while there that this")

// fast are verbs of going fast, which captions call to run.
var fast = strings.Fields("gallop race rush chase dash sprint flee fled escape hurry hunt ran")

// note remembers the words that were understood, to be said again.
func (r *reading) note(words []string) {
	for _, w := range words {
		if slices.Contains(little, w) {
			continue
		}
		r.words[w], r.words[stem(r.lang, w)] = true, true
		if r.lang == world.En && slices.ContainsFunc(fast, func(f string) bool { return stemEn(f) == stemEn(w) }) {
			r.words["run"] = true
		}
	}
}

// describesOther says whether a colour or size is that of something which is no
// subject, such as green grass.
func (r *reading) describesOther(items []found, i int, next bool) bool {
	k := items[i].means[0].kind
	if k != color && k != size || !next || r.lang != world.En {
		return false
	}
	switch items[i+1].means[0].kind {
	case place, daytime, weather:
		return true
	}
	return false
}

// take takes one meaning of a phrase. before says that a subject follows at once.
func (r *reading) take(f found, m meaning, before bool) {
	switch {
	case m.implied:
		r.implied = append(r.implied, m)
	case m.kind == subject && m.weak:
	case m.kind == subject && before && slices.Equal(f.words, []string{"baby"}):
		r.pending[size] = uint8(world.Small) + 1
	case m.kind == subject:
		r.enter(f, world.Subject(m.value))
	case m.weak && len(r.actors) > 0 && f.means[0].kind == subject && !f.means[0].implied:
		a := &r.actors[len(r.actors)-1]
		if !a.usual[m.kind] && !a.has[m.kind] {
			a.usual[m.kind], a.is[m.kind] = true, m.value
		}
	case m.weak && f.means[0].implied && m.kind == count:
		r.several = m.value
	case m.kind == color || m.kind == size || m.kind == count:
		r.describe(m)
	case m.kind == motion:
		r.move(m)
	case m.kind == relation:
		if len(r.actors) == 1 && !r.has[relation] {
			r.has[relation], r.is[relation] = true, m.value
		}
	case m.weak:
		if !r.has[m.kind] && !r.usual[m.kind] {
			r.usual[m.kind], r.is[m.kind] = true, m.value
		}
	case !r.has[m.kind]:
		r.has[m.kind], r.is[m.kind] = true, m.value
	}
}

// enter adds a subject, or finds that it is one already named.
func (r *reading) enter(f found, s world.Subject) {
	word := f.words[len(f.words)-1]
	at := slices.IndexFunc(r.actors, func(a actor) bool {
		other := a.has[color] && r.pending[color] > 0 && a.is[color] != r.pending[color]-1
		return a.subject == s && stem(r.lang, a.word) == stem(r.lang, word) && !other
	})
	if at < 0 {
		if at = len(r.actors); at > world.MaxActors {
			return
		}
		r.actors = append(r.actors, actor{word: word, subject: s})
	}
	a := &r.actors[at]
	for _, k := range []kind{color, size, count} {
		if v := r.pending[k]; v > 0 {
			a.say(k, v-1)
			r.pending[k] = 0
		}
	}
	if f.many && !slices.ContainsFunc(f.means, func(m meaning) bool { return m.kind == count }) {
		a.usual[count], a.is[count] = !a.has[count], max(a.is[count], 2)
	}
}

// describe gives a colour, size or number to the one whom it describes: who is
// named next, or in Arabic who was named before.
func (r *reading) describe(m meaning) {
	if n := len(r.actors); n > 0 && r.lang == world.Ar && !r.actors[n-1].has[m.kind] && m.kind != count {
		r.actors[n-1].say(m.kind, m.value)
		return
	}
	r.pending[m.kind] = m.value + 1
}

// move takes a motion: the first that is said, unless it was only that somebody
// goes and it is said now where.
func (r *reading) move(m meaning) {
	switch {
	case m.weak:
		if !r.usual[motion] {
			r.usual[motion] = true
			if !r.has[motion] {
				r.is[motion] = m.value
			}
		}
	case !r.has[motion]:
		r.has[motion], r.is[motion] = true, m.value
	case r.is[motion] == going && m.value != uint8(world.Bounce) && m.value != uint8(world.Still):
		r.is[motion] = m.value
	}
}

// vehicles carry people, who are not seen then.
var vehicles = []world.Subject{world.Car, world.Boat, world.SteamTrain, world.Rocket, world.Balloon}

func isPerson(a actor) bool   { return a.subject == world.Person }
func isVehicle(a actor) bool  { return slices.Contains(vehicles, a.subject) }
func (m meaning) moves() bool { return slices.Contains(vehicles[:4], world.Subject(m.value)) }

// settle decides who is seen, when all has been read.
func (r *reading) settle() {
	if n := len(r.actors); n > 0 { // what described nobody who follows
		for _, k := range []kind{color, size, count} {
			if v := r.pending[k]; v > 0 {
				r.actors[n-1].say(k, v-1)
			}
		}
	}
	together := r.has[relation] && world.Relation(r.is[relation]) != world.LeftOf
	if slices.ContainsFunc(r.actors, isPerson) && slices.ContainsFunc(r.actors, isVehicle) && !together {
		gone := isPerson
		if r.actors[0].usual[place] && r.actors[0].is[place] == uint8(world.Space) { // an astronaut is outside
			gone = isVehicle
		}
		r.actors = slices.DeleteFunc(r.actors, gone)
	}
	people := !slices.ContainsFunc(r.actors, func(a actor) bool { return !isPerson(a) })
	for _, m := range r.implied {
		if people && m.moves() { // who drives is not seen, but the car
			r.actors = []actor{{subject: world.Subject(m.value)}}
			people = false
		}
	}
	if len(r.actors) == 0 {
		r.imply()
	}
	r.actors = r.actors[:min(len(r.actors), world.MaxActors)]
	if len(r.actors) == 2 && r.actors[0].subject == r.actors[1].subject && r.colorOf(0) == r.colorOf(1) {
		r.actors = r.actors[:1] // a man and a woman are two people
		r.actors[0].usual[count], r.actors[0].is[count] = true, 2
	}
}

// imply finds who is seen where nobody is named.
func (r *reading) imply() {
	for _, m := range r.implied {
		if world.Subject(m.value) == world.Person && len(r.actors) == 0 {
			r.actors = []actor{{subject: world.Person}}
			r.actors[0].usual[count], r.actors[0].is[count] = r.several > 0, r.several
		}
	}
	for _, m := range r.implied {
		if len(r.actors) == 0 || world.Subject(m.value) == world.Balloon {
			r.actors = []actor{{subject: world.Subject(m.value)}}
		}
	}
	if len(r.actors) == 0 && (r.has[place] || r.has[daytime] || r.has[weather] || r.has[motion] || r.pending[color] > 0) {
		s := world.Person
		if r.has[place] {
			s = dwellers[r.is[place]]
		}
		a := actor{subject: s}
		for _, k := range []kind{color, size, count} {
			if v := r.pending[k]; v > 0 {
				a.say(k, v-1)
			}
		}
		r.actors = []actor{a}
		if m := world.Motion(r.is[motion]); r.has[place] && (m == world.Bounce || m == world.Circle || m == world.Approach) {
			r.has[motion] = false // it is not this one who does it
		}
	}
}

// dwellers are who is seen in a place where nobody is named.
var dwellers = [world.NumPlaces]world.Subject{
	world.Meadow: world.Butterfly, world.Beach: world.Person, world.Ocean: world.Boat, world.City: world.Car,
	world.Desert: world.Person, world.Mountains: world.Bird, world.Underwater: world.Fish, world.Space: world.Rocket,
}

func (r *reading) colorOf(i int) world.Color {
	if a := &r.actors[i]; a.has[color] || a.usual[color] {
		return world.Color(a.is[color])
	}
	return world.NumColors
}
