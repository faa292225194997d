package main

import (
	"fmt"
	"strings"

	"github.com/kinora-video/kinora/internal/world"
)

// maxWord is how many characters of a word a note repeats.
const maxWord = 30

// wordNotes says which words of a prompt the embedded model was never taught,
// and what it was.
func wordNotes(prompt string) []string {
	unknown := world.UnknownWords(prompt)
	if len(unknown) == 0 {
		return nil
	}
	const most = 12
	more := ""
	if n := len(unknown) - most; n > 0 {
		unknown, more = unknown[:most], fmt.Sprintf(" and %d more", n)
	}
	for i, word := range unknown {
		if r := []rune(word); len(r) > maxWord {
			unknown[i] = string(r[:maxWord]) + "…"
		}
	}
	return []string{
		fmt.Sprintf("reel was never taught %s%s: there will be a video, but not of that", strings.Join(unknown, ", "), more),
		"what it knows: " + strings.Join(known(), "; "),
	}
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
