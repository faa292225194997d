// Package engine is the contract between the root package and the models behind
// it. A model states in its Capabilities what it can do, makes latents of a Job,
// and draws frames, and sound where it has any, from the latents.
//
// A model keeps to a room of its own (such as internal/model/reel), which has a
// Spec, and has a line in the root package's registry. Requests are checked, and
// help, refusals and documents are written, from the Capabilities: nothing else
// in the program names a model.
//
// The package computes nothing and opens no file.
package engine

import (
	"context"
	"image"
)

// Spec is a model's entry in the registry.
type Spec struct {
	// Capabilities are those of the model with the weights that it has by itself.
	// The call is cheap: no weights are read for it.
	Capabilities func() Capabilities
	// Open readies the model. The options have passed Options.Check, and Weights is
	// "" for a model that takes none.
	Open func(ctx context.Context, o Options) (Engine, error)
	// Weights says where files of weights for it come from, as a hint for people;
	// "" for a model that takes none.
	Weights string
	// Digest, if not nil, identifies the model's own weights: "sha256:" and 64 hex
	// digits. It is computed when it is first asked for.
	Digest func() string
}

// Engine is an open model. The root package makes one call at a time, which has
// all of the machine's cores, but for this: while the yield of Decode or of Sound
// runs, another call may begin and end.
type Engine interface {
	// Capabilities are those of the weights that were opened. They never change.
	Capabilities() Capabilities
	// Sample makes the latents of a video. progress is called as steps end; the
	// cores may be lent to another model until it returns. A request that only
	// the model itself can find wanting is answered by a *Refusal.
	Sample(ctx context.Context, j Job, progress func(done, total int)) (Latents, error)
	// Decode hands every frame, in order, to yield: RGB, 3 bytes a pixel, in the
	// size of the latents' Video, valid until yield returns. Memory does not grow
	// with the number of frames.
	Decode(ctx context.Context, l Latents, yield func(rgb []byte) error) error
	// Load reads what the Save of its latents wrote, and trusts none of it.
	Load(path string) (Latents, error)
	// Close gives back memory and files. No call is under way, and none follows.
	Close() error
}

// Sounder is an Engine whose Capabilities have Sound.
type Sounder interface {
	// Sound hands the sound that belongs to the frames of Decode to yield, some
	// samples at a time: interleaved channels in [-1, 1], at the rate that the
	// Capabilities say, valid until yield returns. It begins with the first frame.
	Sound(ctx context.Context, l Latents, yield func(samples []float32) error) error
}

// Latents are a video before its frames are drawn.
type Latents interface {
	// Video is what Decode gives.
	Video() Video
	Origin() Origin
	// Save writes the latents to a new file at path, whole or not at all.
	Save(path string) error
}

// Video is the form of a video.
type Video struct {
	Width, Height int // pixels of a frame
	FPS           int // frames a second
	Frames        int
}

// Origin is where latents came from. It is kept with them on disk.
type Origin struct {
	Prompt string
	Seed   uint64
	// Settings are the Job's: what made the latents, in a form that only the root
	// package reads. "" in files from before there were any.
	Settings string `json:",omitempty"`
}

// Origin is where the latents of the job come from.
func (j *Job) Origin() Origin { return Origin{Prompt: j.Prompt, Seed: j.Seed, Settings: j.Settings} }

// Job is a checked request, in which nothing is left to a default.
type Job struct {
	Video    // what to draw, in a size and at a rate of the model's own
	Prompt   string
	Negative string // what shall not be seen; "" for nothing
	// First and Last frame, [Height, Width, 3] in [-1, 1], or nil.
	First, Last []float32
	References  References
	Seed        uint64
	Steps       int
	Guidance    float32
	// StepCache is how much what a model computes may differ from what it computed
	// at the step before, relative to it, for a part of the step to be taken from
	// there. 0 computes every step whole.
	StepCache float32
	// Settings is for the Origin of the latents: at most 64 KiB of JSON.
	Settings string
	// Reading, if not nil, may be told how many layers have run of those that read the
	// prompt and the given pictures before the first step.
	Reading func(done, total int)
	// Within, if not nil, may be told how many layers of the step at hand have run.
	Within func(done, total int)
	// Preview, if not nil, may be given pictures on the way: RGB in the size of
	// the video, which are the callee's to keep.
	Preview func(rgb []byte)
}

// References are examples of what a video shall look or sound like.
type References struct {
	Images []image.Image
	Videos []string // paths of files, from anywhere: check them before use
	Sounds []string // likewise
}

// Refusal is the error for a request that a model cannot meet.
type Refusal struct {
	Field string // of the request, such as "prompt"
	Why   string
	Hint  string // what to do about it; may be empty
}

// Error says which field is refused, and why.
func (r *Refusal) Error() string { return r.Field + ": " + r.Why }
