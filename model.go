package kinora

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/model/upscale"
)

// DefaultModel is the model that Open takes for the name "".
const DefaultModel = "reel"

// Info says what a model is and what it makes by itself.
type Info struct {
	Name          string
	About         string  // one line
	Width, Height int     // pixels of a native frame
	FPS           int     // native frames a second
	Steps         int     // default sampling steps
	Guidance      float32 // default guidance
	Image         bool    // takes a first frame

	// samplingShare is the part of a whole run that sampling is expected to
	// take, in (0, 1): what the time left is told from before the first frame
	// is drawn.
	samplingShare float64
	// upscaler gives the model's own small network that enlarges its frames; nil
	// where there is none. With plain, UpscaleAuto takes no network at all.
	upscaler func() (*upscale.Net, error)
	plain    bool
	// latentsOfFrame is how many bytes of latents a frame takes, about.
	latentsOfFrame int
	// storybook says that the model was taught the storybook and nothing else, so
	// that it is known which words it has never met.
	storybook bool
}

// Fit says how frames of the model's own size become such of width×height:
// cut, where the shape is another, from their middle; enlarged, where a side is
// longer. Shapes that differ by no more than rounding to even sides makes are
// the same. A size of 0×0 is the model's own.
func (i Info) Fit(width, height int) (cut, enlarged bool) {
	if width == 0 || height == 0 {
		return false, false
	}
	a, b := width*i.Height, height*i.Width
	return max(a, b)-min(a, b) > max(a, b)/50, width > i.Width || height > i.Height
}

// Model is a model ready to generate. Several goroutines may use it; they share
// the machine's cores.
type Model struct {
	engine     engine
	latentsDir string
}

// Option changes what Open does.
type Option func(*options)

type options struct {
	weights    string
	latentsDir string
}

// WithWeights takes the weights from a file, such as the reel.safetensors of a
// run of kinora train, and not from the binary.
func WithWeights(path string) Option { return func(o *options) { o.weights = path } }

// WithLatentsDir keeps latents in dir until their clips are saved, unless a
// request says otherwise. The default is kinora/latents in the user's cache
// folder.
func WithLatentsDir(dir string) Option { return func(o *options) { o.latentsDir = dir } }

// Models returns the names that Open knows, sorted.
func Models() []string { return slices.Sorted(maps.Keys(openers)) }

// Open readies a model: "reel", the one inside the binary, or "testcard", which
// draws a test pattern in no time and checks an installation from end to end.
// "" is DefaultModel.
func Open(ctx context.Context, name string, opts ...Option) (*Model, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if name == "" {
		name = DefaultModel
	}
	open, ok := openers[name]
	if !ok {
		return nil, &Error{
			Kind: NotFound, Op: "open model", What: fmt.Sprintf("%q", name), Err: errNoModel,
			Hint: "the models are " + strings.Join(Models(), ", "),
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := open(ctx, o.weights)
	if err != nil {
		return nil, wrap(Internal, "open model", name, err, "")
	}
	return &Model{engine: e, latentsDir: o.latentsDir}, nil
}

// Info returns what the model is.
func (m *Model) Info() Info { return m.engine.info() }
