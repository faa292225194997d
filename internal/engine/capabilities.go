package engine

import (
	"fmt"
	"math"
)

// Capabilities say what a model can do. A zero field is an ability that the model
// does not have.
type Capabilities struct {
	Name  string
	About string // one line

	Sizes   Sizes
	Enlarge Enlarging // frames of its own sizes, to be larger ones
	Lengths Lengths
	Rates   []int // frames a second that it draws, the default first

	FirstFrame, LastFrame bool // takes a picture that the video begins, or ends, with
	References            ReferenceLimits
	Sound                 *Track // what its videos sound like; nil for silent ones

	Steps    Range[int]     // of sampling
	Guidance Range[float32] // how closely the prompt is followed; 1 is no guidance
	Negative bool           // takes a negative prompt
	Prompt   Prompt

	Extras Extras // options that it takes
	Cost   Cost
}

// Size is that of a frame in pixels.
type Size struct{ Width, Height int }

// Sizes are those that a model draws by itself. Frames of any other size are made
// of these: scaled, and cut to the shape.
type Sizes struct {
	Native []Size // the default first
	// Multiple, if not 0, says that the model draws other sizes too: both sides
	// multiples of it, Min to Max pixels long, at most Pixels in all.
	Multiple, Min, Max, Pixels int
}

// Lengths of a video in seconds. Min is 0 where one frame is enough.
type Lengths struct {
	Default, Min, Max float64
	// Group is how many frames come together after the first: a video has
	// 1+Group·k of them before those beyond its length are dropped. 0 means that
	// frames come one by one.
	Group int
}

// Range is a number that a request may set.
type Range[T int | float32] struct{ Default, Min, Max T }

// String says the range in words.
func (r Range[T]) String() string {
	if r.Fixed() {
		return fmt.Sprintf("it is always %v", r.Default)
	}
	return fmt.Sprintf("%v to %v", r.Min, r.Max)
}

// String says the limits in words.
func (l Lengths) String() string {
	if l.Min > 0 {
		return fmt.Sprintf("%v to %v", l.Min, l.Max)
	}
	return fmt.Sprintf("more than 0, at most %v", l.Max)
}

// Fixed says that the number cannot be set.
func (r Range[T]) Fixed() bool { return r.Min == r.Max }

// ReferenceLimits are how many references of each kind a model takes.
type ReferenceLimits struct{ Images, Videos, Sounds int }

// Track is the form of a sound track.
type Track struct {
	Rate     int // samples a second
	Channels int
}

// Prompt says what a model understands.
type Prompt struct {
	MaxBytes  int         // 0 for the limit of every request
	Languages []string    // BCP 47 tags
	Camera    []string    // camera commands as they stand in a prompt, such as [Pan left]
	Words     *Vocabulary // nil where any word may do
}

// Vocabulary is all that a model was taught, where that is little enough to list.
type Vocabulary struct {
	Topics []Topic // what it knows
	// Unknown lists the words of a prompt that it was never taught, each once.
	Unknown func(prompt string) []string
	// Nearest is the known word that comes nearest to another one, or "".
	Nearest func(word string) string
	// Draft makes of any prompt what comes nearest to it of all that the model was
	// taught; nil where nothing does that. It is cheap, and always gives the same.
	Draft func(prompt string) Draft
}

// Draft is what a prompt becomes for a model that was taught few words.
type Draft struct {
	// Sentence has words that the model was taught, and no others; "" if nothing of
	// the prompt was understood.
	Sentence string
	// Complete says that the prompt itself has such words only, and states all that a
	// picture needs.
	Complete bool
	// Choices are sentences that keep what the prompt says and differ in what it
	// leaves open, the Sentence first: a language model may choose one.
	Choices func() []string
	// Better reads what a language model makes of the prompt: ok says that it keeps
	// what the prompt says and states all that the Sentence does, and sentence is it in
	// words that the model was taught.
	Better func(answer string) (sentence string, ok bool)
	// Examples are other prompts with their sentences, in the same language, to show
	// a language model what is wanted.
	Examples func() [][2]string
}

// Topic is some of a vocabulary.
type Topic struct {
	Name  string // such as places; "" where the words speak for themselves
	Words []string
	// Said are the words as each language has them (BCP 47), in the order of Words.
	Said map[string][]string
}

// Cost is about what a video takes, in the default size with the default steps.
type Cost struct {
	Memory      int64   // bytes, with the weights
	CoreSeconds float64 // of a core with AVX-512 for a second of video
	// SamplingShare is the part of the whole time that sampling takes, in (0, 1).
	SamplingShare float64
	LatentBytes   int // on disk, for a frame
}

// Default is the size of a video that asks for none.
func (s Sizes) Default() Size { return s.Native[0] }

// Draws says whether the model draws a size by itself.
func (s Sizes) Draws(size Size) bool {
	for _, n := range s.Native {
		if n == size {
			return true
		}
	}
	w, h := size.Width, size.Height
	return s.Multiple > 0 && w%s.Multiple == 0 && h%s.Multiple == 0 &&
		min(w, h) >= s.Min && max(w, h) <= s.Max && w*h <= s.Pixels
}

// Pick is the size in which the model draws a video of another one: the same if it
// can, and otherwise the native size that loses least when it is cut to the shape;
// of several that lose the same, the smallest that need not be enlarged, or the
// largest.
func (s Sizes) Pick(want Size) Size {
	if s.Draws(want) {
		return want
	}
	best := s.Native[0]
	for _, n := range s.Native[1:] {
		if s.better(n, best, want) {
			best = n
		}
	}
	return best
}

// better says whether a is the better size to make want of.
func (s Sizes) better(a, b, want Size) bool {
	if la, lb := a.lost(want), b.lost(want); math.Abs(la-lb) > sameShape {
		return la < lb
	}
	coversA, coversB := a.covers(want), b.covers(want)
	if coversA != coversB {
		return coversA
	}
	return (a.pixels() < b.pixels()) == coversA && a.pixels() != b.pixels()
}

// sameShape is how much of a frame may be cut off before its shape is another
// one: rounding to even sides cuts that much.
const sameShape = 0.02

// lost is the part of a frame that is cut off to give it the shape of another.
func (s Size) lost(to Size) float64 {
	a, b := float64(s.Width*to.Height), float64(to.Width*s.Height)
	return 1 - min(a, b)/max(a, b)
}

func (s Size) covers(to Size) bool { return s.Width >= to.Width && s.Height >= to.Height }
func (s Size) pixels() int         { return s.Width * s.Height }

// Fit reports whether frames of this size are cut to become such of another, and
// whether they are enlarged. Shapes that differ by rounding to even sides alone
// are the same.
func (s Size) Fit(to Size) (cut, enlarged bool) {
	return s.lost(to) > sameShape, !s.covers(to)
}

// Fit reports whether the frames of the model are cut, and whether they are
// enlarged, for a video of width×height; 0×0 is the model's own size.
func (c Capabilities) Fit(width, height int) (cut, enlarged bool) {
	if width == 0 || height == 0 {
		return false, false
	}
	want := Size{width, height}
	return c.Sizes.Pick(want).Fit(want)
}

// Rate is the frames a second that the model draws for a video of some: the same
// where it can, and its default otherwise.
func (c Capabilities) Rate(fps int) int {
	for _, r := range c.Rates {
		if r == fps {
			return r
		}
	}
	return c.Rates[0]
}
