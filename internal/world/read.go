package world

import "strings"

// ReadSaid returns the scene that a sentence of [Scene.Say] describes; ok is false
// for any other text. What the sentence leaves out is medium-sized, in a meadow, by
// day, in clear weather and with a static camera. The sentence is found by saying
// what it may mean again, so that it is read as the captions' own code wrote it.
func ReadSaid(lang Lang, text string) (s Scene, ok bool) {
	if lang >= NumLangs || len(text) > 1024 {
		return s, false
	}
	e := echo{text: strings.ToLower(text)}
	actors, facts := e.actors(lang), e.facts(lang)
	groups := make([][]toldActor, 0, len(actors)*len(actors))
	for _, a := range actors {
		groups = append(groups, []toldActor{a})
	}
	for _, a := range actors {
		for _, b := range actors {
			if a != b && facts.relations[0] >= 0 {
				groups = append(groups, []toldActor{a, b})
			}
		}
	}
	for _, g := range groups {
		if s, ok = e.find(lang, g, facts, text); ok {
			return s, true
		}
	}
	return Scene{}, false
}

// echo is the guide that repeats the words of a text.
type echo struct{ text string }

func (e echo) choose(n int) int     { return n - 1 }
func (e echo) maybe(p float64) bool { return p >= 0.5 }

func (e echo) pick(n int, text func(i int) []string) int {
	best, most := 0, 0
	for i := range n {
		for _, t := range text(i) {
			if length := e.holds(t); length > most {
				best, most = i, length
			}
		}
	}
	return best
}

// holds returns how much of a phrase the text has: all of it, or nothing.
func (e echo) holds(phrase string) int {
	for many := range 2 {
		words := strings.Fields(phrase)
		for i, w := range words {
			if one, several, ok := strings.Cut(w, "|"); ok {
				words[i] = [2]string{one, several}[many]
			}
			words[i] = strings.TrimLeft(words[i], "@~")
		}
		if strings.Contains(phrase, "~") { // a stem, which gets endings in the text
			length := 0
			for _, w := range words {
				if !strings.Contains(e.text, w) {
					return 0
				}
				length += len(w)
			}
			return length
		}
		if p := strings.TrimSpace(strings.Join(words, " ")); p != "" && strings.Contains(e.text, strings.ToLower(p)) {
			return len(p)
		}
	}
	return 0
}

func (e echo) any(phrases []string) bool {
	for _, p := range phrases {
		if e.holds(p) > 0 {
			return true
		}
	}
	return false
}

// toldActor is an actor whose size is told or not.
type toldActor struct {
	Actor
	sized bool
}

// actors returns those whose description the text holds.
func (e echo) actors(lang Lang) (all []toldActor) {
	r := &rng{guide: e}
	named := [NumSubjects]bool{}
	for s := range named {
		named[s] = e.names(lang, s)
	}
	for i := range NumSubjects * NumColors * NumSizes * MaxCount * 2 {
		a := toldActor{Actor: Actor{Count: 1 + i/2%MaxCount}, sized: i%2 == 1}
		i /= 2 * MaxCount
		a.Size, i = Size(i%NumSizes), i/NumSizes
		a.Color, a.Subject = Color(i%NumColors), Subject(i/NumColors)
		if !named[a.Subject] || !a.sized && a.Size != Medium {
			continue
		}
		f := &facts{Scene: Scene{Actors: []Actor{a.Actor}}, size: [MaxActors]bool{a.sized}, fit: true}
		told := make([]string, 0, 2)
		switch lang {
		case En:
			text, _ := actorEn(f, 0, r)
			told = append(told, text)
		case Zh:
			told = append(told, actorZh(f, 0, r))
		case Ar:
			for _, genitive := range []bool{false, true} {
				text, _ := actorAr(f, 0, genitive, r)
				told = append(told, text)
			}
		}
		if e.any(told) {
			all = append(all, a)
		}
	}
	return all
}

// names says whether the text has a noun of a subject.
func (e echo) names(lang Lang, subject int) bool {
	switch lang {
	case Zh:
		return e.any(nounsZh[subject].names)
	case Ar:
		for _, n := range nounsAr[subject] {
			if e.any([]string{n.one, strings.TrimSuffix(n.two, "ان"), n.three}) { // the dual may be in the genitive
				return true
			}
		}
		return false
	}
	for _, n := range nounsEn[subject] {
		if e.any(n[:]) {
			return true
		}
	}
	return false
}

// toldFacts are what the text may tell beside the actors, in each kind; -1 for a
// kind of which it tells nothing.
type toldFacts struct{ places, hours, skies, views, relations []int }

func (e echo) facts(lang Lang) toldFacts {
	told := func(n int, phrases func(i int) [NumLangs][]string) (list []int) {
		for i := range n {
			if e.any(phrases(i)[lang]) {
				list = append(list, i)
			}
		}
		if list == nil {
			list = []int{-1}
		}
		return list
	}
	return toldFacts{
		places: told(NumPlaces, func(i int) [NumLangs][]string { return [NumLangs][]string{placesEn[i], placesZh[i], placesAr[i]} }),
		hours:  told(NumDaytimes, func(i int) [NumLangs][]string { return [NumLangs][]string{timesEn[i], timesZh[i], timesAr[i]} }),
		skies:  told(NumWeathers, func(i int) [NumLangs][]string { return [NumLangs][]string{weathersEn[i], weathersZh[i], weathersAr[i]} }),
		views:  told(NumCameras, func(i int) [NumLangs][]string { return [NumLangs][]string{camerasEn[i], camerasZh[i], camerasAr[i]} }),
		relations: told(NumRelations, func(i int) [NumLangs][]string {
			return [NumLangs][]string{relationsEn[i], relationsZh[i], relationsAr[i]}
		}),
	}
}

// find looks for the scene with some actors that is told as the text.
func (e echo) find(lang Lang, actors []toldActor, facts toldFacts, text string) (Scene, bool) {
	s := Scene{Version: Version, Duration: 6}
	told := Told{}
	for i, a := range actors {
		s.Actors = append(s.Actors, a.Actor)
		told.Sizes[i] = a.sized
	}
	relations := facts.relations
	if len(actors) == 1 {
		relations = []int{int(NoRelation)}
	}
	for _, place := range facts.places {
		for _, hour := range facts.hours {
			for _, sky := range facts.skies {
				for _, view := range facts.views {
					s.Place, told.Place = Place(max(place, 0)), place >= 0
					s.Time, told.Time = Daytime(max(hour, 0)), hour >= 0
					s.Weather, told.Weather = Weather(max(sky, 0)), sky >= 0
					s.Camera, told.Camera = Camera(max(view, 0)), view >= 0
					for _, relation := range relations {
						s.Relation = Relation(relation)
						for m := range Motion(NumMotions) {
							s.Events = []Motion{m}
							if s.say(lang, told, e) == text {
								return s, true
							}
						}
					}
				}
			}
		}
	}
	return Scene{}, false
}
