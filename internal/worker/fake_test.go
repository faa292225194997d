package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// fakeEngine makes videos that name their seed. If a hook returns an error, the
// engine returns it instead.
type fakeEngine struct {
	generate func(ctx context.Context, r kinora.Request) error
	load     func(ctx context.Context) error
	save     func(ctx context.Context) error
	sound    bool // its videos have sound

	mu        sync.Mutex
	requests  []kinora.Request
	generated int
	loaded    int
}

func (f *fakeEngine) Capabilities() kinora.Capabilities {
	c := kinora.Capabilities{Name: "fake", Rates: []int{10}, FirstFrame: true}
	c.Sizes.Native = []kinora.Size{{Width: 64, Height: 32}}
	return c
}

func (f *fakeEngine) count() (generated, loaded int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.generated, f.loaded
}

func (f *fakeEngine) Generate(ctx context.Context, r kinora.Request) (Clip, error) {
	f.mu.Lock()
	f.generated++
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	if r.Preview != nil {
		r.Preview(picture(64, 32))
	}
	r.Progress(kinora.Progress{Phase: kinora.Sampling, Overall: 0.5, Left: time.Second})
	if f.generate != nil {
		if err := f.generate(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(r.Latents, fmt.Append(nil, "latents of seed ", r.Seed), 0o600); err != nil {
		return nil, err
	}
	return &fakeClip{f, r.Latents, r.Seed, max(1, int(r.Seconds*10+0.5))}, nil
}

func (f *fakeEngine) Load(ctx context.Context, path string, r kinora.Request) (Clip, error) {
	f.mu.Lock()
	f.loaded++
	f.mu.Unlock()
	if f.load != nil {
		if err := f.load(ctx); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var seed uint64
	if _, err := fmt.Sscanf(string(text), "latents of seed %d", &seed); err != nil {
		return nil, err
	}
	return &fakeClip{f, "", seed, max(1, int(r.Seconds*10+0.5))}, nil
}

type fakeClip struct {
	f       *fakeEngine
	latents string
	seed    uint64
	frames  int
}

func (c *fakeClip) Facts() Facts {
	return Facts{Width: 64, Height: 32, FPS: 10, Frames: c.frames, Sound: c.f.sound}
}
func (c *fakeClip) LatentsPath() string { return c.latents }
func (c *fakeClip) Discard() error      { return nil }

func (c *fakeClip) Save(ctx context.Context, path string, from int, at []int, show func(int, *image.RGBA)) error {
	if c.f.save != nil {
		if err := c.f.save(ctx); err != nil {
			return err
		}
	}
	for _, i := range at {
		show(i, picture(64, 32))
	}
	return os.WriteFile(path, fmt.Append(nil, "video of seed ", c.seed), 0o600)
}

func (c *fakeClip) Frames(context.Context) iter.Seq2[*image.RGBA, error] {
	return func(yield func(*image.RGBA, error) bool) {
		img := picture(64, 32)
		img.Set(0, 0, color.RGBA{uint8(c.seed), 0, 0, 255})
		yield(img, nil)
	}
}

func picture(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	return img
}

// untilCancelled waits for the end of a context, as an engine does, and reports
// when it began.
func untilCancelled(began chan<- bool) func(context.Context, kinora.Request) error {
	return func(ctx context.Context, _ kinora.Request) error {
		began <- true
		<-ctx.Done()
		return ctx.Err()
	}
}

// counts is an observer.
type counts struct {
	mu     sync.Mutex
	phases map[string]int
	ended  []string
	again  []job.Code
}

func (c *counts) Phase(name string, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phases == nil {
		c.phases = map[string]int{}
	}
	c.phases[name]++
}

func (c *counts) Ended(state job.State, code job.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, strings.TrimSpace(fmt.Sprint(state, " ", code)))
}

func (c *counts) Retried(code job.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = append(c.again, code)
}

// rig is a runner with its database and blob store.
type rig struct {
	*Runner
	t      *testing.T
	url    string
	engine *fakeEngine
	blobs  *blob.Store
	media  string // the folder of blobs
	counts *counts

	mu      sync.Mutex
	settled []job.State
}

// newRig makes a runner on a database; change may change its options.
func newRig(t *testing.T, dialect string, change func(*Options)) *rig {
	t.Helper()
	g := &rig{t: t, url: storetest.URL(t, dialect), engine: &fakeEngine{}, media: t.TempDir(), counts: &counts{}}
	var err error
	if g.blobs, err = blob.Open(t.Context(), g.media); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.blobs.Close() })
	g.Runner = g.runner(storetest.Open(t, g.url, store.Options{}), change)
	return g
}

// runner makes another runner on the rig's blobs.
func (g *rig) runner(db *store.DB, change func(*Options)) *Runner {
	g.t.Helper()
	o := Options{
		DB: db, Blobs: g.blobs, Engines: map[string]Engine{"fake": g.engine}, Dir: g.t.TempDir(), Observe: g.counts,
		Backoff: time.Millisecond, Log: slog.New(slog.DiscardHandler), Settle: g.settle,
	}
	if change != nil {
		change(&o)
	}
	r, err := New(o)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

func (g *rig) settle(tx *store.Tx, j *job.Job) error {
	tx.AfterCommit(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.settled = append(g.settled, j.State)
	})
	return nil
}

func (g *rig) submit(spec job.Spec) job.Job {
	g.t.Helper()
	spec.Engine, spec.Model = "fake", "public"
	if spec.Kind == job.Expansion {
		spec.Engine = ""
	}
	if spec.Prompt == "" {
		spec.Prompt = "a red ball"
	}
	j, _, err := g.DB.Submit(g.t.Context(), store.Submission{Job: job.Job{Project: 1, API: job.Native, Spec: spec, Priority: 5}}, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return j
}

// work runs jobs until none is due.
func (g *rig) work() {
	g.t.Helper()
	for {
		did, err := g.Work(g.t.Context())
		if err != nil {
			g.t.Fatal(err)
		}
		if !did {
			// A retried job is due in a few milliseconds.
			if s, err := g.DB.Stats(g.t.Context()); err != nil || s.Queued == 0 {
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func (g *rig) get(j job.Job) job.Job {
	g.t.Helper()
	got, err := g.DB.Job(g.t.Context(), j.Project, j.ID)
	if err != nil {
		g.t.Fatal(err)
	}
	return got
}

// read reads a blob.
func (g *rig) read(key string) []byte {
	g.t.Helper()
	r, _, err := g.blobs.Open(g.t.Context(), key)
	if err != nil {
		g.t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		g.t.Fatal(err)
	}
	return data
}

// keys lists the blobs' keys.
func (g *rig) keys() (out []string) {
	g.t.Helper()
	err := filepath.WalkDir(g.media, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(g.media, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// clean checks that attempts left no files behind.
func (g *rig) clean(r *Runner) {
	g.t.Helper()
	entries, err := os.ReadDir(r.Dir)
	if err != nil || len(entries) != 0 {
		g.t.Errorf("attempts left %v, %v", entries, err)
	}
}

// fullBlobs has no space for the keys that a test chooses.
type fullBlobs struct {
	Blobs
	full func(key string) bool
}

func (b fullBlobs) Put(ctx context.Context, key string, r io.Reader, m blob.Meta) (blob.Info, error) {
	if b.full(key) {
		return blob.Info{}, fmt.Errorf("put: %w", blob.ErrNoSpace)
	}
	return b.Blobs.Put(ctx, key, r, m)
}

func (b fullBlobs) PutFile(ctx context.Context, key, path string, m blob.Meta) (blob.Info, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return blob.Info{}, err
	}
	return b.Put(ctx, key, bytes.NewReader(data), m)
}

var errBroken = errors.New("broken")
