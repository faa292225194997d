package kinora

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/kinora-video/kinora/internal/world"
)

// Limits of what a note repeats of a prompt.
const (
	maxNotedWord  = 30 // characters of a word
	maxNotedWords = 12
)

// PromptNotes says which words of a prompt the model was never taught, which of
// its own come nearest to them, and which things it knows, in sentences for whoever
// wrote the prompt: the model makes a video all the same, and it shows something
// else. It is nil where there is nothing to
// say, and for a model whose words are not known.
func (i Info) PromptNotes(prompt string) []string {
	if i.storybook == world.NoEdition {
		return nil
	}
	unknown := i.storybook.UnknownWords(prompt)
	if len(unknown) == 0 {
		if strings.TrimSpace(prompt) == "" || strings.IndexFunc(prompt, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) >= 0 {
			return nil
		}
		return []string{
			i.Name + " reads words, and there is none in this prompt: there will be a video, but of nothing in particular",
			"what it knows: " + strings.Join(known(i.storybook), "; "),
		}
	}
	more := ""
	if n := len(unknown) - maxNotedWords; n > 0 {
		unknown, more = unknown[:maxNotedWords], fmt.Sprintf(" and %d more", n)
	}
	near := nearest(i.storybook, unknown)
	for i, word := range unknown {
		if r := []rune(word); len(r) > maxNotedWord {
			unknown[i] = string(r[:maxNotedWord]) + "…"
		}
	}
	notes := []string{fmt.Sprintf("%s was never taught %s%s: there will be a video, but not of that", i.Name, strings.Join(unknown, ", "), more)}
	if near != "" {
		notes = append(notes, "nearest words that it knows: "+near)
	}
	return append(notes, "what it knows: "+strings.Join(known(i.storybook), "; "))
}

// nearest lists what comes nearest to each of the words, where something does.
func nearest(e world.Edition, words []string) string {
	var list []string
	for _, word := range words {
		if near := e.Nearest(word); near != "" {
			list = append(list, near+" for "+word)
		}
	}
	return strings.Join(list, ", ")
}

// titles are what stands before a kind of thing, of those that are listed.
var titles = map[string]string{
	"subjects": "", "colors": "", "places": "places: ", "times": "times: ", "weather": "weather: ", "motions": "moving: ", "camera": "camera: ",
}

// known lists what an edition of the storybook shows, a kind of thing after the other.
func known(e world.Edition) []string {
	var all []string
	for _, kind := range e.Vocabulary() {
		title, listed := titles[kind.Name]
		if !listed {
			continue
		}
		var names []string
		for _, v := range kind.Values {
			names = append(names, v.Name)
		}
		all = append(all, title+strings.Join(names, ", "))
	}
	return all
}
