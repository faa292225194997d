package world

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestTellIsHalfCanonical: what was learned stays, and there is more.
func TestTellIsHalfCanonical(t *testing.T) {
	const n = 3000
	for lang := range Lang(NumLangs) {
		same, stops := 0, 0
		seen := map[string]bool{}
		for i := range uint64(n) {
			s := Sample(i, SampleOptions{Everyday: true})
			text := s.Tell(lang, i)
			if again := s.Tell(lang, i); again != text {
				t.Fatalf("%v: variant %d changes", lang, i)
			}
			if text == s.caption(lang, i, true) {
				same++
			}
			if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "。") {
				stops++
			}
			seen[text] = true
			if strings.ContainsAny(text, "@|~#") || strings.Contains(text, "  ") || strings.TrimSpace(text) != text {
				t.Errorf("%v: %q", lang, text)
			}
		}
		if share := float64(same) / n; share < 0.44 || share > 0.56 {
			t.Errorf("%v: %.0f %% are as Caption tells", lang, 100*share)
		}
		if stops < n/3 || stops > n*9/10 || len(seen) < n*95/100 {
			t.Errorf("%v: of %d captions %d end with a stop, %d differ", lang, n, stops, len(seen))
		}
	}
}

var vocabulary = sync.OnceValue(Newest.Vocabulary)

// allGoingEn are all verbs of getting along.
func allGoingEn() (all []string) {
	for _, list := range goingEn {
		all = append(all, list...)
	}
	for _, list := range moreGoingEn {
		all = append(all, list...)
	}
	return all
}

// ofValue are the words of a value of the vocabulary in a language.
func ofValue(kind, value string, lang Lang) []string {
	for _, k := range vocabulary() {
		for _, v := range k.Values {
			if k.Name == kind && v.Name == value {
				return v.Words[lang.String()]
			}
		}
	}
	return nil
}

// TestEverydayWordsMeanWhatIsDrawn: a caption tells its subject and its colour,
// and no other; a kitten is small, a ship is not.
func TestEverydayWordsMeanWhatIsDrawn(t *testing.T) {
	sized := map[string]Size{"kitten": Small, "puppy": Small, "kid": Small, "child": Small, "小猫": Small, "小狗": Small, "جرو": Small, "هريرة": Small}
	told := map[string]int{}
	for i := range uint64(3000) {
		s := Sample(i, SampleOptions{Simple: true, Everyday: true})
		a := s.Actors[0]
		for lang := range Lang(NumLangs) {
			text := strings.ToLower(s.Tell(lang, i))
			words := splitWords(text)
			has := func(kind, value string) bool {
				return slices.ContainsFunc(ofValue(kind, value, lang), func(w string) bool {
					if lang == Zh {
						return strings.Contains(text, w)
					}
					return strings.Contains(" "+strings.Join(words, " ")+" ", " "+strings.Join(splitWords(w), " ")+" ")
				})
			}
			if !has("subjects", a.Subject.String()) {
				t.Errorf("%v: %q does not tell of a %v", lang, text, a.Subject)
			}
			if lang == En && !has("colors", a.Color.String()) {
				t.Errorf("%q does not tell of %v", text, a.Color)
			}
			for _, w := range words {
				if size, ok := sized[w]; ok {
					if told[w]++; size != a.Size {
						t.Errorf("%q is told of a %v %v", text, a.Size, a.Subject)
					}
				}
				if (w == "ship" || w == "سفينة") && a.Size == Small {
					t.Errorf("%q is told of a small boat", text)
				}
			}
			for c := range Color(NumColors) {
				if lang == En && c != a.Color && slices.Contains(words, c.String()) && !strings.Contains(text, "green field") && !strings.Contains(text, "blue sky") && !strings.Contains(text, "white clouds") {
					t.Errorf("%q tells of %v, and the %v is %v", text, c, a.Subject, a.Color)
				}
			}
		}
	}
	if told["kitten"] < 20 || told["puppy"] < 20 || told["جرو"] < 5 {
		t.Errorf("words for what is small: %v", told)
	}
}

// TestEverydayPrompts: sentences as people write them have known words alone.
func TestEverydayPrompts(t *testing.T) {
	for _, prompt := range []string{
		"A small brown dog is running along the beach while the sun goes down; the camera follows it.",
		"a man walks through the city at night in the rain", "two kittens sitting in the grass", "A huge black ship sails over the sea at dawn",
		"cloudy day, gray car driving down the road", "someone swims in the ocean in the evening", "a woman in a black dress strolls past the houses",
		"a girl climbs a mountain", "a golden bird flies across the sky on a sunny day", "a boy jumps over a little crimson ball",
		"一只棕色的小狗在海边奔跑，太阳下山了，镜头跟着它。", "一个女孩在公园里散步，阳光明媚", "一艘黑色的大船在海上航行，黎明",
		"رجل يمشي في الشارع ليلا", "سفينة سوداء تبحر عند الفجر", "جرو بني صغير يجري على طول الشاطئ والشمس تغرب، والكاميرا تتبعه.",
	} {
		if got := Newest.UnknownWords(prompt); got != nil {
			t.Errorf("%q: unknown %q", prompt, got)
		}
	}
}

func TestVerbForm(t *testing.T) {
	for _, tt := range []struct {
		phrase string
		as     form
		want   string
	}{
		{"run", ing, "running"},
		{"fly up", third, "flies up"},
		{"drive", isIng, "is driving"},
		{"go up", third, "goes up"},
		{"do not move", plain, "do not move"},
		{"do not move", third, "does not move"},
		{"do not move", areIng, "are resting"},
		{"be parked", third, "is parked"},
		{"be parked", ing, "parked"},
		{"be parked", areIng, "are parked"},
		{"be parked", plain, "are parked"},
		{"lie still", isIng, "is lying still"},
		{"approach the camera", third, "approaches the camera"},
		{"dash", third, "dashes"},
		{"stay still", third, "stays still"},
		{"hurry", third, "hurries"},
	} {
		if got := verbForm(tt.phrase, tt.as); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.phrase, got, tt.want)
		}
	}
}
