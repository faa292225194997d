package kinora

import "context"

// engine is what the package needs of a model: latents from a prompt, frames
// from latents. An engine may be used by several goroutines.
type engine interface {
	info() Info
	// sample makes latents; progress is called as its steps end.
	sample(ctx context.Context, j job, progress func(done, total int)) (latents, error)
	// decode hands every frame, in order, to yield: RGB, 3 bytes a pixel, in
	// the native size, valid until yield returns. Memory does not grow with the
	// number of frames.
	decode(ctx context.Context, l latents, yield func(rgb []byte) error) error
	// load reads what a latents' save wrote, and trusts none of it.
	load(path string) (latents, error)
}

// latents is a clip before its frames are drawn.
type latents interface {
	frames() int
	origin() origin
	save(path string) error // to a new file at path, whole or not at all
}

// origin is where latents came from, kept with them on disk.
type origin struct {
	prompt string
	seed   uint64
}

// job is a request in the model's own terms.
type job struct {
	prompt   string
	frames   int       // at the native rate
	image    []float32 // the first frame, [H, W, 3] in [-1, 1] at the native size, or nil
	seed     uint64
	steps    int     // 0: the model's default
	guidance float32 // 0: the model's default
	// preview, if not nil, may be given pictures on the way: RGB of the native
	// size, which are the callee's to keep.
	preview func(rgb []byte)
}

// opener readies an engine from a file of weights, or from those inside the
// binary when weights is "".
type opener func(ctx context.Context, weights string) (engine, error)

var openers = map[string]opener{
	"reel":     openReel,
	"testcard": openTestCard,
}
