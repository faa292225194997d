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
	// DefaultLease is how long a worker keeps its job without a heartbeat.
	DefaultLease = 30 * time.Second
	// maxBeat is the longest pause between two heartbeats. Heartbeats are also
	// how a worker learns of a cancellation through another process.
	maxBeat = 500 * time.Millisecond
	// DefaultBackoff is the pause before the second attempt. Each further pause
	// is twice as long, up to maxBackoff.
	DefaultBackoff = 2 * time.Second
	maxBackoff     = time.Minute
	// DefaultMaxTime is the longest an attempt may take. After that its job
	// fails.
	DefaultMaxTime = 6 * time.Hour
	// endTime bounds writing the end of an attempt, whatever the state of the
	// database.
	endTime = 20 * time.Second
)

// Engine is the part of a model that a worker needs. Several goroutines may use
// it.
type Engine interface {
	Capabilities() kinora.Capabilities
	// Generate samples a video and writes its latents to the file that the
	// request names.
	Generate(ctx context.Context, r kinora.Request) (Clip, error)
	// Load makes a Clip from such a file.
	Load(ctx context.Context, path string, r kinora.Request) (Clip, error)
}

// Clip is a sampled video whose frames are to be drawn.
type Clip interface {
	Facts() Facts
	// Save writes the frames from number from on into a file, as MP4 or WebP by
	// its name. It calls show for the frames whose numbers are in at; the image
	// is reused for the next one.
	Save(ctx context.Context, path string, from int, at []int, show func(i int, frame *image.RGBA)) error
	// Frames draws the frames one after another, into the same image.
	Frames(ctx context.Context) iter.Seq2[*image.RGBA, error]
	// LatentsPath is the file with the latents; "" when there is none.
	LatentsPath() string
	// Discard removes that file. The clip must not be drawn afterwards.
	Discard() error
}

// Facts describe a clip.
type Facts struct {
	Width, Height int // pixels
	FPS, Frames   int
	Upscaled      bool // frames are drawn smaller and then enlarged
	Sound         bool // there is sound, which not every file format can hold
	// Notes say what was done to fit the sound, where that may surprise.
	Notes []string
}

// Model makes an Engine of an open model.
func Model(m *kinora.Model) Engine {
	return model{m.Capabilities(), func(context.Context) (*kinora.Model, func(), error) { return m, func() {}, nil }}
}

// Pooled makes an Engine of a model in a pool. The pool opens the model when it
// is needed, and may close it when no clip of it is left, so each clip must be
// discarded.
func Pooled(p *kinora.Pool, name string) (Engine, error) {
	c, err := p.Capabilities(name)
	if err != nil {
		return nil, err
	}
	return model{c, func(ctx context.Context) (*kinora.Model, func(), error) { return p.Use(ctx, name) }}, nil
}

// model is an Engine whose model makes one clip at a time.
type model struct {
	can kinora.Capabilities
	use func(ctx context.Context) (m *kinora.Model, release func(), err error)
}

func (m model) Capabilities() kinora.Capabilities { return m.can }

func (m model) Generate(ctx context.Context, r kinora.Request) (Clip, error) {
	return m.clip(ctx, func(m *kinora.Model) (*kinora.Clip, error) { return m.Generate(ctx, r) })
}

func (m model) Load(ctx context.Context, path string, r kinora.Request) (Clip, error) {
	return m.clip(ctx, func(m *kinora.Model) (*kinora.Clip, error) { return m.Load(ctx, path, r) })
}

// clip makes a clip that holds the model until the clip is discarded.
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

// clip is a clip of the root package, with the function that releases its model.
type clip struct {
	*kinora.Clip
	release func()
}

func (c clip) Discard() error {
	defer c.release()
	return c.Clip.Discard()
}

func (c clip) Facts() Facts {
	return Facts{Width: c.Width, Height: c.Height, FPS: c.FPS, Frames: c.FrameCount, Upscaled: c.Upscaled, Sound: c.Sound != nil, Notes: c.SoundNotes()}
}

func (c clip) Save(ctx context.Context, path string, from int, at []int, show func(i int, frame *image.RGBA)) error {
	opts := []kinora.SaveOption{kinora.FromFrame(from), kinora.WithTap(at, show)}
	if media.CanWriteSound(ctx) != nil { // a silent video is better than none
		opts = append(opts, kinora.WithoutSound())
	}
	return c.Clip.Save(ctx, path, opts...)
}

// Blobs stores media; *blob.Store implements it.
type Blobs interface {
	Put(ctx context.Context, key string, r io.Reader, m blob.Meta) (blob.Info, error)
	PutFile(ctx context.Context, key, path string, m blob.Meta) (blob.Info, error)
	Open(ctx context.Context, key string) (io.ReadSeekCloser, blob.Info, error)
	Delete(ctx context.Context, key string) error
}

// Contexts expands prompts, for jobs of kind job.Expansion.
type Contexts interface {
	Expand(ctx context.Context, prompt string) (string, error)
}

// Observer receives events, for metrics.
type Observer interface {
	// Phase gets how long a job was in a phase: preparing, sampling, drawing or
	// storing.
	Phase(name string, took time.Duration)
	// Ended is called for each job that ended here; code is "" for one that
	// succeeded.
	Ended(state job.State, code job.Code)
	// Retried is called for each failed attempt that is repeated.
	Retried(code job.Code)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Phase(string, time.Duration) {}
func (nobody) Ended(job.State, job.Code)   {}
func (nobody) Retried(job.Code)            {}

// Options configure a Runner. DB, Blobs, Engines and Dir must be set.
type Options struct {
	DB      *store.DB
	Blobs   Blobs
	Engines map[string]Engine // by job.Spec.Engine
	// Dir is the folder for the files of running attempts.
	Dir string
	// Name identifies this worker; "" is made of host, process and a random word.
	Name    string
	Lease   time.Duration // 0 is DefaultLease
	Backoff time.Duration // 0 is DefaultBackoff
	MaxTime time.Duration // 0 is DefaultMaxTime
	// Keep is how long the files of a result are kept; 0 keeps them until
	// somebody deletes them.
	Keep time.Duration
	// Settle ends the charge of a job in the transaction that ends the job.
	Settle func(*store.Tx, *job.Job) error
	// Review checks stills (JPEG) of the media; an error of code job.OutputUnsafe
	// refuses it. nil checks nothing.
	Review func(ctx context.Context, j job.Job, stills [][]byte) error
	// Contexts runs jobs of kind job.Expansion; with nil, other workers run them.
	Contexts Contexts
	Observe  Observer     // nil for none
	Log      *slog.Logger // nil is slog.Default
}

// Runner runs jobs. It is safe for use by many goroutines, each of which runs
// one.
type Runner struct {
	Options
	engines []string // this worker claims only their jobs
}

// New makes a Runner and its folder.
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
		r.engines = append(r.engines, "") // jobs of kind job.Expansion have no engine
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a worker: %w", err)
	}
	return r, r.tidyFormer()
}

// Work claims a job and runs it to its end; did is false when there was none.
// When ctx ends, the job goes back to the queue. A returned error is one of the
// database; the job's own outcome is in its row.
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
