// Package apitest is what the tests of the APIs share: a service on a database of
// its own whose jobs a test moves by hand, a server of APIs on it, and requests.
package apitest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/service/servicetest"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
	"github.com/kinora-video/kinora/internal/web"
)

// Keys that a server of Serve knows.
const (
	KeyOne   = "kn-one"   // of the project one, with every scope but admin
	KeyTwo   = "kn-two"   // of the project two, likewise
	KeyRead  = "kn-read"  // of the project one, with jobs:read alone
	KeyAdmin = "kn-admin" // of a project of its own, with admin
)

// Service is a service on SQLite. A test moves its jobs by hand (Set, Finish) or
// lets them run as they come (OnSubmit), may let calls fail (OnCall), and sees
// what was submitted. No worker runs. Speech, and what a project may still
// spend, are as the test says.
type Service struct {
	*service.Service
	Keys map[string]auth.Principal

	// OnSubmit, if not nil, is called in a goroutine for each accepted job.
	OnSubmit func(f *Service, id job.ID)
	// OnCall, if not nil, is asked before each call by method name.
	OnCall func(method string) error
	// OnChat answers for the chat model, once UseChat was called.
	OnChat func(body []byte) (*service.ChatAnswer, error)
	// OnSpeak speaks; nil is a server that cannot.
	OnSpeak func(service.SpeechRequest) (service.SpeechResult, error)

	t     testing.TB
	ctx   context.Context // of the test, but for its end
	going sync.WaitGroup  // calls of OnSubmit
	mu    sync.Mutex
	clock time.Time
	order []job.ID
	asked []service.Submission
}

// New makes a service that ends with the test.
func New(t testing.TB) *Service {
	t.Helper()
	f := &Service{t: t, ctx: context.WithoutCancel(t.Context()), clock: time.Now().Truncate(time.Second)}
	o := servicetest.Options(t, f.now)
	f.Service = service.New(o)
	t.Cleanup(f.going.Wait) // before the database is closed
	all := []string{web.ScopeJobsWrite, web.ScopeJobsRead, web.ScopeFiles, web.ScopeUsage}
	one := servicetest.Tenant(t, &o, "one", all...)
	read := one
	read.Key.Scopes = []string{web.ScopeJobsRead}
	f.Keys = map[string]auth.Principal{
		KeyOne: one, KeyTwo: servicetest.Tenant(t, &o, "two", all...), KeyRead: read, KeyAdmin: servicetest.Tenant(t, &o, "admin", web.ScopeAdmin),
	}
	return f
}

// now is the database's clock. It goes on by a second for each thing that is made
// or changed, so that their order is told by their times.
func (f *Service) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *Service) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(time.Second)
}

// Serve starts a server of APIs on the loopback interface.
func (f *Service) Serve(t testing.TB, apis ...web.API) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for _, a := range apis {
		for _, rt := range a.Routes() {
			mux.HandleFunc(rt.Pattern, func(w http.ResponseWriter, r *http.Request) {
				info := &web.Info{ID: "req_test", Base: "http://" + r.Host}
				r = r.WithContext(web.WithInfo(r.Context(), info))
				w.Header().Set("X-Request-Id", info.ID)
				r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
				who, ok := f.Keys[cmp.Or(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), r.Header.Get("X-Api-Key"))]
				switch {
				case !ok:
					a.Fail(w, r, job.Errorf(job.Unauthorized, "", "the API key is not valid"))
				case rt.Scope != "" && !who.Can(rt.Scope):
					a.Fail(w, r, job.Errorf(job.Forbidden, "", "this key may not do that: it lacks the scope %q", rt.Scope))
				default:
					rt.Handle(w, r, who)
				}
			})
		}
	}
	s := httptest.NewServer(web.NewRouter(mux, apis))
	t.Cleanup(s.Close)
	return s
}

// UseChat gives the service a chat upstream, which answers as OnChat does.
func (f *Service) UseChat() {
	f.t.Helper()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var answer *service.ChatAnswer
		if err == nil && f.OnChat != nil {
			answer, err = f.OnChat(body)
		}
		if err != nil || answer == nil {
			http.Error(w, "no answer", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", answer.ContentType)
		w.WriteHeader(answer.Status)
		_, _ = io.Copy(w, answer.Body)
	}))
	f.t.Cleanup(up.Close)
	f.Chatter = servicetest.Upstream(f.t, up.URL)
}

// owner is the project of a job.
func (f *Service) owner(id job.ID) int64 {
	project, err := f.DB.ProjectOf(f.ctx, id)
	if err != nil {
		f.t.Errorf("job %d: %v", id, err)
	}
	return project
}

// Set changes a job, to whatever state.
func (f *Service) Set(id job.ID, change func(*job.Job)) {
	f.tick()
	storetest.ChangeJob(f.ctx, f.t, f.DB, f.owner(id), id, func(j *job.Job) {
		j.UpdatedAt = f.now()
		if change(j); j.State.Final() && j.FinishedAt.IsZero() {
			j.FinishedAt, j.ExpiresAt = j.UpdatedAt, j.UpdatedAt.Add(24*time.Hour)
		}
	})
}

// Drop removes a job without a trace.
func (f *Service) Drop(id job.ID) { storetest.DropJob(f.ctx, f.t, f.DB, id) }

// kinds are the kinds of blobs by media type.
var kinds = map[string]string{"video/mp4": blob.KindVideo, "image/webp": blob.KindImage, "image/jpeg": blob.KindImage, "image/png": blob.KindImage}

// Put keeps bytes and returns their key.
func (f *Service) Put(data []byte, mediaType string) string {
	key, err := blob.NewKey(kinds[mediaType], mediaType)
	if err == nil {
		_, err = f.Blobs.Put(f.ctx, key, bytes.NewReader(data), blob.Meta{ContentType: mediaType})
	}
	if err != nil {
		f.t.Errorf("keep %s: %v", mediaType, err)
	}
	return key
}

// Media makes a file of a result.
func (f *Service) Media(role job.Role, mediaType, data string, w, h int) job.File {
	sum := sha256.Sum256([]byte(data))
	return job.File{
		ID: store.NewID(), Role: role, Key: f.Put([]byte(data), mediaType), ContentType: mediaType, Bytes: int64(len(data)),
		SHA256: hex.EncodeToString(sum[:]), Width: w, Height: h,
	}
}

// Finish lets a video job succeed, with media whose bytes name it.
func (f *Service) Finish(id job.ID) {
	j := f.Peek(id)
	w, h := j.Spec.Width, j.Spec.Height
	if w == 0 {
		w, h = 256, 160
	}
	seconds := j.Spec.Seconds
	if j.Spec.Join {
		seconds += j.Spec.InputSeconds
	}
	res := &job.Result{
		Width: w, Height: h, FPS: 24, Seconds: seconds, Seed: j.Spec.Seed, Upscaled: w > 256 || h > 160,
		Files: []job.File{
			f.Media(job.RoleVideo, "video/mp4", "video of "+id.String(), w, h), f.Media(job.RoleThumbnail, "image/webp", "thumbnail of "+id.String(), 256, 160),
			f.Media(job.RoleSpritesheet, "image/jpeg", "spritesheet of "+id.String(), 1024, 640),
		},
	}
	f.Set(id, func(j *job.Job) { j.State, j.Result, j.Progress, j.Left = job.Succeeded, res, 1, 0 })
}

// Peek is a job as it is now.
func (f *Service) Peek(id job.ID) job.Job {
	j, err := f.DB.Job(f.ctx, f.owner(id), id)
	if err != nil {
		f.t.Errorf("job %d: %v", id, err)
	}
	return j
}

// Last is the latest submission that was accepted, with the spec of its job.
func (f *Service) Last(t testing.TB) service.Submission {
	t.Helper()
	all := f.Submissions()
	if len(all) == 0 {
		t.Fatal("nothing was submitted")
	}
	return all[len(all)-1]
}

// Count is how many submissions became jobs.
func (f *Service) Count() int { return len(f.Submissions()) }

// Submissions are those that became jobs, as they came.
func (f *Service) Submissions() []service.Submission {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// Order has the ids of the jobs, as they came.
func (f *Service) Order() []job.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.order)
}

func (f *Service) asks(method string) error {
	if f.OnCall != nil {
		return f.OnCall(method)
	}
	return nil
}

// Submit accepts a job.
func (f *Service) Submit(ctx context.Context, who auth.Principal, s service.Submission) (job.Job, error) {
	if err := f.asks("Submit"); err != nil {
		return job.Job{}, err
	}
	f.tick()
	j, err := f.Service.Submit(ctx, who, s)
	if err != nil {
		return j, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.order, j.ID) { // it was submitted before
		return j, nil
	}
	s.Spec = j.Spec
	f.order, f.asked = append(f.order, j.ID), append(f.asked, s)
	if f.OnSubmit != nil {
		f.going.Go(func() { f.OnSubmit(f, j.ID) })
	}
	return j, nil
}

// Job is the service's.
func (f *Service) Job(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error) {
	if err := f.asks("Job"); err != nil {
		return job.Job{}, err
	}
	return f.Service.Job(ctx, who, id)
}

// Follow is the service's.
func (f *Service) Follow(ctx context.Context, who auth.Principal, id job.ID, yield func(job.Job) bool) error {
	if err := f.asks("Follow"); err != nil {
		return err
	}
	return f.Service.Follow(ctx, who, id, yield)
}

// AddFile is the service's.
func (f *Service) AddFile(ctx context.Context, who auth.Principal, n service.NewFile, r io.Reader) (store.File, error) {
	f.tick()
	return f.Service.AddFile(ctx, who, n, r)
}

// Speak speaks as OnSpeak does, and live if it is asked to.
func (f *Service) Speak(ctx context.Context, who auth.Principal, r service.SpeechRequest) (service.SpeechResult, error) {
	if f.OnSpeak == nil {
		return service.SpeechResult{}, job.Errorf(job.Unsupported, "", "this server cannot speak")
	}
	live := r.Live
	r.Live = nil // tests compare requests
	out, err := f.OnSpeak(r)
	out.Size = int64(len(out.Data))
	if live != nil { // what was spoken before an error has gone out
		if _, e := live.Write(out.Data); e != nil {
			return service.SpeechResult{}, e
		}
		out.Data = nil
	}
	if err == nil && r.Keep {
		out.File, err = f.AddFile(ctx, who, service.NewFile{Purpose: "t2a", Name: "speech." + out.Format}, bytes.NewReader(out.Data))
	}
	return out, err
}

// Voices has one voice of this machine, and one of a customer.
func (f *Service) Voices(context.Context, string) (service.Voices, error) {
	return service.Voices{System: []service.SpeechVoice{{ID: "en-us", Name: "English (America)", About: []string{"espeak-ng, en-us"}}}, Cloned: []service.SpeechVoice{{ID: "mine"}}}, f.asks("Voices")
}

// Usage is what a project on the plan "free" has left.
func (f *Service) Usage(context.Context, auth.Principal) (service.Allowance, error) {
	return service.Allowance{
		Plan: "free", Balance: 5_000_000, HasBalance: true, Held: 270_000, CreditsTotal: 10_000_000, CreditsUsed: 2_500_000,
		PeriodEnds: f.now().AddDate(0, 1, 0), MaxJobsInFlight: 100,
	}, f.asks("Usage")
}

// PictureURL is the one URL that the service can fetch: a PNG of 320×200.
const PictureURL = "https://example.com/picture.png"

// Picture is the service's, but for PictureURL.
func (f *Service) Picture(ctx context.Context, who auth.Principal, param, ref string, rules service.PictureRules) (service.Picture, error) {
	if strings.EqualFold(ref, PictureURL) {
		return f.PictureFrom(ctx, who, param, bytes.NewReader(PNG(320, 200)), rules)
	}
	if service.HasScheme(ref, "http", "https") {
		return service.Picture{}, job.Errorf(job.Invalid, param, "%s: the URL cannot be fetched", param)
	}
	return f.Service.Picture(ctx, who, param, ref, rules)
}

// PNG is a picture of that size.
func PNG(w, h int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, w, h))); err != nil {
		panic(fmt.Sprint("a PNG in memory: ", err)) // its size is wrong
	}
	return b.Bytes()
}

// UseWords gives the model reel of the tests the vocabulary of the model inside the
// program.
func (f *Service) UseWords(t testing.TB) {
	t.Helper()
	reel, err := kinora.CapabilitiesOf("reel")
	if err != nil {
		t.Fatal(err)
	}
	c := f.Engines["reel"]
	c.Prompt.Words = reel.Prompt.Words
	f.Engines["reel"] = c
}
