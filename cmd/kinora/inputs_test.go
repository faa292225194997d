package main

import (
	"testing"

	"github.com/alecthomas/kong"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/engine"
)

// TestPullableFlags: what the catalogue says that models take are flags.
func TestPullableFlags(t *testing.T) {
	for name, e := range catalog.Builtin().Engines {
		for _, o := range e.Options {
			if takes[o] == nil {
				t.Errorf("models of %s are said to take --%s, which is no flag that a model takes", name, o)
			}
		}
	}
}

// TestHiddenFlags: the help shows a flag as soon as one model takes what it gives.
func TestHiddenFlags(t *testing.T) {
	able := kinora.Capabilities{FirstFrame: true, LastFrame: true, Negative: true}
	able.References.Images, able.References.Videos, able.References.Sounds = 1, 1, 1
	able.Extras = engine.Extras{Memory: true, LoRA: true, Decoders: []kinora.Decoder{engine.FullDecoder, engine.TinyDecoder}, StepCache: true}
	for name, tt := range map[string]struct {
		models   []kinora.Capabilities
		pullable []string
		hidden   int
	}{
		"none":              {[]kinora.Capabilities{{}}, nil, 10},
		"one of two":        {[]kinora.Capabilities{{}, able}, nil, 0},
		"first frame":       {[]kinora.Capabilities{{FirstFrame: true}}, nil, 9},
		"a last one too":    {[]kinora.Capabilities{{FirstFrame: true}, {LastFrame: true}}, nil, 8},
		"one to be pulled":  {[]kinora.Capabilities{{FirstFrame: true}}, []string{"lora", "memory"}, 7},
		"what is no choice": {[]kinora.Capabilities{{}}, []string{"seed"}, 10},
	} {
		var c cli
		parser, err := kong.New(&c, helpVars)
		if err != nil {
			t.Fatal(err)
		}
		seen, hidden := 0, 0
		for _, command := range parser.Model.Children {
			if command.Name != "generate" {
				continue
			}
			hideUnable(command.Flags, tt.models, tt.pullable)
			for _, f := range command.Flags {
				if takes[f.Name] != nil {
					seen++
				}
				if f.Hidden {
					hidden++
				}
			}
		}
		if seen != len(takes) || hidden != tt.hidden {
			t.Errorf("%s: of %d flags %d are hidden, want %d", name, seen, hidden, tt.hidden)
		}
	}
}
