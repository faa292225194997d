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
// its own come nearest to them, and which things it knows, in sentences for whoever wrote the prompt: the model makes a video
// all the same, and it shows something else. It is nil where there is nothing to
// say, and for a model whose words are not known.
func (i Info) PromptNotes(prompt string) []string {
	if !i.storybook {
		return nil
	}
	unknown := world.UnknownWords(prompt)
	if len(unknown) == 0 {
		if strings.TrimSpace(prompt) == "" || strings.IndexFunc(prompt, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) >= 0 {
			return nil
		}
		return []string{
			i.Name + " reads words, and there is none in this prompt: there will be a video, but of nothing in particular",
			"what it knows: " + strings.Join(known(), "; "),
		}
	}
	more := ""
	if n := len(unknown) - maxNotedWords; n > 0 {
		unknown, more = unknown[:maxNotedWords], fmt.Sprintf(" and %d more", n)
	}
	near := nearest(unknown)
	for i, word := range unknown {
		if r := []rune(word); len(r) > maxNotedWord {
			unknown[i] = string(r[:maxNotedWord]) + "…"
		}
	}
	notes := []string{fmt.Sprintf("%s was never taught %s%s: there will be a video, but not of that", i.Name, strings.Join(unknown, ", "), more)}
	if near != "" {
		notes = append(notes, "nearest words that it knows: "+near)
	}
	return append(notes, "what it knows: "+strings.Join(known(), "; "))
}

// nearest lists what comes nearest to each of the words, where something does.
func nearest(words []string) string {
	var list []string
	for _, word := range words {
		if near := world.Nearest(word); near != "" {
			list = append(list, near+" for "+word)
		}
	}
	return strings.Join(list, ", ")
}

// known lists what the storybook shows, a kind of thing after the other.
func known() []string {
	return []string{
		list[world.Subject]("", world.NumSubjects),
		list[world.Color]("", world.NumColors),
		list[world.Place]("places: ", world.NumPlaces),
		list[world.Daytime]("times: ", world.NumDaytimes),
		list[world.Weather]("weather: ", world.NumWeathers),
		list[world.Motion]("moving: ", world.NumMotions),
		list[world.Camera]("camera: ", world.NumCameras),
	}
}

func list[T interface {
	~uint8
	fmt.Stringer
}](title string, n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = T(i).String()
	}
	return title + strings.Join(names, ", ")
}
