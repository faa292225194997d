package service

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/engine"
)

// reel is what the model inside the program can do.
func reel(t testing.TB) kinora.Capabilities {
	t.Helper()
	can, err := kinora.CapabilitiesOf("reel")
	if err != nil {
		t.Fatal(err)
	}
	return can
}

// TestCameraOfAnotherModel: a command stays as it is for a model that knows it, and
// goes, with a note, for one that knows none like it.
func TestCameraOfAnotherModel(t *testing.T) {
	can := kinora.Capabilities{Name: "other", Prompt: engine.Prompt{Camera: []string{"[Truck left]", "[Pan left]", "[Shake]"}}}
	c := ParseCamera("[truck left] a cat [Shake] runs [Zoom in].", can)
	if c.Prompt != "[Truck left] a cat [Shake] runs." || len(c.Notes) != 2 || c.Notes[0] != "[Zoom in] was left out: other knows no such camera move" {
		t.Errorf("%q, notes %q", c.Prompt, c.Notes)
	}
}

// TestEveryMoveOfReel: each of its commands is one that customers can write.
func TestEveryMoveOfReel(t *testing.T) {
	can := reel(t)
	for _, command := range can.Prompt.Camera {
		if c := ParseCamera(command, can); c.Prompt != command {
			t.Errorf("%s became %q", command, c.Prompt)
		}
	}
}

// TestNoModelDoesMore: what the APIs refuse for all models is what none can do.
func TestNoModelDoesMore(t *testing.T) {
	for _, name := range kinora.Inside() {
		c, err := kinora.CapabilitiesOf(name)
		if err != nil {
			t.Fatal(err)
		}
		if c.LastFrame || c.References != (engine.ReferenceLimits{}) {
			t.Errorf("%s takes a last frame or references, which %q and %q deny", name, NoLastFrame, NoReference)
		}
	}
}

func TestCamera(t *testing.T) {
	for _, tt := range []struct {
		in, out string
		moves   [][]string
		notes   int
	}{
		{"a cat", "a cat", nil, 0},
		{"[Truck left] a cat", "[Pan left] a cat", [][]string{{"Pan left"}}, 0},
		{"a cat [truck RIGHT].", "a cat [Pan right].", [][]string{{"Pan right"}}, 0},
		{"[Pan left]", "[Pan left]", [][]string{{"Pan left"}}, 0},
		{"[Pan right]", "[Pan right]", [][]string{{"Pan right"}}, 0},
		{"[Push in]", "[Zoom in]", [][]string{{"Zoom in"}}, 0},
		{"[Pull out]", "[Zoom out]", [][]string{{"Zoom out"}}, 0},
		{"[Push out]", "[Zoom out]", [][]string{{"Zoom out"}}, 0},
		{"[Pedestal up]", "[Tilt up]", [][]string{{"Tilt up"}}, 0},
		{"[Pedestal down]", "[Tilt down]", [][]string{{"Tilt down"}}, 0},
		{"[Tilt up]", "[Tilt up]", [][]string{{"Tilt up"}}, 0},
		{"[Tilt down]", "[Tilt down]", [][]string{{"Tilt down"}}, 0},
		{"[Zoom in]", "[Zoom in]", [][]string{{"Zoom in"}}, 0},
		{"[Zoom out]", "[Zoom out]", [][]string{{"Zoom out"}}, 0},
		{"[Static shot]", "[Static shot]", [][]string{{"Static shot"}}, 0},
		{"a cat [Shake] runs", "a cat runs", nil, 1},
		{"a cat runs [Tracking shot].", "a cat runs.", nil, 1},
		{"[Shake]", "", nil, 1},
		// At once in one bracket, one after the other in several.
		{"[Truck left, Pedestal up] a cat", "[Pan left, Tilt up] a cat", [][]string{{"Pan left", "Tilt up"}}, 1},
		{"[Push in] a cat [Pan left]", "[Zoom in] a cat [Pan left]", [][]string{{"Zoom in"}, {"Pan left"}}, 1},
		{"[Pan left,Shake]", "[Pan left]", [][]string{{"Pan left"}}, 1},
		{"[Pan left, Truck left]", "[Pan left]", [][]string{{"Pan left"}}, 0},
		{"[ pan   left ，zoom in ]", "[Pan left, Zoom in]", [][]string{{"Pan left", "Zoom in"}}, 1},
		// What is no command stays.
		{"a sign [open] and [x, y]", "a sign [open] and [x, y]", nil, 0},
		{"[Pan left, slowly] a cat", "[Pan left] slowly a cat", [][]string{{"Pan left"}}, 1},
		{"a [b [Pan left] c", "a [b [Pan left] c", [][]string{{"Pan left"}}, 0},
		{"[] [,] ] [", "[] [,] ] [", nil, 0},
		{"猫[Truck left]跑", "猫[Pan left]跑", [][]string{{"Pan left"}}, 0},
	} {
		c := ParseCamera(tt.in, reel(t))
		if c.Prompt != tt.out || len(c.Notes) != tt.notes {
			t.Errorf("%q: got %q with the notes %q, want %q with %d", tt.in, c.Prompt, c.Notes, tt.out, tt.notes)
		}
		if d := cmp.Diff(tt.moves, c.Moves); d != "" {
			t.Errorf("%q: moves (-want +got)\n%s", tt.in, d)
		}
	}
}

func TestKeepMoves(t *testing.T) {
	got := keepMoves("a cat runs [Zoom in]", [][]string{{"Zoom in"}, {"Pan left", "Tilt up"}})
	if want := "a cat runs [Zoom in] [Pan left, Tilt up]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzCamera: no panic; only moves that the model knows, and without brackets
// nothing changes.
func FuzzCamera(f *testing.F) {
	for _, s := range []string{"a cat", "[Truck left] a [Shake] cat [x, Pan left]", "[[Pan left]]", "[", "]", "[，,]", "[Static]", "a [Shake][Shake] b"} {
		f.Add(s)
	}
	can := reel(f)
	f.Fuzz(func(t *testing.T, s string) {
		c := ParseCamera(s, can)
		if !strings.Contains(s, "[") && c.Prompt != s {
			t.Errorf("%q became %q", s, c.Prompt)
		}
		for _, group := range c.Moves {
			for _, m := range group {
				if !slices.Contains(can.Prompt.Camera, "["+m+"]") {
					t.Errorf("%q: a move %q", s, m)
				}
			}
		}
		if len(c.Prompt) > len(s)+len("Static shot")*strings.Count(s, "[")+strings.Count(s, ",")*2 {
			t.Errorf("%q grew to %q", s, c.Prompt)
		}
	})
}
