package world

import (
	"slices"
	"strconv"
	"strings"
)

// A Kind is one kind of attribute that captions state, with all its values.
type Kind struct {
	Name   string  `json:"kind"` // subjects, colors, …
	Values []Value `json:"values"`
}

// A Value is something that can be drawn, with the words for it in each
// language (en, zh, ar), the usual one first. Some words mean more than the
// value: a kitten is a cat that is small.
type Value struct {
	Name  string              `json:"name"` // as in scene files
	Words map[string][]string `json:"words"`
}

// Vocabulary returns every word of an edition's captions by kind, for help
// texts and completion: what a prompt may ask for. It has no words of grammar,
// see [Edition.Lexicon]. It is nil for [NoEdition].
func (e Edition) Vocabulary() []Kind {
	if e = e.known(); e == NoEdition {
		return nil
	}
	colors := colorNames
	if e < EverydayEdition {
		colors = colors[:MeasuredColors]
	}
	all := []Kind{
		kindOf("subjects", subjectNames, e.subjectWords), kindOf("colors", colors, e.colorWords), kindOf("sizes", sizeNames, e.sizeWords),
		{Name: "counts"},
		kindOf("places", placeNames, e.placeWords), kindOf("times", daytimeNames, e.timeWords), kindOf("weather", weatherNames, e.weatherWords),
		kindOf("motions", motionNames, e.motionWords), kindOf("camera", cameraNames, e.cameraWords),
		kindOf("relations", relationNames, e.relationWords),
	}
	last := &all[len(all)-1]
	last.Values = last.Values[1:] // none
	for n := 1; n <= MaxCount; n++ {
		all[3].Values = append(all[3].Values, valueOf(strconv.Itoa(n), e.countWords(n)))
	}
	return all
}

// kindOf makes a kind from its values' names and the words for each.
func kindOf(name string, names []string, words func(i int) [NumLangs][]string) Kind {
	k := Kind{Name: name}
	for i, n := range names {
		k.Values = append(k.Values, valueOf(n, words(i)))
	}
	return k
}

func valueOf(name string, words [NumLangs][]string) Value {
	v := Value{name, map[string][]string{}}
	for lang, list := range words {
		var once []string
		for _, w := range list {
			if w != "" && !slices.Contains(once, w) {
				once = append(once, w)
			}
		}
		v.Words[Lang(lang).String()] = once
	}
	return v
}

// words are those that captions of every edition use, and those that
// [EverydayEdition] adds.
func (e Edition) words(first []string, everyday ...[]string) []string {
	if e < EverydayEdition {
		return slices.Clone(first)
	}
	return slices.Concat(first, slices.Concat(everyday...))
}

func (e Edition) subjectWords(i int) (w [NumLangs][]string) {
	for _, n := range nounsEn[i] {
		w[En] = append(w[En], n[0])
	}
	w[Zh] = slices.Clone(nounsZh[i].names)
	for _, n := range nounsAr[i] {
		w[Ar] = append(w[Ar], n.one)
	}
	if e < EverydayEdition {
		return w
	}
	for _, n := range everydayNounsEn[i] {
		w[En] = append(w[En], n.one)
	}
	for _, n := range everydayNounsZh[i] {
		w[Zh] = append(w[Zh], n.name)
	}
	for _, n := range everydayNounsAr[i] {
		w[Ar] = append(w[Ar], n.one)
	}
	return w
}

// masculine returns adjectives in the masculine singular.
func masculine(list []adjAr) (out []string) {
	for _, x := range list {
		out = append(out, x.m)
	}
	return out
}

func (e Edition) colorWords(i int) [NumLangs][]string {
	return [NumLangs][]string{
		En: e.words([]string{colorNames[i]}, everydayColorsEn[i]),
		Zh: e.words(append(slices.Clone(colorsZh[i]), shortZh[i]), everydayColorsZh[i]),
		Ar: e.words([]string{colorsAr[i].m}, masculine(everydayColorsAr[i])),
	}
}

func (e Edition) sizeWords(i int) [NumLangs][]string {
	return [NumLangs][]string{
		En: e.words(sizesEn[i], everydaySizesEn[i]), Zh: e.words(sizesZh[i], everydaySizesZh[i]),
		Ar: e.words(masculine(sizesAr[i]), masculine(everydaySizesAr[i])),
	}
}

// countWords are the words for n; in Arabic the noun itself expresses one and
// two.
func (e Edition) countWords(n int) (w [NumLangs][]string) {
	w[En] = e.words(countEn[n], everydayCountEn[n])
	w[Zh] = []string{countZh[n]}
	if n == MaxCount {
		w[Ar] = []string{"ثلاثة", "ثلاث"}
	}
	return w
}

func (e Edition) placeWords(i int) [NumLangs][]string {
	return [NumLangs][]string{
		En: e.words(placesEn[i], everydayPlacesEn[i], pathsEn[i]), Zh: e.words(placesZh[i], everydayPlacesZh[i], pathsZh[i]),
		Ar: e.words(placesAr[i], everydayPlacesAr[i], pathsAr[i]),
	}
}

func (e Edition) timeWords(i int) [NumLangs][]string {
	return [NumLangs][]string{
		En: e.words(timesEn[i], everydayTimesEn[i]), Zh: e.words(timesZh[i], everydayTimesZh[i]), Ar: e.words(timesAr[i], everydayTimesAr[i]),
	}
}

func (e Edition) weatherWords(i int) [NumLangs][]string {
	var skies [NumLangs][]string
	for hour := range Daytime(NumDaytimes) { // these state the hour too
		at := sky{hour, Weather(i)}
		skies[En], skies[Zh], skies[Ar] = append(skies[En], skiesEn[at]...), append(skies[Zh], skiesZh[at]...), append(skies[Ar], skiesAr[at]...)
	}
	return [NumLangs][]string{
		En: e.words(weathersEn[i], everydayWeathersEn[i], skies[En]), Zh: e.words(weathersZh[i], everydayWeathersZh[i], skies[Zh]),
		Ar: e.words(weathersAr[i], everydayWeathersAr[i], skies[Ar]),
	}
}

func (e Edition) cameraWords(i int) [NumLangs][]string {
	w := [NumLangs][]string{
		En: e.words(camerasEn[i], everydayCamerasEn[i]), Zh: e.words(camerasZh[i], everydayCamerasZh[i]), Ar: e.words(camerasAr[i], everydayCamerasAr[i]),
	}
	for _, c := range commands[i] {
		w[En] = append(w[En], "["+c+"]")
	}
	w[Zh] = append(w[Zh], "["+commandsZh[i]+"]")
	return w
}

func (e Edition) relationWords(i int) [NumLangs][]string {
	if r := Relation(i); r != LeftOf && r != RightOf {
		e = FirstEdition // it has everything that is said about the others
	}
	return [NumLangs][]string{En: e.words(relationsEn[i], nearEn), Zh: e.words(relationsZh[i], nearZh), Ar: e.words(relationsAr[i], nearAr)}
}

// motionWords are the words for a motion: verbs in their plain form, in Arabic
// in the masculine singular. For moving left or right, they are the side and
// then every verb of moving.
func (e Edition) motionWords(i int) [NumLangs][]string {
	m := Motion(i)
	switch {
	case m.sideways() && e < EverydayEdition:
		return sidewaysWords(m)
	case m.sideways():
		return everydaySidewaysWords(m)
	}
	w := [NumLangs][]string{En: pluralsEn(bare(motionsEn[m])), Zh: bare(motionsZh[m]), Ar: himAr(bare(motionsAr[m]))}
	if e < EverydayEdition {
		return w
	}
	w[En] = append(w[En], motionsOfEn[m]...)
	w[Zh] = append(w[Zh], motionsOfZh[m]...)
	w[Ar] = append(w[Ar], himAr(motionsOfAr[m])...)
	for way := range numManners {
		for _, phrase := range motionsByEn[m][way] {
			w[En] = append(w[En], strings.TrimPrefix(phrase, "be "))
		}
		w[Zh], w[Ar] = append(w[Zh], motionsByZh[m][way]...), append(w[Ar], himAr(motionsByAr[m][way])...)
	}
	return w
}

// sidewaysWords are the words for moving left or right in the first edition.
func sidewaysWords(m Motion) (w [NumLangs][]string) {
	side := func(list []string) (out []string) { // of "@ to the left"
		for _, phrase := range list {
			if strings.Contains(phrase, "@") {
				out = append(out, strings.TrimSpace(strings.Replace(phrase, "@", "", 1)))
			}
		}
		return out
	}
	w = [NumLangs][]string{
		En: append(side(motionsEn[m]), pluralsEn(bare(motionsEn[m]))...), Zh: append(side(motionsZh[m]), bare(motionsZh[m])...),
		Ar: append(side(motionsAr[m]), himAr(bare(motionsAr[m]))...),
	}
	for way := range mannersEn {
		w[En], w[Zh], w[Ar] = append(w[En], pluralsEn(mannersEn[way])...), append(w[Zh], mannersZh[way]...), append(w[Ar], himAr(mannersAr[way])...)
	}
	return w
}

// everydaySidewaysWords are the words of [EverydayEdition] for moving left or
// right.
func everydaySidewaysWords(m Motion) (w [NumLangs][]string) {
	w = [NumLangs][]string{slices.Clone(sidesEn[m]), slices.Clone(sidesZh[m]), slices.Clone(sidesAr[m])}
	for way := range goingEn {
		w[En], w[Zh], w[Ar] = append(w[En], goingEn[way]...), append(w[Zh], goingZh[way]...), append(w[Ar], himAr(goingAr[way])...)
	}
	for s := range Subject(NumSubjects) {
		w[En] = append(w[En], moreGoingEn[s]...)
	}
	return w
}

// bare returns the phrases that have their own verb.
func bare(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.Contains(s, "@") })
}

// himAr returns Arabic verb phrases in the masculine singular.
func himAr(list []string) (out []string) {
	for _, phrase := range list {
		out = append(out, agreement{"ي", ""}.bend(phrase))
	}
	return out
}

// pluralsEn returns verb phrases such as "moves|move up" in the plural.
func pluralsEn(list []string) (out []string) {
	for _, phrase := range list {
		words := strings.Fields(phrase)
		for k, word := range words {
			if _, several, ok := strings.Cut(word, "|"); ok {
				words[k] = several
			}
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}
