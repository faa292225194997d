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

// TestNotices: lines that come while a bar stands on the screen wait for its end.
func TestNotices(t *testing.T) {
	var b strings.Builder
	n := newNotices(&b)
	n.note("one")
	n.hold()
	n.note("two")
	n.note("three")
	if got := b.String(); got != "note: one\n" {
		t.Errorf("while they are held: %q", got)
	}
	n.flush()
	n.note("four")
	if got := b.String(); got != "note: one\nnote: two\nnote: three\nnote: four\n" {
		t.Errorf("in the end: %q", got)
	}
}
