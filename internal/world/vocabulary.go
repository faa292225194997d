package world

import (
	"slices"
	"strconv"
	"strings"
)

// A Kind is one kind of thing that captions tell, with all its values.
type Kind struct {
	Name   string  `json:"kind"` // subjects, colors, …
	Values []Value `json:"values"`
}

// A Value is something that can be drawn and the words that ask for it, of each
// language by its name (en, zh, ar), the usual one first. Some words say more
// than the value: a kitten is a cat that is small.
type Value struct {
	Name  string              `json:"name"` // as scene files have it
	Words map[string][]string `json:"words"`
}

// Vocabulary is every word of captions by kind, for help texts and completion:
// what a prompt may ask for. Words of grammar are not in it, see [Lexicon].
func Vocabulary() []Kind {
	all := []Kind{
		kindOf("subjects", subjectNames, subjectWords), kindOf("colors", colorNames, colorWords), kindOf("sizes", sizeNames, sizeWords),
		{Name: "counts"},
		kindOf("places", placeNames, placeWords), kindOf("motions", motionNames, motionWords), kindOf("times", daytimeNames, timeWords),
		kindOf("weather", weatherNames, weatherWords), kindOf("camera", cameraNames, cameraWords),
		kindOf("relations", relationNames, relationWords),
	}
	last := &all[len(all)-1]
	last.Values = last.Values[1:] // none
	for n := 1; n <= MaxCount; n++ {
		all[3].Values = append(all[3].Values, valueOf(strconv.Itoa(n), countWords(n)))
	}
	return all
}

// kindOf makes a kind of its values' names and the words of each.
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

func subjectWords(i int) (w [NumLangs][]string) {
	for _, n := range nounsEn[i] {
		w[En] = append(w[En], n[0])
	}
	for _, n := range everydayNounsEn[i] {
		w[En] = append(w[En], n.one)
	}
	w[Zh] = append(w[Zh], nounsZh[i].names...)
	for _, n := range everydayNounsZh[i] {
		w[Zh] = append(w[Zh], n.name)
	}
	for _, n := range nounsAr[i] {
		w[Ar] = append(w[Ar], n.one)
	}
	for _, n := range everydayNounsAr[i] {
		w[Ar] = append(w[Ar], n.one)
	}
	return w
}

func colorWords(i int) (w [NumLangs][]string) {
	w[En] = append([]string{colorNames[i]}, everydayColorsEn[i]...)
	w[Zh] = slices.Concat(colorsZh[i], []string{shortZh[i]}, everydayColorsZh[i])
	for _, x := range append([]adjAr{colorsAr[i]}, everydayColorsAr[i]...) {
		w[Ar] = append(w[Ar], x.m)
	}
	return w
}

func sizeWords(i int) (w [NumLangs][]string) {
	w[En] = slices.Concat(sizesEn[i], everydaySizesEn[i])
	w[Zh] = slices.Concat(sizesZh[i], everydaySizesZh[i])
	for _, x := range slices.Concat(sizesAr[i], everydaySizesAr[i]) {
		w[Ar] = append(w[Ar], x.m)
	}
	return w
}

// countWords are the words for n; in Arabic the noun itself says one and two.
func countWords(n int) (w [NumLangs][]string) {
	w[En] = slices.Concat(countEn[n], everydayCountEn[n])
	w[Zh] = []string{countZh[n]}
	if n == MaxCount {
		w[Ar] = []string{"ثلاثة", "ثلاث"}
	}
	return w
}

func placeWords(i int) (w [NumLangs][]string) {
	w[En] = slices.Concat(placesEn[i], everydayPlacesEn[i], pathsEn[i])
	w[Zh] = slices.Concat(placesZh[i], everydayPlacesZh[i], pathsZh[i])
	w[Ar] = slices.Concat(placesAr[i], everydayPlacesAr[i], pathsAr[i])
	return w
}

func timeWords(i int) [NumLangs][]string {
	return [NumLangs][]string{slices.Concat(timesEn[i], everydayTimesEn[i]), slices.Concat(timesZh[i], everydayTimesZh[i]), slices.Concat(timesAr[i], everydayTimesAr[i])}
}

func weatherWords(i int) (w [NumLangs][]string) {
	w = [NumLangs][]string{slices.Concat(weathersEn[i], everydayWeathersEn[i]), slices.Concat(weathersZh[i], everydayWeathersZh[i]), slices.Concat(weathersAr[i], everydayWeathersAr[i])}
	for hour := range Daytime(NumDaytimes) { // these tell the hour, too
		at := sky{hour, Weather(i)}
		w[En], w[Zh], w[Ar] = append(w[En], skiesEn[at]...), append(w[Zh], skiesZh[at]...), append(w[Ar], skiesAr[at]...)
	}
	return w
}

func cameraWords(i int) (w [NumLangs][]string) {
	w[En] = slices.Concat(camerasEn[i], everydayCamerasEn[i])
	w[Zh] = slices.Concat(camerasZh[i], everydayCamerasZh[i])
	w[Ar] = slices.Concat(camerasAr[i], everydayCamerasAr[i])
	for _, c := range commands[i] {
		w[En] = append(w[En], "["+c+"]")
	}
	w[Zh] = append(w[Zh], "["+commandsZh[i]+"]")
	return w
}

func relationWords(i int) [NumLangs][]string {
	w := [NumLangs][]string{slices.Clone(relationsEn[i]), slices.Clone(relationsZh[i]), slices.Clone(relationsAr[i])}
	if r := Relation(i); r == LeftOf || r == RightOf {
		w[En], w[Zh], w[Ar] = append(w[En], nearEn...), append(w[Zh], nearZh...), append(w[Ar], nearAr...)
	}
	return w
}

// motionWords are what a motion is told by: verbs in their plain form, in Arabic
// as of him; of going left or right, the side and then every verb of going.
func motionWords(i int) (w [NumLangs][]string) {
	m := Motion(i)
	him := func(list []string) (out []string) {
		for _, phrase := range list {
			out = append(out, agreement{"ي", ""}.bend(phrase))
		}
		return out
	}
	if m.sideways() {
		w = [NumLangs][]string{slices.Clone(sidesEn[m]), slices.Clone(sidesZh[m]), slices.Clone(sidesAr[m])}
		for way := range goingEn {
			w[En], w[Zh], w[Ar] = append(w[En], goingEn[way]...), append(w[Zh], goingZh[way]...), append(w[Ar], him(goingAr[way])...)
		}
		for s := range Subject(NumSubjects) {
			w[En] = append(w[En], moreGoingEn[s]...)
		}
		return w
	}
	for _, phrase := range motionsEn[m] {
		if !strings.Contains(phrase, "@") {
			words := strings.Fields(phrase)
			for k, word := range words {
				if _, several, ok := strings.Cut(word, "|"); ok {
					words[k] = several
				}
			}
			w[En] = append(w[En], strings.Join(words, " "))
		}
	}
	bare := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.Contains(s, "@") })
	}
	w[En] = append(w[En], motionsOfEn[m]...)
	w[Zh] = slices.Concat(bare(motionsZh[m]), motionsOfZh[m])
	w[Ar] = him(slices.Concat(bare(motionsAr[m]), motionsOfAr[m]))
	for way := range numManners {
		w[En], w[Zh], w[Ar] = append(w[En], motionsByEn[m][way]...), append(w[Zh], motionsByZh[m][way]...), append(w[Ar], him(motionsByAr[m][way])...)
	}
	return w
}
