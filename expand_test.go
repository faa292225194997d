package kinora

import (
	"strings"
	"testing"
)

// TestExpand: a prompt for reel becomes a sentence that reel can draw, a narration
// speaks what was written, and a model that reads any words refuses.
func TestExpand(t *testing.T) {
	reel, err := CapabilitiesOf("reel")
	if err != nil {
		t.Fatal(err)
	}
	const storm, drawn = "my kitten is scared of the storm", "A small orange kitten stays still in a meadow in the rain."
	r := Request{Prompt: storm, Expand: true, Narration: &Narration{}}
	asked := r.Narration
	if err := r.Check(reel); err != nil {
		t.Fatal(err)
	}
	r.expand(reel)
	if r.Prompt != drawn || r.Narration.Text != storm || asked.Text != "" {
		t.Errorf("drawn is %q, and spoken %q; the caller's narration has %q", r.Prompt, r.Narration.Text, asked.Text)
	}
	if got := reel.PromptNotes(r.Prompt); got != nil {
		t.Errorf("%q: %q", r.Prompt, got)
	}
	for prompt, want := range map[string]bool{storm: true, "a red cat bounces on a beach at sunset": false, "xyzzy": false, "": false} {
		if got, changed, ok := reel.Expand(prompt); !ok || changed != want || (got != prompt) != want {
			t.Errorf("%q becomes %q: changed %v, ok %v", prompt, got, changed, ok)
		}
	}
	card, err := CapabilitiesOf("testcard")
	if err != nil {
		t.Fatal(err)
	}
	r = Request{Prompt: storm, Expand: true}
	if err := r.Check(card); KindOf(err) != Unsupported || !strings.Contains(err.Error(), "a model that can: reel") {
		t.Errorf("the test card: %v", err)
	}
	if _, _, ok := card.Expand(storm); ok {
		t.Error("the test card expands")
	}
}
