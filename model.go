package kinora

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/kinora-video/kinora/internal/engine"
)

// Model is a model ready to generate. Several goroutines may use it, and several
// models be used at a time: one computation after another has the machine's cores,
// in the order in which they asked.
type Model struct {
	engine     engine.Engine
	caps       Capabilities
	latentsDir string
	// turn is held by the call that is inside the engine.
	turn   *semaphore.Weighted
	cores  *engine.Lease
	closed bool // under turn
	close  sync.Once
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

// WithLatentsDir keeps latents in dir until their videos are saved, unless a
// request says otherwise. The default is kinora/latents in the user's cache
// folder.
func WithLatentsDir(dir string) Option { return func(o *options) { o.latentsDir = dir } }

// cores is the one lease of this process, which all models share.
var cores = engine.NewLease()

// Open readies a model: "reel", the one inside the binary, or "testcard", which
// draws a test pattern in no time and checks an installation from end to end.
// "" is DefaultModel.
func Open(ctx context.Context, name string, opts ...Option) (*Model, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	spec, err := specOf(name)
	if err != nil {
		return nil, err
	}
	if o.weights != "" && spec.Weights == "" {
		return nil, &Error{Kind: Invalid, Op: "open model", What: name, Err: errors.New("it has no weights"), Hint: "leave the weights out"}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := spec.Open(ctx, o.weights)
	if err != nil {
		return nil, unopened(spec, name, o.weights, err)
	}
	return newModel(e, o.latentsDir), nil
}

// unopened says why a model did not open.
func unopened(spec engine.Spec, name, weights string, err error) error {
	switch _, unread := errors.AsType[*fs.PathError](err); {
	case unread:
		return wrap(NotFound, "read weights", weights, err, "")
	case weights != "":
		return wrap(Invalid, "read weights", weights, err, spec.Weights)
	}
	return wrap(Internal, "open model", name, err, "")
}

func newModel(e engine.Engine, latentsDir string) *Model {
	return &Model{engine: e, caps: e.Capabilities(), latentsDir: latentsDir, turn: semaphore.NewWeighted(1), cores: cores}
}

// Capabilities returns what the model can do.
func (m *Model) Capabilities() Capabilities { return m.caps }

// Close gives back the model's memory, after the call that is inside it. What
// is asked of the model or its Clips afterwards fails. Nothing happens the second
// time.
func (m *Model) Close() error {
	var err error
	m.close.Do(func() {
		_ = m.turn.Acquire(context.Background(), 1) // which never ends
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

// take waits for both.
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

// lend lets whoever waits for the cores have them first. When ctx ends meanwhile
// the cores are not held any more.
func (s *seat) lend(ctx context.Context) {
	if s.cores {
		s.m.cores.Release()
		_ = s.compute(ctx) // the engine looks at ctx itself
	}
}

// leave gives up what is held.
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

// yielding calls into an engine that hands over parts of its work: whoever takes a
// part may use the model meanwhile, so the seat is given up for that long.
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
