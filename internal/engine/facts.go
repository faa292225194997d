package engine

import (
	"cmp"
	"fmt"
	"strings"
)

// Fact is one thing that capabilities say, in words: help and documents list them.
type Fact struct{ Name, Text string }

// Facts lists what a model can do. Every model's list has the same names in the
// same order.
func (c Capabilities) Facts() []Fact {
	return []Fact{
		{"size", c.Sizes.String()},
		{"larger sizes", c.Enlarge.String()},
		{"length", c.lengths()},
		{"frames a second", c.rates()},
		{"first frame", yes(c.FirstFrame)},
		{"last frame", yes(c.LastFrame)},
		{"references", c.References.String()},
		{"sound", c.sound()},
		{"steps", orFixed(c.Steps)},
		{"guidance", orFixed(c.Guidance)},
		{"negative prompt", yes(c.Negative)},
		{"languages", cmp.Or(strings.Join(c.LanguageNames(), ", "), "any: it does not read the prompt")},
		{"camera commands", cmp.Or(strings.Join(c.Prompt.Camera, " "), "none")},
		{"words", c.words()},
		{"options", c.Extras.String()},
		{"memory", "about " + bytesInWords(c.Cost.Memory)},
		{"time", fmt.Sprintf("about %.3g s of one core with AVX-512 for a second of video", c.Cost.CoreSeconds)},
	}
}

// String lists the sizes that the model draws.
func (s Sizes) String() string {
	var out []string
	for _, n := range s.Native {
		out = append(out, n.String())
	}
	text := strings.Join(out, ", ")
	if s.Multiple > 0 {
		text += fmt.Sprintf("; also sides of %d to %d in steps of %d, at most %d pixels in all", s.Min, s.Max, s.Multiple, s.Pixels)
	}
	return text + "; other sizes are scaled and cut from these"
}

// String is the size as people write it.
func (s Size) String() string { return fmt.Sprintf("%d×%d", s.Width, s.Height) }

func (c Capabilities) lengths() string {
	l := c.Lengths
	text := fmt.Sprintf("up to %v s; %v by default", l.Max, l.Default)
	if l.Min > 0 {
		text = fmt.Sprintf("%v s; %v by default", l, l.Default)
	}
	if l.Group > 0 {
		text += fmt.Sprintf("; drawn as 1+%dk frames, of which those beyond the length are dropped", l.Group)
	}
	return text
}

func (c Capabilities) rates() string {
	var out []string
	for _, r := range c.Rates {
		out = append(out, fmt.Sprint(r))
	}
	return strings.Join(out, ", ") + "; at other rates frames are repeated or dropped"
}

// String lists how many references of each kind are taken.
func (r ReferenceLimits) String() string {
	var out []string
	for _, kind := range []struct {
		n    int
		name string
	}{{r.Images, "images"}, {r.Videos, "videos"}, {r.Sounds, "sounds"}} {
		if kind.n > 0 {
			out = append(out, fmt.Sprintf("%s (at most %d)", kind.name, kind.n))
		}
	}
	return cmp.Or(strings.Join(out, ", "), "none")
}

func (c Capabilities) sound() string {
	if c.Sound == nil {
		return "none"
	}
	channels := "mono"
	if c.Sound.Channels == 2 {
		channels = "stereo"
	}
	return fmt.Sprintf("%s, %d Hz", channels, c.Sound.Rate)
}

func orFixed[T int | float32](r Range[T]) string {
	if r.Fixed() {
		return r.String()
	}
	return fmt.Sprintf("%v; %v by default", r, r.Default)
}

func yes(can bool) string {
	if can {
		return "yes"
	}
	return "no"
}

// languages are the English names of the tags that models have.
var languages = map[string]string{"en": "English", "zh": "Chinese", "ar": "Arabic"}

// LanguageNames are the languages of the prompt in English.
func (c Capabilities) LanguageNames() []string {
	var out []string
	for _, tag := range c.Prompt.Languages {
		out = append(out, cmp.Or(languages[tag], tag))
	}
	return out
}

func (c Capabilities) words() string {
	if c.Prompt.Words == nil {
		return "any"
	}
	return c.Prompt.Words.known()
}

func bytesInWords(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%d MB", max(1, (n+5e5)/1e6))
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
