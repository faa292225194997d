package worker

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// patience is how long a test waits for an event.
const patience = time.Minute

// both runs a test on both databases.
func both(t *testing.T, change func(*Options), test func(t *testing.T, g *rig)) {
	t.Helper()
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) { test(t, newRig(t, dialect, change)) })
	}
}

// TestVideo: a video with its stills is stored and its rows are written; nothing
// else is left.
func TestVideo(t *testing.T) {
	both(t, func(o *Options) { o.Keep = time.Hour; o.Lease = 3 * time.Second }, func(t *testing.T, g *rig) {
		var seen []job.Job
		g.engine.save = func(context.Context) error {
			// Wait for a heartbeat with the preview and the progress; an earlier
			// one may have had only the preview.
			for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				jobs, _, err := g.DB.Jobs(t.Context(), store.JobFilter{Project: 1})
				if err != nil {
					return err
				}
				if seen = jobs; jobs[0].Preview != "" && jobs[0].Phase == phaseDrawing {
					break
				}
			}
			return nil
		}
		j := g.submit(job.Spec{Kind: job.Video, Seconds: 3, Seed: 7, Steps: 3, Guidance: 2, Width: 32, Watermark: true})
		g.work()
		if len(seen) == 0 || seen[0].Phase != phaseDrawing || seen[0].Progress != 0.5 || !strings.HasPrefix(seen[0].Preview, "preview/") || seen[0].Latents == "" {
			t.Errorf("while it was drawn: %+v", seen)
		}
		r := g.engine.requests[0]
		if r.Prompt != "a red ball" || r.Seconds != 3 || r.Seed != 7 || r.Steps != 3 || r.Guidance != 2 || r.Width != 32 || r.Watermark != watermarkText {
			t.Errorf("the engine was asked for %+v", r)
		}
		got := g.get(j)
		if got.State != job.Succeeded || got.Result.Frames != 30 || got.Result.Seconds != 3 || got.Result.Width != 64 || got.Result.Seed != 7 {
			t.Fatalf("%+v, %+v, %v", got, got.Result, got.Error)
		}
		if left := time.Until(got.ExpiresAt); left < 55*time.Minute || left > time.Hour {
			t.Errorf("kept for %s", left)
		}
		video, ok := got.Result.File(job.RoleVideo)
		if data := g.read(video.Key); !ok || string(data) != "video of seed 7" || int64(len(data)) != video.Bytes {
			t.Errorf("the video is %q", data)
		}
		for role, want := range map[job.Role]string{job.RoleThumbnail: "webp", job.RoleSpritesheet: "jpeg"} {
			f, ok := got.Result.File(role)
			if !ok {
				t.Fatalf("no %s", role)
			}
			img, format, err := image.Decode(bytes.NewReader(g.read(f.Key)))
			if err != nil || format != want || img.Bounds().Dx() != f.Width || img.Bounds().Dy() != f.Height || f.Height < 32 {
				t.Errorf("%s: %s, %v, %v", role, format, f, err)
			}
		}
		if len(g.keys()) != 3 {
			t.Errorf("blobs are left: %q", g.keys())
		}
		files, err := g.DB.Files(t.Context(), store.FileFilter{Project: 1})
		if err != nil || len(files) != 3 {
			t.Errorf("rows of files: %v, %v", files, err)
		}
		f, err := g.DB.File(t.Context(), 1, video.ID)
		if err != nil || f.Key != video.Key || f.Name != "a-red-ball.mp4" && f.Name != "a-red-ball.webp" || f.Job != j.ID || !f.ExpiresAt.Equal(got.ExpiresAt) {
			t.Errorf("%+v, %v", f, err)
		}
		if !slices.Equal(g.settled, []job.State{job.Succeeded}) || !slices.Equal(g.counts.ended, []string{"succeeded"}) {
			t.Errorf("settled %v, ended %v", g.settled, g.counts.ended)
		}
		for _, phase := range []string{phasePreparing, phaseSampling, phaseDrawing, phaseStoring} {
			if g.counts.phases[phase] != 1 {
				t.Errorf("phase %s was reported %d times", phase, g.counts.phases[phase])
			}
		}
		g.clean(g.Runner)
	})
}

func TestImages(t *testing.T) {
	refuse := map[int]bool{}
	n := 0
	change := func(o *Options) {
		o.Review = func(_ context.Context, _ job.Job, stills [][]byte) error {
			n++
			if _, _, err := image.Decode(bytes.NewReader(stills[0])); err != nil || len(stills) != 1 {
				return err
			}
			if refuse[n] {
				return job.Errorf(job.OutputUnsafe, "", "no")
			}
			return nil
		}
	}
	g := newRig(t, store.SQLite, change)
	refuse[2] = true
	j := g.submit(job.Spec{Kind: job.Image, Count: 3, Seed: 40})
	g.work()
	got := g.get(j)
	if got.State != job.Succeeded || len(got.Result.Files) != 2 || got.Result.Failed != 1 {
		t.Fatalf("%+v, %+v", got, got.Result)
	}
	for i, f := range got.Result.Files {
		img, format, err := image.Decode(bytes.NewReader(g.read(f.Key)))
		if err != nil || format != "png" || f.Role != job.RoleImage {
			t.Fatalf("%s, %v", format, err)
		}
		if r, _, _, _ := img.At(0, 0).RGBA(); r>>8 != []uint32{40, 42}[i] {
			t.Errorf("image %d is of seed %d", i, r>>8)
		}
	}
	if r := g.engine.requests[0]; r.Seconds != 0.1 {
		t.Errorf("asked for %v s", r.Seconds)
	}
	n, refuse = 0, nil
	j = g.submit(job.Spec{Kind: job.Image, Count: 1, ImageType: "image/jpeg"})
	g.work()
	f := g.get(j).Result.Files[0]
	if _, format, err := image.DecodeConfig(bytes.NewReader(g.read(f.Key))); err != nil || format != "jpeg" || f.ContentType != "image/jpeg" {
		t.Errorf("a JPEG that was asked for is %s of type %s, %v", format, f.ContentType, err)
	}
	n, refuse = 0, map[int]bool{1: true, 2: true}
	j = g.submit(job.Spec{Kind: job.Image, Count: 2})
	g.work()
	if got := g.get(j); got.State != job.Failed || got.Error.Code != job.OutputUnsafe || got.Attempt != 1 {
		t.Errorf("%+v", got)
	}
	if len(g.keys()) != 3 {
		t.Errorf("blobs %q", g.keys())
	}
	g.clean(g.Runner)
}

type expander struct{ err error }

func (e expander) Expand(_ context.Context, prompt string) (string, error) {
	return "Description: " + prompt, e.err
}

func TestContext(t *testing.T) {
	g := newRig(t, store.SQLite, nil)
	j := g.submit(job.Spec{Kind: job.Expansion})
	if did, err := g.Work(t.Context()); did || err != nil {
		t.Fatalf("a worker without an upstream took it: %v", err)
	}
	g.Runner = g.runner(g.DB, func(o *Options) { o.Contexts = expander{} })
	g.work()
	if got := g.get(j); got.State != job.Succeeded || got.Result.Text != "Description: a red ball" {
		t.Errorf("%+v", got)
	}
	g.Runner = g.runner(g.DB, func(o *Options) { o.Contexts = expander{job.Errorf(job.Unavailable, "", "away")} })
	j = g.submit(job.Spec{Kind: job.Expansion})
	g.work()
	if got := g.get(j); got.State != job.Failed || got.Error.Code != job.PastAttempts || got.Attempt != job.DefaultAttempts || !strings.HasSuffix(got.Error.Message, "away") {
		t.Errorf("%+v, %v", got, got.Error)
	}
}

// TestCancel: a cancellation stops the engine. One through another process
// reaches it with the next heartbeat, at most maxBeat later.
func TestCancel(t *testing.T) {
	both(t, nil, func(t *testing.T, g *rig) {
		other := storetest.Open(t, g.url, store.Options{})
		began := make(chan bool, 1)
		g.engine.generate = untilCancelled(began)
		for name, db := range map[string]*store.DB{"same": g.DB, "other": other} {
			j := g.submit(job.Spec{Kind: job.Video, Seconds: 1})
			done := make(chan error, 1)
			go func() {
				_, err := g.Work(context.Background())
				done <- err
			}()
			<-began
			if _, err := db.Cancel(t.Context(), 1, j.ID, nil); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Fatalf("a cancel through the %s process does not stop the engine", name)
			}
			if got := g.get(j); got.State != job.Cancelled || got.Result != nil {
				t.Errorf("%+v", got)
			}
		}
		if !slices.Equal(g.settled, []job.State{job.Cancelled, job.Cancelled}) || len(g.keys()) != 0 {
			t.Errorf("settled %v, blobs %q", g.settled, g.keys())
		}
		g.clean(g.Runner)
	})
}

// TestFailures: the outcome of each kind of failure, and after how many attempts.
func TestFailures(t *testing.T) {
	kind := func(k kinora.Kind) error {
		return &kinora.Error{Kind: k, Op: "request", What: "seconds", Err: errBroken}
	}
	for name, tt := range map[string]struct {
		generate error
		save     error
		panics   bool
		full     string
		review   error
		maxTime  time.Duration
		code     job.Code
		attempts int
		message  string
	}{
		"invalid":      {generate: kind(kinora.Invalid), code: job.Invalid, attempts: 1, message: "request seconds: broken"},
		"unsupported":  {generate: kind(kinora.Unsupported), code: job.Unsupported, attempts: 1, message: "broken"},
		"internal":     {generate: kind(kinora.Internal), code: job.PastAttempts, attempts: 3, message: "on our side"},
		"storage":      {save: kind(kinora.Storage), code: job.PastAttempts, attempts: 3, message: "on our side"},
		"plain":        {generate: errBroken, code: job.PastAttempts, attempts: 3, message: "on our side"},
		"panic":        {panics: true, code: job.PastAttempts, attempts: 3, message: "on our side"},
		"full video":   {full: "video/", code: job.PastAttempts, attempts: 3, message: "disk is full"},
		"full stills":  {full: "image/", code: job.PastAttempts, attempts: 3, message: "disk is full"},
		"refused":      {review: job.Errorf(job.OutputUnsafe, "", "no"), code: job.OutputUnsafe, attempts: 1, message: "no"},
		"review away":  {review: job.Errorf(job.Unavailable, "", "away"), code: job.PastAttempts, attempts: 3, message: "away"},
		"takes long":   {maxTime: 50 * time.Millisecond, code: job.Timeout, attempts: 1, message: "longer than 50ms"},
		"own fault":    {generate: job.Errorf(job.Conflict, "", "clash"), code: job.Conflict, attempts: 1, message: "clash"},
		"foreign kind": {code: job.Unsupported, attempts: 1, message: `"odd"`},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, store.SQLite, func(o *Options) {
				o.MaxTime = tt.maxTime
				if tt.review != nil {
					o.Review = func(context.Context, job.Job, [][]byte) error { return tt.review }
				}
				o.Blobs = fullBlobs{o.Blobs, func(key string) bool { return tt.full != "" && strings.HasPrefix(key, tt.full) }}
			})
			g.engine.generate = func(ctx context.Context, _ kinora.Request) error {
				if tt.panics {
					panic("an engine's defect")
				}
				if tt.maxTime > 0 {
					<-ctx.Done()
					return ctx.Err()
				}
				return tt.generate
			}
			g.engine.save = func(context.Context) error { return tt.save }
			spec := job.Spec{Kind: job.Video, Seconds: 1}
			if name == "foreign kind" {
				spec.Kind = "odd"
			}
			j := g.submit(spec)
			g.work()
			got := g.get(j)
			if got.State != job.Failed || got.Error == nil || got.Error.Code != tt.code || got.Attempt != tt.attempts || got.Result != nil {
				t.Fatalf("%s after %d attempts, %+v", got.State, got.Attempt, got.Error)
			}
			if !strings.Contains(got.Error.Message, tt.message) || strings.Contains(got.Error.Message, g.Dir) {
				t.Errorf("its owner sees %q", got.Error.Message)
			}
			if !slices.Equal(g.settled, []job.State{job.Failed}) || len(g.counts.again) != tt.attempts-1 || !slices.Equal(g.counts.ended, []string{"failed " + string(tt.code)}) {
				t.Errorf("settled %v, again %v, ended %v", g.settled, g.counts.again, g.counts.ended)
			}
			for _, key := range g.keys() {
				if !strings.HasPrefix(key, blob.KindLatents+"/") { // dropped latents are for the janitor to delete
					t.Errorf("a blob is left: %s", key)
				}
			}
			g.clean(g.Runner)
		})
	}
}

// TestGoesOn: an attempt that failed after sampling is repeated from its latents.
// Latents that cannot be read, or fail again, are dropped.
func TestGoesOn(t *testing.T) {
	for name, tt := range map[string]struct {
		saves, loads      []error // what happens first, second, …
		generated, loaded int
	}{
		"once":       {saves: []error{errBroken}, generated: 1, loaded: 1},
		"twice":      {saves: []error{errBroken, errBroken}, generated: 2, loaded: 1},
		"unreadable": {saves: []error{errBroken}, loads: []error{errBroken}, generated: 2, loaded: 1},
		"not at all": {generated: 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, store.SQLite, nil)
			next := func(errs *[]error) error {
				if len(*errs) == 0 {
					return nil
				}
				err := (*errs)[0]
				*errs = (*errs)[1:]
				return err
			}
			g.engine.save = func(context.Context) error { return next(&tt.saves) }
			g.engine.load = func(context.Context) error { return next(&tt.loads) }
			j := g.submit(job.Spec{Kind: job.Video, Seconds: 1, Seed: 9})
			g.work()
			got := g.get(j)
			if got.State != job.Succeeded {
				t.Fatalf("%+v, %v", got, got.Error)
			}
			if generated, loaded := g.engine.count(); generated != tt.generated || loaded != tt.loaded {
				t.Errorf("sampled %d times and loaded %d times, want %d and %d", generated, loaded, tt.generated, tt.loaded)
			}
			if f, _ := got.Result.File(job.RoleVideo); string(g.read(f.Key)) != "video of seed 9" {
				t.Errorf("the video is %q", g.read(f.Key))
			}
		})
	}
}

// TestStops: when the process is to end, the job goes back to the queue, its
// attempt does not count, and another worker continues from its latents.
func TestStops(t *testing.T) {
	both(t, nil, func(t *testing.T, g *rig) {
		drawing := make(chan bool, 9)
		g.engine.save = func(ctx context.Context) error {
			drawing <- true
			<-ctx.Done()
			return ctx.Err()
		}
		j, _, err := g.DB.Submit(t.Context(), store.Submission{Job: job.Job{Project: 1, MaxAttempts: 1, Spec: job.Spec{Kind: job.Video, Engine: "fake", Prompt: "x", Seconds: 1}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := g.Work(ctx)
				done <- err
			}()
			<-drawing
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := g.get(j); got.State != job.Queued || got.Latents == "" {
				t.Fatalf("%+v", got)
			}
		}
		g.engine.save = nil
		g.work()
		if got := g.get(j); got.State != job.Succeeded {
			t.Errorf("%+v, %v", got, got.Error)
		}
		if generated, loaded := g.engine.count(); generated != 1 || loaded != 2 {
			t.Errorf("sampled %d times, loaded %d times", generated, loaded)
		}
		g.clean(g.Runner)
	})
}

// TestLate: a worker whose job another worker finished meanwhile throws away its
// result and changes nothing.
func TestLate(t *testing.T) {
	both(t, func(o *Options) { o.Lease = time.Hour }, func(t *testing.T, g *rig) {
		began, end := make(chan bool), make(chan bool)
		g.engine.generate = func(_ context.Context, r kinora.Request) error {
			if r.Seed == 1 {
				began <- true
				<-end // it does not watch its context
			}
			return nil
		}
		j := g.submit(job.Spec{Kind: job.Video, Seconds: 1, Seed: 1})
		done := make(chan error, 1)
		go func() {
			_, err := g.Work(context.Background())
			done <- err
		}()
		<-began
		// Its lease runs out by a clock that is two hours ahead.
		ahead := storetest.Open(t, g.url, store.Options{Now: func() time.Time { return time.Now().Add(2 * time.Hour) }})
		if requeued, _, _, err := ahead.Reap(t.Context(), ahead.Now(), nil); requeued != 1 || err != nil {
			t.Fatalf("%d requeued, %v", requeued, err)
		}
		other, ok, err := ahead.Claim(t.Context(), "other", time.Hour, nil)
		if !ok || err != nil || other.Attempt != 2 {
			t.Fatalf("%+v, %v", other, err)
		}
		right := store.Ending{State: job.Succeeded, Result: &job.Result{Text: "right"}}
		if _, err := ahead.Finish(t.Context(), j.ID, 2, right, nil); err != nil {
			t.Fatal(err)
		}
		close(end)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := g.get(j); got.State != job.Succeeded || got.Result.Text != "right" {
			t.Errorf("visible is %+v", got)
		}
		if len(g.keys()) != 0 || len(g.settled) != 0 || len(g.counts.ended) != 0 {
			t.Errorf("blobs %q, settled %v, ended %v", g.keys(), g.settled, g.counts.ended)
		}
		g.clean(g.Runner)
	})
}

// TestFirstFrame: a first frame is read from the blob store, and a missing one is
// an error that says so.
func TestFirstFrame(t *testing.T) {
	g := newRig(t, store.SQLite, nil)
	var png bytes.Buffer
	if err := media.EncodePNG(&png, picture(20, 10)); err != nil {
		t.Fatal(err)
	}
	key, err := blob.NewKey(blob.KindImage, "image/png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.blobs.Put(t.Context(), key, &png, blob.Meta{}); err != nil {
		t.Fatal(err)
	}
	with, without := g.submit(job.Spec{Kind: job.Video, Seconds: 1, FirstFrame: key}), g.submit(job.Spec{Kind: job.Video, Seconds: 1, FirstFrame: key + "x"})
	g.work()
	if got := g.get(with); got.State != job.Succeeded || g.engine.requests[0].Image.Bounds().Dx() != 20 {
		t.Errorf("%+v", got)
	}
	if got := g.get(without); got.State != job.Failed || got.Error.Code != job.Invalid {
		t.Errorf("%+v", got)
	}
	after := g.submit(job.Spec{Kind: job.Video, Seconds: 1, After: without.ID})
	g.work()
	if got := g.get(after); got.State != job.Failed || got.Error.Code != job.Invalid {
		t.Errorf("a job that continues a missing job: %+v", got)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a worker was made without options")
	}
	g := newRig(t, store.SQLite, nil)
	names := map[string]bool{}
	for range 3 {
		names[g.runner(g.DB, nil).Name] = true
	}
	if len(names) != 3 {
		t.Errorf("names %v", names)
	}
	g.Engines = nil
	g.engines = nil
	g.submit(job.Spec{Kind: job.Video, Seconds: 1})
	if did, err := g.Work(t.Context()); did || err != nil {
		t.Errorf("a worker without engines: %v, %v", did, err)
	}
}

func TestWait(t *testing.T) {
	for n, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second, 9: maxBackoff, 1000: maxBackoff} {
		a := &attempt{Runner: &Runner{Options: Options{Backoff: DefaultBackoff}}, job: job.Job{Attempt: n}}
		if got := a.wait(); got != want {
			t.Errorf("attempt %d waits %s, want %s", n, got, want)
		}
	}
}

// TestQueue: a runner works behind the store's queue, as in the server.
func TestQueue(t *testing.T) {
	both(t, nil, func(t *testing.T, g *rig) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		q, err := g.DB.StartQueue(ctx, store.QueueConfig{Workers: 2, Work: g.Work, Refund: g.settle})
		if err != nil {
			t.Fatal(err)
		}
		const n = 20
		var jobs []job.Job
		for i := range n {
			jobs = append(jobs, g.submit(job.Spec{Kind: job.Video, Seconds: 1, Seed: uint64(i)}))
		}
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			s, err := g.DB.Stats(t.Context())
			if err != nil || time.Now().After(end) {
				t.Fatalf("%+v, %v", s, err)
			}
			if s.Queued+s.Running == 0 {
				break
			}
		}
		stop, done := context.WithTimeout(context.Background(), patience)
		defer done()
		if err := q.Stop(stop); err != nil {
			t.Error(err)
		}
		for i, j := range jobs {
			got := g.get(j)
			f, _ := got.Result.File(job.RoleVideo)
			if got.State != job.Succeeded || string(g.read(f.Key)) != fmt.Sprint("video of seed ", i) {
				t.Errorf("%+v", got)
			}
		}
		if len(g.settled) != n {
			t.Errorf("%d were settled", len(g.settled))
		}
	})
}
