package prompt

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kinora-video/kinora/internal/world"
)

// The everyday words of each language, one meaning a line: words and phrases,
// separated by commas, an equals sign, and what they stand for in a scene, by the
// names of scene files with - for a space. What follows ~ is taken only where the
// sentence says nothing else: a shark is large and under water, unless it is small
// and in the city. What follows ? is who does it if nobody is named: who drives is
// a car.
//
//go:embed words.txt
var wordTable string

// kind is an attribute of a scene.
type kind uint8

const (
	subject kind = iota
	color
	size
	count
	place
	daytime
	weather
	motion
	camera
	relation
	nothing // of a phrase whose words would be misread one by one
	numKinds
)

// going is the motion of a verb that says no direction.
const going = uint8(world.NumMotions)

// meaning is one attribute that a word stands for.
type meaning struct {
	kind    kind
	value   uint8
	weak    bool // ~
	implied bool // ?
}

// lexicon is the words and phrases of one language, as they are written and by
// their stems.
type lexicon struct {
	exact, stems map[string][]meaning
	longest      int // words of a phrase; characters of one in Chinese
}

// meanings are what the table calls attributes.
func meanings() map[string]meaning {
	all := map[string]meaning{"go": {kind: motion, value: going}, "nothing": {kind: nothing}}
	for k, list := range map[kind][]fmt.Stringer{
		subject: named[world.Subject](world.NumSubjects), color: named[world.Color](world.NumColors), size: named[world.Size](world.NumSizes),
		place: named[world.Place](world.NumPlaces), daytime: named[world.Daytime](world.NumDaytimes), weather: named[world.Weather](world.NumWeathers),
		motion: named[world.Motion](world.NumMotions), camera: named[world.Camera](world.NumCameras), relation: named[world.Relation](world.NumRelations),
	} {
		for i, v := range list {
			all[strings.ReplaceAll(v.String(), " ", "-")] = meaning{kind: k, value: uint8(i)}
		}
	}
	for n := 1; n <= world.MaxCount; n++ {
		all[strconv.Itoa(n)] = meaning{kind: count, value: uint8(n)}
	}
	return all
}

func named[T interface {
	~uint8
	fmt.Stringer
}](n int,
) []fmt.Stringer {
	list := make([]fmt.Stringer, n)
	for i := range list {
		list[i] = T(i)
	}
	return list
}

// lexicons are the words of each language: those of the table, and all that the
// storybook's captions use for a value.
var lexicons = sync.OnceValue(func() *[world.NumLangs]lexicon {
	all, err := readTable(wordTable)
	if err != nil {
		panic(err) // the table is part of the program
	}
	kinds := map[string]kind{
		"subjects": subject, "colors": color, "sizes": size, "counts": count, "places": place, "times": daytime, "weather": weather,
		"motions": motion, "camera": camera,
	}
	for _, k := range world.Newest.Vocabulary() {
		of, ok := kinds[k.Name]
		for i, v := range k.Values {
			if !ok || of == count && i == 0 { // the table has the relations, and an article is no number
				continue
			}
			m := meaning{kind: of, value: uint8(i)}
			switch {
			case of == count:
				m.value++
			case of == motion && i <= int(world.MoveRight):
				m.value = going // but for the sides, which the table has
			}
			for lang := range all {
				for _, w := range v.Words[world.Lang(lang).String()] {
					all[lang].add(world.Lang(lang), strings.Trim(w, "[]"), []meaning{m})
				}
			}
		}
	}
	return all
})

// readTable reads the table of words.
func readTable(table string) (*[world.NumLangs]lexicon, error) {
	all := &[world.NumLangs]lexicon{}
	for lang := range all {
		all[lang] = lexicon{exact: map[string][]meaning{}, stems: map[string][]meaning{}}
	}
	known := meanings()
	lang := world.En
	line := 0
	for text := range strings.Lines(table) {
		line++
		switch text = strings.TrimSpace(text); {
		case text == "" || text[0] == '#':
			continue
		case text[0] == '[':
			if err := lang.UnmarshalText([]byte(strings.Trim(text, "[]"))); err != nil {
				return nil, fmt.Errorf("words, line %d: %w", line, err)
			}
			continue
		}
		words, says, _ := strings.Cut(text, " = ")
		var means []meaning
		for _, name := range strings.Fields(says) {
			m, ok := known[strings.TrimLeft(name, "~?")]
			if !ok {
				return nil, fmt.Errorf("words, line %d: %q is nothing that a scene has", line, name)
			}
			m.weak, m.implied = name[0] == '~', name[0] == '?'
			means = append(means, m)
		}
		for w := range strings.SplitSeq(words, ",") {
			all[lang].add(lang, strings.TrimSpace(w), means)
		}
	}
	return all, nil
}

// add adds a word or phrase, unless it is there.
func (l *lexicon) add(lang world.Lang, phrase string, means []meaning) {
	words := split(lang, phrase)
	if len(words) == 0 {
		return
	}
	exact, stems := keys(lang, words)
	if _, taken := l.exact[exact]; !taken {
		l.exact[exact] = means
	}
	if _, taken := l.stems[stems]; !taken {
		l.stems[stems] = means
	}
	l.longest = max(l.longest, len(words))
}

// find returns what a phrase means, as it is written or else by its stems.
func (l *lexicon) find(lang world.Lang, words []string) []meaning {
	exact, stems := keys(lang, words)
	if m, ok := l.exact[exact]; ok {
		return m
	}
	if m, ok := l.stems[stems]; ok || lang != world.Ar {
		return m
	}
	for _, p := range []string{"و", "ب", "ل", "ف"} { // and, with, to, then
		if rest, ok := strings.CutPrefix(words[0], p); ok && len([]rune(rest)) >= 3 {
			return l.find(lang, append([]string{rest}, words[1:]...))
		}
	}
	return nil
}

// keys returns how a phrase is looked up.
func keys(lang world.Lang, words []string) (exact, stems string) {
	sep := " "
	if lang == world.Zh {
		sep = ""
	}
	exact = strings.Join(words, sep)
	bare := make([]string, len(words))
	for i, w := range words {
		bare[i] = stem(lang, w)
	}
	return exact, strings.Join(bare, sep)
}

// split cuts a text into folded words; Chinese into characters.
func split(lang world.Lang, text string) []string {
	var words []string
	for _, w := range world.Words(text) {
		if lang == world.Zh {
			for _, c := range w {
				words = append(words, string(c))
			}
			continue
		}
		words = append(words, world.Fold(w))
	}
	return words
}

// stem removes the endings of English words, and the prefixes of Arabic ones, that
// say nothing of what is meant. It need not give a word, only the same for all
// forms of most.
func stem(lang world.Lang, w string) string {
	switch lang {
	case world.En:
		return stemEn(w)
	case world.Ar:
		return stemAr(w)
	}
	return w
}

func stemEn(w string) string {
	if len(w) <= 3 {
		return w
	}
	switch {
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		w = w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "ing") && len(w) > 5:
		w = w[:len(w)-3]
	case strings.HasSuffix(w, "ed") && len(w) > 4:
		w = w[:len(w)-2]
	case strings.HasSuffix(w, "es") && len(w) > 4 && strings.ContainsAny(w[len(w)-3:len(w)-2], "shxo"):
		w = w[:len(w)-2]
	case strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us"):
		w = w[:len(w)-1]
	}
	if n := len(w); n > 3 && w[n-1] == w[n-2] && !strings.ContainsAny(w[n-1:], "lse") { // running
		w = w[:n-1]
	}
	return strings.TrimSuffix(w, "e")
}

// joinedAr are written together with the word that follows them.
var joinedAr = []string{"وال", "بال", "كال", "فال", "لل", "ال"}

func stemAr(w string) string {
	for _, p := range joinedAr {
		if rest, ok := strings.CutPrefix(w, p); ok && len([]rune(rest)) >= 3 {
			w = rest
			break
		}
	}
	for _, end := range []string{"ه", "ي"} { // the feminine, and "my"
		if rest, ok := strings.CutSuffix(w, end); ok && len([]rune(rest)) >= 3 {
			return strings.TrimSuffix(rest, "ت")
		}
	}
	return w
}

// plural says whether an English noun that is listed in the singular is written
// in the plural.
func plural(words []string) bool {
	last := words[len(words)-1]
	return len(last) > 3 && strings.HasSuffix(last, "s") && !strings.HasSuffix(last, "ss") && !slices.Contains([]string{"bus", "octopus", "canvas", "walrus", "rhinoceros", "hippopotamus", "pegasus", "santa claus", "claus", "clothes"}, last)
}
