package kinora

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/kinora-video/kinora/internal/engine"
)

// Model is a model that is ready to generate. Several goroutines may use it, and
// several models may be used at a time: their computations get the machine's cores
// one after another, in the order of asking.
type Model struct {
	engine     engine.Engine
	caps       Capabilities
	latentsDir string
	// What Settings say of how it was opened.
	digest      digester
	loras       []LoRA
	loraDigests []digester
	decoder     Decoder
	// turn is held by the call that is inside the engine.
	turn   *semaphore.Weighted
	cores  *engine.Lease
	closed bool // under turn
	close  sync.Once
}

// Option changes what Open does.
type Option func(*options)

type options struct {
	engine.Options
	latentsDir string
}

// WithWeights takes the weights from a file instead of the program, such as the
// reel.safetensors of a run of kinora train.
func WithWeights(path string) Option { return func(o *options) { o.Weights = path } }

// WithMemory limits how many bytes a model takes: what does not fit stays on disk
// and is read when it is needed, which is slower and gives the same video. A
// request that cannot be met within the limit is refused, with the figure that is
// needed.
func WithMemory(bytes int64) Option { return func(o *options) { o.Memory = bytes } }

// WithLoRA adds adapters to the weights. It may be given several times.
func WithLoRA(l LoRA) Option { return func(o *options) { o.LoRAs = append(o.LoRAs, l) } }

// WithDecoder chooses what draws the frames.
func WithDecoder(d Decoder) Option { return func(o *options) { o.Decoder = d } }

// WithNotes is told what a user should know, a line at a time: how memory is used,
// which parts of a LoRA do not fit, what a step cache saved. It is called while the
// model is opened, samples and draws.
func WithNotes(f func(line string)) Option { return func(o *options) { o.Note = f } }

// WithLatentsDir keeps latents in dir until their videos are saved, unless a
// request says otherwise. The default is kinora/latents in the user's cache
// folder.
func WithLatentsDir(dir string) Option { return func(o *options) { o.latentsDir = dir } }

// cores is the one lease of the cores in this process. All models share it.
var cores = engine.NewLease()

// Open opens a model: "reel", which is inside the program, "testcard", which draws a
// test pattern in no time, to check an installation from end to end, or one that
// kinora pull has fetched, from the folder of models (KINORA_MODELS, or
// kinora/models in the user's data folder). "" means DefaultModel.
func Open(ctx context.Context, name string, opts ...Option) (*Model, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	spec, err := specOf(name)
	if err != nil {
		return nil, err
	}
	if dir, err := os.UserCacheDir(); err == nil {
		o.Cache = filepath.Join(dir, "kinora")
	}
	if err := o.check(spec); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := spec.Open(ctx, o.Options)
	if err != nil {
		return nil, unopened(spec, name, o.Weights, err)
	}
	m := newModel(e, o.latentsDir)
	m.digest, m.loras, m.decoder = weightsOf(spec, o.Options), o.LoRAs, o.Decoder
	for _, l := range o.LoRAs {
		m.loraDigests = append(m.loraDigests, digestOf(l.Path))
	}
	return m, nil
}

// check refuses an option that a model does not take.
func (o options) check(spec engine.Spec) error {
	c := spec.Capabilities()
	if o.Weights != "" && spec.Weights == "" {
		return &Error{Kind: Invalid, Op: "open model", What: c.Name, Err: errors.New("it has no weights"), Hint: "leave the weights out"}
	}
	if refused, ok := errors.AsType[*engine.Refusal](o.Check(c)); ok {
		return &Error{Kind: Invalid, Op: "open model", What: c.Name, Err: refused, Hint: refused.Hint}
	}
	return nil
}

// unopened says why a model did not open.
func unopened(spec engine.Spec, name, weights string, err error) error {
	_, unread := errors.AsType[*fs.PathError](err)
	refused, refuses := errors.AsType[*engine.Refusal](err)
	switch {
	case refuses:
		return wrap(Invalid, "open model", spec.Capabilities().Name, refused, refused.Hint)
	case unread && weights != "":
		return wrap(NotFound, "read weights", weights, err, "")
	case unread:
		return wrap(NotFound, "open model", spec.Capabilities().Name, err, "")
	case weights != "":
		return wrap(Invalid, "read weights", weights, err, spec.Weights)
	}
	return wrap(Internal, "open model", name, err, "")
}

func newModel(e engine.Engine, latentsDir string) *Model {
	return &Model{engine: e, caps: e.Capabilities(), latentsDir: latentsDir, digest: noDigest, turn: semaphore.NewWeighted(1), cores: cores}
}

// Capabilities returns what the model can do.
func (m *Model) Capabilities() Capabilities { return m.caps }

// Close waits for a running call and gives back the model's memory. Later calls
// to the model or its Clips fail. A second Close does nothing.
func (m *Model) Close() error {
	var err error
	m.close.Do(func() {
		_ = m.turn.Acquire(context.Background(), 1) // this context never ends, so Acquire cannot fail
		defer m.turn.Release(1)
		m.closed = true
		err = wrap(Internal, "close model", m.caps.Name, m.engine.Close(), "")
	})
	return err
}

// seat is the right to call into an engine: the model's turn, and the cores.
type seat struct {
	m           *Model
	turn, cores bool // held
}

// take waits for the turn and the cores.
func (s *seat) take(ctx context.Context) error {
	if err := s.m.turn.Acquire(ctx, 1); err != nil {
		return err
	}
	s.turn = true
	if s.m.closed {
		s.leave()
		return &Error{Kind: Invalid, Op: "use model", What: s.m.caps.Name, Err: errClosed}
	}
	return s.compute(ctx)
}

// compute waits for the cores.
func (s *seat) compute(ctx context.Context) error {
	err := s.m.cores.Take(ctx)
	s.cores = err == nil
	return err
}

// lend gives the cores to those who wait for them, and takes them again. If ctx
// ends before that, the cores are not held any more.
func (s *seat) lend(ctx context.Context) {
	if s.cores {
		s.m.cores.Release()
		_ = s.compute(ctx) // the engine checks ctx itself
	}
}

// leave gives up the cores and the turn, as far as they are held.
func (s *seat) leave() {
	if s.cores {
		s.m.cores.Release()
	}
	if s.turn {
		s.m.turn.Release(1)
	}
	s.turn, s.cores = false, false
}

var errClosed = errors.New("it has been closed")

// yielding calls an engine that hands parts of its work to a callback. The callback
// may use the model, so the seat is given up while it runs.
func (m *Model) yielding(ctx context.Context, call func(during func(func() error) error) error) error {
	s := seat{m: m}
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.leave()
	return call(func(use func() error) error {
		s.leave()
		if err := use(); err != nil {
			return err
		}
		return s.take(ctx)
	})
}
