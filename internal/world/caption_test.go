package world

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
)

// manyScenes is enough scenes and phrasings to have every word in them.
const manyScenes = 24000

// captionWords are the words of many captions of an edition.
func captionWords(e Edition) [NumLangs]map[string]bool {
	used := [NumLangs]map[string]bool{{}, {}, {}}
	everyday := e >= EverydayEdition
	for i := range uint64(manyScenes) {
		s := Sample(i, SampleOptions{Split: Split(i % 2), Everyday: everyday && i%2 == 0})
		if i%3 == 0 {
			s = anyScene(i, everyday)
		}
		for lang := range Lang(NumLangs) {
			text := s.Caption(lang, i*7)
			if everyday {
				text += "\n" + s.Tell(lang, i)
			}
			for _, w := range splitWords(text) {
				if scriptOf([]rune(w)[0]) == 1 {
					used[En][strings.ToLower(w)] = true
				} else {
					used[lang][w] = true
				}
			}
		}
	}
	if everyday {
		for _, phrase := range allGoingEn() { // some forms of some verbs are rare
			for as := range areIng {
				for _, w := range splitWords(verbForm(phrase, as)) {
					used[En][w] = true
				}
			}
		}
	}
	return used
}

// TestLexicon keeps the word lists and the captions of each edition in
// agreement, both ways.
func TestLexicon(t *testing.T) {
	var before [NumLangs]map[string]bool
	for e := FirstEdition; e <= Newest; e++ {
		used := captionWords(e)
		if os.Getenv("KINORA_UPDATE") != "" {
			for _, lang := range []Lang{En, Ar} {
				var list []string
				for w := range used[lang] {
					if !before[lang][w] {
						list = append(list, w)
					}
				}
				sort.Strings(list)
				if err := os.WriteFile(fmt.Sprintf("lexicon/%v.%d.txt", lang, e), []byte(strings.Join(list, "\n")+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before = used
			continue
		}
		for lang := range Lang(NumLangs) {
			told := map[string]bool{}
			for w := range used[lang] {
				if u := e.unknownIn(w); len(u) > 0 {
					t.Fatalf("edition %d, %v: caption word %q is not in the list: %q", e, lang, w, u)
				}
				if lang == Zh {
					words, _ := e.lexicon(Zh).segment([]rune(w))
					for _, k := range words {
						told[k] = true
					}
				}
			}
			if lang != Zh {
				told = used[lang]
			}
			for _, w := range e.Lexicon(lang) {
				if !told[w] {
					t.Errorf("edition %d, %v: no caption uses %q", e, lang, w)
				}
			}
		}
	}
	if before[En] != nil {
		t.Skip("word lists written; run again without KINORA_UPDATE")
	}
}

// anyScene is a valid scene that need not be one that [Sample] would draw.
func anyScene(seed uint64, everyday bool) Scene {
	r := newRNG(seed, "any")
	s := Sample(seed, SampleOptions{Everyday: everyday})
	for len(s.Actors) < 1+r.intn(2) {
		s.Actors = append(s.Actors, drawActor(r, SampleOptions{Everyday: everyday}))
	}
	for i := range s.Actors {
		s.Actors[i].Count = 1 + r.intn(MaxCount)
	}
	if len(s.Actors) == 2 {
		s.Relation = Relation(1 + r.intn(NumRelations-1))
	}
	s.Weather = Weather(r.intn(NumWeathers))
	return s
}

// tells reports whether a caption has any of the phrases.
func tells(text string, phrases []string) bool {
	for _, p := range phrases {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// phrases are all ways to tell each attribute of a one-actor scene in a
// language, for the test to look for.
func phrases(s Scene, lang Lang) map[string][]string {
	a := s.Actors[0]
	var p map[string][]string
	switch lang {
	case En:
		p = map[string][]string{
			"color": {a.Color.String()}, "size": sizesEn[a.Size], "place": placesEn[s.Place], "time": timesEn[s.Time],
			"weather": weathersEn[s.Weather], "camera": camerasEn[s.Camera],
		}
		for _, n := range nounsEn[a.Subject] {
			p["subject"] = append(p["subject"], n[min(a.Count-1, 1)])
		}
	case Zh:
		p = map[string][]string{
			"color": append([]string{shortZh[a.Color]}, colorsZh[a.Color]...), "size": sizesZh[a.Size], "place": placesZh[s.Place],
			"time": timesZh[s.Time], "weather": weathersZh[s.Weather], "camera": append([]string{"[" + commandsZh[s.Camera] + "]"}, camerasZh[s.Camera]...),
			"subject": nounsZh[a.Subject].names,
		}
	case Ar:
		c := colorsAr[a.Color]
		p = map[string][]string{
			"color": {c.m, c.f, c.m2, c.f2}, "place": placesAr[s.Place], "time": timesAr[s.Time],
			"weather": weathersAr[s.Weather], "camera": camerasAr[s.Camera], "size": {manyPeopleAr[a.Size]},
		}
		for _, x := range sizesAr[a.Size] {
			p["size"] = append(p["size"], x.m, x.f, x.m2, x.f2)
		}
		for _, n := range nounsAr[a.Subject] {
			p["subject"] = append(p["subject"], [MaxCount + 1]string{"", n.one, n.two, n.three}[a.Count])
		}
	}
	for _, c := range commands[s.Camera] {
		p["camera"] = append(p["camera"], "["+c+"]")
	}
	return p
}

// TestCaptionsTellTheTruth finds subject and colour in every caption, every
// attribute in about three of four, and never a value that is not the scene's.
func TestCaptionsTellTheTruth(t *testing.T) {
	const n = 4000
	for lang := range Lang(NumLangs) {
		complete := 0
		for i := range uint64(n) {
			s := Sample(i, SampleOptions{Simple: true})
			text := s.Caption(lang, i)
			lower := text
			if lang == En {
				lower = strings.ToLower(text[:1]) + text[1:]
				lower = strings.ReplaceAll(lower, ". T", ". t")
			}
			all := true
			for what, list := range phrases(s, lang) {
				told := tells(lower, list) || tells(strings.ToLower(lower), list)
				if !told && (what == "subject" || what == "color") {
					t.Errorf("%v: %q does not tell the %s of %v", lang, text, what, s.Labels())
				}
				if what == "weather" && (s.Place == Space || s.Place == Underwater) {
					told = true
				}
				all = all && told
			}
			if all {
				complete++
			}
			for c := range Color(NumColors) {
				if lang == En && c != s.Actors[0].Color && strings.Contains(strings.ToLower(text), " "+c.String()+" ") {
					t.Errorf("%q tells of %v", text, c)
				}
			}
		}
		if share := float64(complete) / n; share < 0.70 || share > 0.85 {
			t.Errorf("%v: %.0f %% of the captions tell everything", lang, 100*share)
		}
	}
}

// TestCaptionVariety counts how many ways there are to tell of one scene.
func TestCaptionVariety(t *testing.T) {
	s := Sample(5, SampleOptions{Simple: true})
	for lang := range Lang(NumLangs) {
		seen := map[string]bool{}
		for v := range uint64(1000) {
			caption := s.Caption(lang, v)
			seen[caption] = true
			if again := s.Caption(lang, v); again != caption {
				t.Fatalf("%v: variant %d changes", lang, v)
			}
		}
		if len(seen) < 500 {
			t.Errorf("%v: only %d different captions in 1000", lang, len(seen))
		}
	}
}

func TestUnknownWords(t *testing.T) {
	for prompt, want := range map[string][]string{
		"A red cat walks left. [Pan left]":        nil,
		"a RED dragon breathes fire; the dragon":  {"dragon", "breathes", "fire"},
		"一只红色的猫在草地上走":                             nil,
		"一只红色的恐龙在草地上走":                            {"恐龙"},
		"قطة حمراء تسير إلى اليسار":               nil,
		"وقطة حمراء والقطة":                       nil,
		"تنين أحمر يطير":                          {"تنين"},
		"a cat и собака 猫, dog's":                 {"и", "собака"},
		"":                                        nil,
		"!!! … ° ™ 🎈":                             {"🎈"},
		"medium-sized":                            nil,
		"[Truck left] a truck [Pedestal":          {"truck", "Pedestal"},
		string([]byte{0xff, 0xfe, 'c', 'a', 't'}): nil,
		"cat\x00unicorn":                          {"unicorn"},
	} {
		got := Newest.UnknownWords(prompt)
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q: unknown %q, want %q", prompt, got, want)
		}
	}
}
