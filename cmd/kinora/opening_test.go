package main

import (
	"strings"
	"testing"

	"github.com/kinora-video/kinora"
)

func TestParseLoRA(t *testing.T) {
	for text, want := range map[string]kinora.LoRA{
		"a.safetensors":             {Path: "a.safetensors", Strength: 1},
		"a.safetensors:0.7":         {Path: "a.safetensors", Strength: 0.7},
		"a.safetensors:-1:high":     {Path: "a.safetensors", Strength: -1, Expert: "high"},
		"a.safetensors:low":         {Path: "a.safetensors", Strength: 1, Expert: "low"},
		`C:\models\a.safetensors`:   {Path: `C:\models\a.safetensors`, Strength: 1},
		`C:\models\a.safetensors:2`: {Path: `C:\models\a.safetensors`, Strength: 2},
		"odd:name":                  {Path: "odd:name", Strength: 1},
	} {
		if got, err := parseLoRA(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":1", ":0.5:low"} {
		if got, err := parseLoRA(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// TestNotices: lines go beside the progress while it stands, and to the terminal
// before and after.
func TestNotices(t *testing.T) {
	var terminal, progress strings.Builder
	n := newNotices(&terminal)
	n.note("one")
	n.to(&lines{w: &progress})
	n.note("two")
	n.to(&terminal)
	n.note("three")
	if terminal.String() != "note: one\nnote: three\n" || progress.String() != "note: two\n" {
		t.Errorf("the terminal has %q, the progress %q", terminal.String(), progress.String())
	}
}
