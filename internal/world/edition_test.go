package world

import (
	"slices"
	"strings"
	"testing"
)

// TestEditions: words of each kind that the storybook has gained are known in
// their edition. The previous edition does not know them, and names the nearest
// word that it knows.
func TestEditions(t *testing.T) {
	for word, near := range map[string]string{
		"black": "blue", "grey": "white", "gray": "white", "brown": "orange", "crimson": "red", "golden": "yellow", // colours
		"kitty": "cat", "kitties": "cat", "ships": "boat", "woman": "person", "boys": "child", "taxi": "car", // subjects
		"enormous": "large", "couple": "two", "park": "meadow", "seaside": "beach", "stars": "space", // sizes, counts, places
		"morning": "day", "dawn": "sunset", "midnight": "night", "cloudy": "clear", "snowfall": "snow", // hours, weather
		"stroll": "walk", "strolls": "walk", "strolling": "walk", "running": "run", "swimming": "swim", "hovering": "fly", "jogs": "walk", // motions
		"黑色": "蓝色", "一只黑": "蓝色", "男孩": "孩子", "公园": "草地", "散步": "走", "下午": "白天",
		"أسود": "أزرق", "هريرة": "قطة", "بجرو": "كلب", "يمشي": "يسير", "الفجر": "الغروب",
		// What neither knows stands in for a word of the second: charcoal for black.
		"charcoal": "blue", "beige": "orange", "ash": "white", "tiger": "cat", "老虎": "猫", "نمر": "قطة", "buterfly": "butterfly", "dragon": "",
		"strol": "", "crimsom": "", "puppys": "puppy", "kittns": "kittens",
	} {
		if got := FirstEdition.Nearest(word); got != near {
			t.Errorf("in the first edition %q is nearest to %q, want %q", word, got, near)
		}
		if near != "" && FirstEdition.UnknownWords(near) != nil {
			t.Errorf("the first edition does not know %q, which is near %q", near, word)
		}
	}
	for _, word := range strings.Fields("black grey brown crimson kitty ship woman enormous couple park morning dawn cloudy stroll strolling 黑色 男孩 散步 أسود يمشي هريرة") {
		if got := FirstEdition.UnknownWords(word); len(got) == 0 {
			t.Errorf("the first edition knows %q", word)
		}
		if got := EverydayEdition.UnknownWords(word); got != nil {
			t.Errorf("the second edition does not know %q", word)
		}
	}
	const prompt = "A small red kitten walks on a beach at sunset."
	if got := FirstEdition.UnknownWords(prompt); got != nil {
		t.Errorf("the first edition does not know %q", got)
	}
	if got := NoEdition.UnknownWords("a cat, 猫"); !slices.Equal(got, []string{"a", "cat", "猫"}) || NoEdition.Nearest("tiger") != "" {
		t.Errorf("a model that was taught nothing does not know %q, and what is near a tiger", got)
	}
	if got := (Newest + 7).UnknownWords("a black cat with a hat"); !slices.Equal(got, []string{"hat"}) {
		t.Errorf("weights of a later storybook do not know %q", got)
	}
}

// TestFirstTable: each line begins with a word of the first edition; its other
// words came with the second.
func TestFirstTable(t *testing.T) {
	for line := range strings.Lines(firstTable) {
		for i, w := range strings.Fields(line) {
			if known := FirstEdition.UnknownWords(w) == nil; known != (i == 0) {
				t.Errorf("%q of the line of %q: the first edition knows it: %v", w, strings.Fields(line)[0], known)
			}
			if got := EverydayEdition.UnknownWords(w); got != nil {
				t.Errorf("%q of the line of %q is in neither edition", w, strings.Fields(line)[0])
			}
		}
	}
}

// TestRelatedWordsAreKnown: the word nearest to another is known in the same
// edition.
func TestRelatedWordsAreKnown(t *testing.T) {
	for e, near := range related() {
		for word, to := range near {
			if Edition(e).UnknownWords(to) != nil || Edition(e).UnknownWords(word) == nil {
				t.Errorf("edition %d: %q for %q", e, to, word)
			}
		}
	}
	if len(related()[FirstEdition]) <= len(related()[EverydayEdition]) {
		t.Errorf("the first edition has %d words that are near known ones, the second %d", len(related()[FirstEdition]), len(related()[EverydayEdition]))
	}
}
