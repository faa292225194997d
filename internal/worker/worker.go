package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"image"
	"io"
	"iter"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/store"
)

// Defaults and limits of a worker.
const (
	// DefaultLease is how long a worker that says nothing keeps its job.
	DefaultLease = 30 * time.Second
	// maxBeat is the longest between two heartbeats, which are also how a worker
	// learns of a cancel that came through another process.
	maxBeat = 500 * time.Millisecond
	// DefaultBackoff is when an attempt that failed is repeated the first time;
	// each further time takes twice as long, up to maxBackoff.
	DefaultBackoff = 2 * time.Second
	maxBackoff     = time.Minute
	// DefaultMaxTime is the longest an attempt may take; then its job fails.
	DefaultMaxTime = 6 * time.Hour
	// endTime is how long writing the end of an attempt may take, whatever the
	// state of the database.
	endTime = 20 * time.Second
)

// Engine is a model, as far as a worker needs it. Several goroutines may use it.
type Engine interface {
	Info() kinora.Info
	// Generate samples a clip and keeps its latents in the file that the request
	// names.
	Generate(ctx context.Context, r kinora.Request) (Clip, error)
	// Load goes on from such a file.
	Load(ctx context.Context, path string, r kinora.Request) (Clip, error)
}

// Clip is a clip whose frames are to be drawn.
type Clip interface {
	Facts() Facts
	// Save writes the frames from number from on into a file, as MP4 or WebP by
	// its name, and shows those with the numbers in at as they pass; the image
	// is used again for the next.
	Save(ctx context.Context, path string, from int, at []int, show func(i int, frame *image.RGBA)) error
	// Frames draws the frames one after another, into the same image.
	Frames(ctx context.Context) iter.Seq2[*image.RGBA, error]
	// LatentsPath is the file that keeps the latents; "" when there is none.
	LatentsPath() string
	// Discard removes that file. Nothing is drawn of the clip afterwards.
	Discard() error
}

// Facts are what a clip is.
type Facts struct {
	Width, Height int // pixels
	FPS, Frames   int
	Upscaled      bool // frames are drawn smaller than this
	Sound         bool // it is heard, where the file can hold sound
}

// Model makes an Engine of an open model of the root package.
func Model(m *kinora.Model) Engine {
	return model{m.Info(), func(context.Context) (*kinora.Model, func(), error) { return m, func() {}, nil }}
}

// Pooled makes an Engine of a model that a pool opens when it is needed, and may
// close when no clip of it is left: each is to be discarded.
func Pooled(p *kinora.Pool, name string) (Engine, error) {
	c, err := kinora.CapabilitiesOf(name)
	if err != nil {
		return nil, err
	}
	return model{kinora.InfoOf(c), func(ctx context.Context) (*kinora.Model, func(), error) { return p.Use(ctx, name) }}, nil
}

// model is a model that is used for one clip at a time.
type model struct {
	info kinora.Info
	use  func(ctx context.Context) (m *kinora.Model, release func(), err error)
}

func (m model) Info() kinora.Info { return m.info }

func (m model) Generate(ctx context.Context, r kinora.Request) (Clip, error) {
	return m.clip(ctx, func(m *kinora.Model) (*kinora.Clip, error) { return m.Generate(ctx, r) })
}

func (m model) Load(ctx context.Context, path string, r kinora.Request) (Clip, error) {
	return m.clip(ctx, func(m *kinora.Model) (*kinora.Clip, error) { return m.Load(ctx, path, r) })
}

// clip makes a clip that holds the model until it is discarded.
func (m model) clip(ctx context.Context, of func(*kinora.Model) (*kinora.Clip, error)) (Clip, error) {
	open, release, err := m.use(ctx)
	if err != nil {
		return nil, err
	}
	c, err := of(open)
	if err != nil {
		release()
		return nil, err
	}
	return clip{c, release}, nil
}

// clip is a clip of the root package, and what gives its model back.
type clip struct {
	*kinora.Clip
	release func()
}

func (c clip) Discard() error {
	defer c.release()
	return c.Clip.Discard()
}

func (c clip) Facts() Facts {
	return Facts{Width: c.Width, Height: c.Height, FPS: c.FPS, Frames: c.FrameCount, Upscaled: c.Upscaled, Sound: c.Sound != nil}
}

func (c clip) Save(ctx context.Context, path string, from int, at []int, show func(i int, frame *image.RGBA)) error {
	opts := []kinora.SaveOption{kinora.FromFrame(from), kinora.WithTap(at, show)}
	if media.CanWriteSound(ctx) != nil { // the pictures are worth keeping all the same
		opts = append(opts, kinora.WithoutSound())
	}
	return c.Clip.Save(ctx, path, opts...)
}

// Blobs is where media goes; *blob.Store is one.
type Blobs interface {
	Put(ctx context.Context, key string, r io.Reader, m blob.Meta) (blob.Info, error)
	PutFile(ctx context.Context, key, path string, m blob.Meta) (blob.Info, error)
	Open(ctx context.Context, key string) (io.ReadSeekCloser, blob.Info, error)
	Delete(ctx context.Context, key string) error
}

// Contexts works out prompts, for jobs of kind job.Expansion.
type Contexts interface {
	Expand(ctx context.Context, prompt string) (string, error)
}

// Observer is told what happens, for metrics.
type Observer interface {
	// Phase is told how long a job was in a phase: preparing, sampling, drawing,
	// storing.
	Phase(name string, took time.Duration)
	// Ended is told of each job that ended here; code is "" for one that
	// succeeded.
	Ended(state job.State, code job.Code)
	// Retried is told of each attempt that failed and is repeated.
	Retried(code job.Code)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Phase(string, time.Duration) {}
func (nobody) Ended(job.State, job.Code)   {}
func (nobody) Retried(job.Code)            {}

// Options are what a Runner is made of. DB, Blobs, Engines and Dir must be set.
type Options struct {
	DB      *store.DB
	Blobs   Blobs
	Engines map[string]Engine // by the name that job.Spec.Engine has
	// Dir is a folder for files of the attempts that run.
	Dir string
	// Name tells this worker from others; "" is host, process and a random word.
	Name    string
	Lease   time.Duration // 0 is DefaultLease
	Backoff time.Duration // 0 is DefaultBackoff
	MaxTime time.Duration // 0 is DefaultMaxTime
	// Keep is how long the files of a result are kept; 0 is until somebody
	// deletes them.
	Keep time.Duration
	// Settle ends the charge of a job that ends, in the same transaction.
	Settle func(*store.Tx, *job.Job) error
	// Review looks at stills (JPEG) of what was made; an error of code
	// job.OutputUnsafe refuses it. nil reviews nothing.
	Review func(ctx context.Context, j job.Job, stills [][]byte) error
	// Contexts runs jobs of kind job.Expansion; with nil, they are left to others.
	Contexts Contexts
	Observe  Observer     // nil for none
	Log      *slog.Logger // nil is slog.Default
}

// Runner runs jobs. It is safe for use by many goroutines, each of which runs
// one.
type Runner struct {
	Options
	engines []string // that jobs are claimed for
}

// New makes a Runner, and its folder.
func New(o Options) (*Runner, error) {
	if o.DB == nil || o.Blobs == nil || o.Dir == "" {
		return nil, errors.New("make a worker: it needs a database, a blob store and a folder")
	}
	if o.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "worker"
		}
		o.Name = fmt.Sprintf("%.40s-%d-%s", host, os.Getpid(), strings.ToLower(rand.Text()[:6]))
	}
	if o.Lease <= 0 {
		o.Lease = DefaultLease
	}
	if o.Backoff <= 0 {
		o.Backoff = DefaultBackoff
	}
	if o.MaxTime <= 0 {
		o.MaxTime = DefaultMaxTime
	}
	if o.Observe == nil {
		o.Observe = nobody{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	r := &Runner{Options: o, engines: slices.Sorted(maps.Keys(o.Engines))}
	if o.Contexts != nil {
		r.engines = append(r.engines, "") // jobs of kind job.Expansion have none
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a worker: %w", err)
	}
	return r, r.tidyFormer()
}

// Work claims a job and runs it to its end, whichever that is; did is false when
// there was none. When ctx ends, the job goes back to the queue. An error is one
// of the database: what becomes of a job is in its row.
func (r *Runner) Work(ctx context.Context) (did bool, err error) {
	if len(r.engines) == 0 {
		return false, nil
	}
	j, ok, err := r.DB.Claim(ctx, r.Name, r.Lease, r.engines)
	if err != nil || !ok {
		return false, err
	}
	a := &attempt{Runner: r, job: j, log: r.Log.With("job", j.ID.String(), "project", j.Project, "attempt", j.Attempt)}
	return true, a.run(ctx)
}
