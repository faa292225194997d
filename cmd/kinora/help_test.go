package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/model/reel"
)

// TestExamplesKnown: the prompts that help and documents show have no word that
// reel was never taught, so that who tries them gets what they say. What is said
// with --expand may be anything.
func TestExamplesKnown(t *testing.T) {
	texts := map[string]string{"help": about + GenerateCmd{}.Help() + ServeCmd{}.Help()}
	pages, err := filepath.Glob("../../docs/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(pages, "../../README.md", "../../example_test.go") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	m, err := reel.Open(reel.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	embedded, prompts := m.Storybook, 0
	for where, text := range texts {
		for _, p := range examplePrompt.FindAllStringSubmatch(text, -1) {
			prompts++
			if p[2] != "" {
				continue
			}
			if words := embedded.UnknownWords(p[1]); len(words) > 0 {
				t.Errorf("%s: %q has words that reel was never taught: %s", where, p[1], strings.Join(words, ", "))
			}
		}
	}
	if prompts < 20 {
		t.Fatalf("found only %d prompts", prompts)
	}
}

// examplePrompt finds the prompts of commands, of requests and Go code, where
// they are of several words, and of the API's description.
var examplePrompt = regexp.MustCompile(`(?:kinora generate |[Pp]rompt"?[=:]\s*|--prompt |"examples": \[\s*)"([^"]*[ \p{Han}][^"]*)"( --expand)?`)
