package kinora

import (
	"strings"
	"testing"
)

// TestPromptNotes: the model inside the binary says which words it was never
// taught; of other models and weights that is not known.
func TestPromptNotes(t *testing.T) {
	m, err := Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	reel := m.Capabilities()
	if got := reel.PromptNotes("a red ball"); got != nil {
		t.Errorf("known words: %q", got)
	}
	for prompt, want := range map[string]string{
		"🐶🚀": "reel was never taught 🐶, 🚀: ", "a red ball 🚀 🚀": "reel was never taught 🚀: ", "👨‍👩‍👧 juggles": "reel was never taught 👨‍👩‍👧, juggles: ",
		"☀️": "reel was never taught ☀: ", "?!…": "reel reads words, and there is none in this prompt", "-": "reel reads words",
	} {
		if got := reel.PromptNotes(prompt); len(got) != 2 || !strings.HasPrefix(got[0], want) || !strings.Contains(got[1], "cat, dog") {
			t.Errorf("%s: %q, want %q", prompt, got, want)
		}
	}
	if got := reel.PromptNotes(" "); got != nil {
		t.Errorf("no prompt at all, but an image: %q", got)
	}
	got := reel.PromptNotes("a red elephant juggles")
	if len(got) != 2 || !strings.HasPrefix(got[0], "reel was never taught elephant, juggles: ") || !strings.Contains(got[1], "cat, dog") {
		t.Errorf("unknown words: %q", got)
	}
	for prompt, want := range map[string]string{
		"a tiger on the beech": "nearest words that it knows: cat for tiger, beach for beech", "一只老虎": "nearest words that it knows: 猫 for 老虎",
		"a dragon and a wolf": "nearest words that it knows: dog for wolf",
	} {
		if got := reel.PromptNotes(prompt); len(got) != 3 || got[1] != want || !strings.HasPrefix(got[2], "what it knows: ") {
			t.Errorf("%s: %q, want %q", prompt, got, want)
		}
	}
	got = reel.PromptNotes(strings.Repeat("x", 40) + " b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 b11 b12 b13")
	if len(got) != 2 || !strings.Contains(got[0], strings.Repeat("x", 30)+"…, b1") || !strings.Contains(got[0], "b11 and 2 more") {
		t.Errorf("many words: %q", got)
	}
	card, err := Open(t.Context(), "testcard")
	if err != nil {
		t.Fatal(err)
	}
	if got := card.Capabilities().PromptNotes("elephant"); got != nil {
		t.Errorf("the test card: %q", got)
	}
	if got := tinyReel(t).Capabilities().PromptNotes("elephant"); got != nil {
		t.Errorf("other weights: %q", got)
	}
}
