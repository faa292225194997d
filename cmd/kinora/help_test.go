package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/world"
)

// TestExamplesKnown: the prompts that help shows have no word that reel was
// never taught, so that who tries them gets what they say.
func TestExamplesKnown(t *testing.T) {
	prompts := regexp.MustCompile(`kinora generate "([^"]+)"`).FindAllStringSubmatch(about+GenerateCmd{}.Help(), -1)
	if len(prompts) < 5 {
		t.Fatalf("found only %d prompts", len(prompts))
	}
	for _, p := range prompts {
		if words := world.UnknownWords(p[1]); len(words) > 0 {
			t.Errorf("%q has words that reel was never taught: %s", p[1], strings.Join(words, ", "))
		}
	}
}
