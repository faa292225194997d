package reel

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/world"
)

// TestNotesAreOfWhatWasTaught: words that the storybook gained later are
// unknown to weights of an earlier edition.
func TestNotesAreOfWhatWasTaught(t *testing.T) {
	const prompt = "a black cat strolls in the park"
	got := capabilities(Default(), world.FirstEdition).PromptNotes(prompt)
	want := []string{
		"reel was never taught black, strolls, park: there will be a video, but not of that",
		"nearest words that it knows: blue for black, walk for strolls, meadow for park",
	}
	if len(got) != 3 || !slices.Equal(got[:2], want) || strings.Contains(got[2], "black") || !strings.Contains(got[2], "pink, white;") {
		t.Errorf("the first edition: %q", got)
	}
	second := capabilities(Default(), world.EverydayEdition)
	if got := second.PromptNotes(prompt); got != nil {
		t.Errorf("the second edition: %q", got)
	}
	if got := second.PromptNotes("a hat"); len(got) == 0 || !strings.Contains(got[len(got)-1], "white, black, grey, brown;") {
		t.Errorf("the second edition knows %q", got)
	}
	if got := capabilities(Default(), world.NoEdition).PromptNotes(prompt); got != nil {
		t.Errorf("weights that may know any words: %q", got)
	}
}

// TestEmbeddedEdition: the registry and the opened model agree on the edition
// of the weights inside the binary.
func TestEmbeddedEdition(t *testing.T) {
	e, err := openEngine(t.Context(), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	words, listed := e.Capabilities().Prompt.Words, Spec().Capabilities().Prompt.Words
	if words == nil || listed == nil || !reflect.DeepEqual(words.Topics, listed.Topics) {
		t.Errorf("the weights know %v, and the registry lists %v", words, listed)
	}
}
