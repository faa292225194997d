package kinora

import (
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/grammar"
)

// TestChoiceRequest: a language model is asked with examples, held to the choices,
// and only one of them is taken as its answer.
func TestChoiceRequest(t *testing.T) {
	can, err := CapabilitiesOf("reel")
	if err != nil {
		t.Fatal(err)
	}
	const storm = "my kitten is scared of the storm"
	d := can.Prompt.Words.Draft(storm)
	r := ChoiceRequest(storm, d)
	if n := len(r.Messages); n < 4 || r.Messages[0].Role != System || r.Messages[n-1] != (Message{Role: User, Text: storm}) {
		t.Errorf("asked: %+v", r.Messages)
	}
	g, err := r.Format.grammar()
	if err != nil {
		t.Fatal(err)
	}
	choices := d.Choices()
	for _, text := range []string{choices[0], choices[len(choices)-1]} {
		if ok, err := g.Match(text); !ok || err != nil {
			t.Errorf("%q is not in the grammar: %v", text, err)
		}
		if got, ok := Chosen(d, ChatAnswer{Text: text + "\n", Stop: StopEnd}); !ok || got != text || !strings.Contains(text, "rain") {
			t.Errorf("%q is taken as %q, %v", text, got, ok)
		}
	}
	for _, a := range []ChatAnswer{{Text: choices[0], Stop: StopLength}, {Text: "a dog", Stop: StopEnd}, {}} {
		if got, ok := Chosen(d, a); ok {
			t.Errorf("%+v is taken as %q", a, got)
		}
	}
	if len(r.Format.source) > grammar.MaxText {
		t.Errorf("the grammar has %d bytes", len(r.Format.source))
	}
}
