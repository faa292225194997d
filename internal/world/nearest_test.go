package world

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"tiger": "cat", "Tigers": "cat", "wolves": "dog", "truck": "car", "lake": "ocean", "beech": "beach", "baech": "beach", "moutain": "mountain",
		"buterfly": "butterfly", "spacehsip": "spaceship", "dragon": "", "trumpet": "", "x": "", "": "", "mouse": "cat", "buses": "car", "bunnies": "cat",
		"puppys": "puppy", "crimsom": "crimson", "strol": "stroll", "rde": "", "juggles": "",
		"老虎": "猫", "一只大老虎": "猫", "湖": "海面", "恐龙": "", "نمر": "قطة", "والنمر": "قطة", "شاحنة": "سيارة", "تنين": "", "فراشه": "فراشة", "собака": "", "🐶": "",
		strings.Repeat("t", 5000): "",
	} {
		if got := Newest.Nearest(word); got != want {
			t.Errorf("%.40q is nearest to %q, want %q", word, got, want)
		}
	}
}

// TestRelatedTable: each line begins with a known word, which the others are not.
func TestRelatedTable(t *testing.T) {
	for line := range strings.Lines(relatedTable) {
		for i, w := range strings.Fields(line) {
			if unknown := len(Newest.UnknownWords(w)) > 0; unknown != (i > 0) {
				t.Errorf("%q of the line of %q: unknown is %v", w, strings.Fields(line)[0], unknown)
			}
		}
	}
}

func TestSlips(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"beech", "beach"}: 1, {"baech", "beach"}: 1, {"cat", ""}: 3, {"", "cat"}: 3, {"kitten", "sitting"}: 3, {"ab", "ba"}: 1, {"猫", "狗"}: 1,
	} {
		if got := slips([]rune(pair[0]), []rune(pair[1])); got != want {
			t.Errorf("%q: %d slips, want %d", pair, got, want)
		}
	}
}
