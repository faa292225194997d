package apitest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	_ "image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// Keys that a fake server knows.
const (
	KeyOne   = "kn-one"   // project 1, every scope but admin
	KeyTwo   = "kn-two"   // project 2, likewise
	KeyRead  = "kn-read"  // project 1, jobs:read alone
	KeyAdmin = "kn-admin" // project 9, admin
)

var Keys = map[string]auth.Principal{
	KeyOne:   fakePrincipal(1, "jobs:write", "jobs:read", "files", "usage"),
	KeyTwo:   fakePrincipal(2, "jobs:write", "jobs:read", "files", "usage"),
	KeyRead:  fakePrincipal(1, "jobs:read"),
	KeyAdmin: fakePrincipal(9, "admin"),
}

func fakePrincipal(project int64, scopes ...string) auth.Principal {
	return auth.Principal{
		Project: store.Project{ID: project, Name: fmt.Sprint("project ", project), Plan: "free", MaxInFlight: 100},
		Key:     store.Key{ID: 100 + project, Project: project, Scopes: scopes},
	}
}

// Fake is a Backend in memory. A test moves its jobs by hand (set, finish) or
// lets them run as they come (auto).
type Fake struct {
	Mu          sync.Mutex
	changed     chan struct{} // closed at each change, and replaced
	ByID        map[job.ID]*job.Job
	Order       []job.ID // as they were submitted
	Submissions []service.Submission
	idem        map[string]job.ID // project and key to job
	idemSum     map[string]string
	files       map[int64]store.File
	Stored      map[string][]byte
	nextID      int64
	follow      map[int64]int // followers, by project
	Clock       time.Time

	// auto, if not nil, is called in a goroutine for each accepted job.
	OnSubmit func(f *Fake, id job.ID)
	// fail, if not nil, is asked before each call by method name.
	OnCall func(method string) error
	// maxFollow bounds the followers of a project.
	Waiters   int
	Models    []service.Offer
	ChatThere bool
	OnChat    func(body []byte) (*service.ChatAnswer, error)
	OnSpeak   func(service.SpeechRequest) (service.SpeechResult, error)
	allowance service.Allowance
}

func NewFake() *Fake {
	made := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	offer := func(name string, api job.API) service.Offer {
		return service.Offer{Name: name, Engine: "reel", API: api, Width: 256, Height: 160, FPS: 24, TakesImage: true, Created: made}
	}
	still := offer("testcard", "")
	still.Engine, still.TakesImage = "testcard", false
	return &Fake{
		changed: make(chan struct{}), ByID: map[job.ID]*job.Job{}, idem: map[string]job.ID{}, idemSum: map[string]string{},
		files: map[int64]store.File{}, Stored: map[string][]byte{}, follow: map[int64]int{}, Waiters: 4,
		nextID: int64(job.MinID), Clock: made,
		Models: []service.Offer{
			offer("reel", ""), still, offer("sora-2", job.OpenAI), offer("sora-2-pro", job.OpenAI),
			offer("video-01", job.MiniMaxV1), offer("T2V-01", job.MiniMaxV1), offer("T2V-01-Director", job.MiniMaxV1), offer("I2V-01", job.MiniMaxV1), offer("I2V-01-Director", job.MiniMaxV1),
			offer("I2V-01-live", job.MiniMaxV1), offer("S2V-01", job.MiniMaxV1), offer("MiniMax-Hailuo-02", job.MiniMaxV1),
			offer("MiniMax-Hailuo-2.3", job.MiniMaxV1), offer("MiniMax-Hailuo-2.3-Fast", job.MiniMaxV1), offer("abab-video-1", job.MiniMaxV1), offer("image-01", job.MiniMaxV1),
			offer("image-01-live", job.MiniMaxV1), offer("MiniMax-H3", job.MiniMaxV2),
		},
		allowance: service.Allowance{Plan: "free", Balance: 5_000_000, HasBalance: true, Held: 270_000, CreditsTotal: 10_000_000, CreditsUsed: 2_500_000, PeriodEnds: made.AddDate(0, 1, 0), MaxJobsInFlight: 100},
	}
}

// Serve starts a server of APIs on the loopback interface.
func (f *Fake) Serve(t testing.TB, apis ...web.API) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for _, a := range apis {
		for _, rt := range a.Routes() {
			mux.HandleFunc(rt.Pattern, func(w http.ResponseWriter, r *http.Request) {
				info := &web.Info{ID: "req_test", Base: "http://" + r.Host}
				r = r.WithContext(web.WithInfo(r.Context(), info))
				w.Header().Set("X-Request-Id", info.ID)
				r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
				who, ok := Keys[cmp.Or(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), r.Header.Get("X-Api-Key"))]
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

func (f *Fake) asks(method string) error {
	if f.OnCall != nil {
		return f.OnCall(method)
	}
	return nil
}

// Wake tells followers of a change. The lock is held.
func (f *Fake) Wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Set changes a job.
func (f *Fake) Set(id job.ID, change func(*job.Job)) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	j := f.ByID[id]
	change(j)
	f.Clock = f.Clock.Add(time.Second)
	j.Revision++
	j.UpdatedAt = f.Clock
	if j.State.Final() && j.FinishedAt.IsZero() {
		j.FinishedAt, j.ExpiresAt = f.Clock, f.Clock.Add(24*time.Hour)
	}
	f.Wake()
}

// Put keeps bytes and returns their key.
func (f *Fake) Put(data []byte, ext string) string {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	sum := sha256.Sum256(data)
	key := "test/" + hex.EncodeToString(sum[:8]) + ext
	f.Stored[key] = data
	return key
}

// blobTypes are the media types of the fake's keys.
var blobTypes = map[string]string{".mp4": "video/mp4", ".webp": "image/webp", ".jpg": "image/jpeg", ".png": "image/png"}

// Media makes a file of a result.
func (f *Fake) Media(role job.Role, ext, data string, w, h int) job.File {
	key := f.Put([]byte(data), ext)
	sum := sha256.Sum256([]byte(data))
	f.Mu.Lock()
	defer f.Mu.Unlock()
	f.nextID++
	return job.File{ID: f.nextID, Role: role, Key: key, ContentType: blobTypes[ext], Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Width: w, Height: h}
}

// Finish lets a video job succeed, with media whose bytes name it.
func (f *Fake) Finish(id job.ID) {
	j, _ := f.Peek(id)
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
			f.Media(job.RoleVideo, ".mp4", "video of "+id.String(), w, h), f.Media(job.RoleThumbnail, ".webp", "thumbnail of "+id.String(), 256, 160),
			f.Media(job.RoleSpritesheet, ".jpg", "spritesheet of "+id.String(), 1024, 640),
		},
	}
	f.Set(id, func(j *job.Job) { j.State, j.Result, j.Progress, j.Left = job.Succeeded, res, 1, 0 })
}

func (f *Fake) Peek(id job.ID) (job.Job, bool) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	j, ok := f.ByID[id]
	if !ok {
		return job.Job{}, false
	}
	return *j, true
}

// Last is the latest submission.
func (f *Fake) Last(t testing.TB) service.Submission {
	t.Helper()
	f.Mu.Lock()
	defer f.Mu.Unlock()
	if len(f.Submissions) == 0 {
		t.Fatal("nothing was submitted")
	}
	return f.Submissions[len(f.Submissions)-1]
}

// Count is how many submissions there were.
func (f *Fake) Count() int {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	return len(f.Submissions)
}

func (f *Fake) Submit(_ context.Context, who auth.Principal, s service.Submission) (job.Job, error) {
	if err := f.asks("Submit"); err != nil {
		return job.Job{}, err
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	key := fmt.Sprint(who.Project.ID, " ", s.IdempotencyKey)
	sum := fmt.Sprintf("%x", sha256.Sum256(s.Body))
	if id, ok := f.idem[key]; ok && s.IdempotencyKey != "" {
		if f.idemSum[key] != sum {
			return job.Job{}, job.Errorf(job.Conflict, "", "the idempotency key was used with another request")
		}
		return *f.ByID[id], nil
	}
	if s.Spec.Width > 256 || s.Spec.Height > 160 {
		s.Spec.Notes = append(s.Spec.Notes, "reel draws 256×160 pixels; the result is enlarged from that")
	}
	f.nextID++
	f.Clock = f.Clock.Add(time.Second)
	j := &job.Job{
		ID: job.ID(f.nextID), Project: who.Project.ID, Key: who.Key.ID, API: s.API, Spec: s.Spec, State: job.Queued,
		Priority: job.DefaultPriority, MaxAttempts: job.DefaultAttempts, Callback: s.Callback, Price: 270_000, Revision: 1,
		Sponsor: who.Project.Sponsored, CreatedAt: f.Clock, UpdatedAt: f.Clock, ExpiresAt: f.Clock.Add(time.Hour),
	}
	if s.Priority != nil {
		j.Priority = *s.Priority
	}
	f.ByID[j.ID], f.idem[key], f.idemSum[key] = j, j.ID, sum
	f.Order = append(f.Order, j.ID)
	f.Submissions = append(f.Submissions, s)
	f.Wake()
	if f.OnSubmit != nil {
		go f.OnSubmit(f, j.ID)
	}
	return *j, nil
}

func (f *Fake) Job(_ context.Context, who auth.Principal, id job.ID) (job.Job, error) {
	if err := f.asks("Job"); err != nil {
		return job.Job{}, err
	}
	j, ok := f.Peek(id)
	if !ok || j.Project != who.Project.ID {
		return job.Job{}, job.Errorf(job.NotFound, "", "there is no job %s", id)
	}
	return j, nil
}

// among says whether x is in list, or list is empty.
func among[T comparable](list []T, x T) bool { return len(list) == 0 || slices.Contains(list, x) }

func (f *Fake) Jobs(_ context.Context, who auth.Principal, q store.JobFilter) ([]job.Job, int, error) {
	if err := f.asks("Jobs"); err != nil {
		return nil, 0, err
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	ids := slices.Clone(f.Order)
	if !q.Ascending {
		slices.Reverse(ids)
	}
	if q.After != 0 {
		i := slices.Index(ids, q.After)
		if i < 0 || f.ByID[q.After].Project != who.Project.ID {
			return nil, 0, job.Errorf(job.NotFound, "after", "there is no job %s", q.After)
		}
		ids = ids[i+1:]
	}
	var out []job.Job
	for _, id := range ids {
		j := f.ByID[id]
		ok := j.Project == who.Project.ID && among(q.States, j.State) && among(q.API, j.API) && among(q.IDs, j.ID) &&
			among(q.Models, j.Spec.Model) && among(q.TaskTypes, j.Spec.TaskType) && (q.Kind == "" || q.Kind == j.Spec.Kind) && !j.CreatedAt.Before(q.Since)
		if ok {
			out = append(out, *j)
		}
	}
	total := len(out)
	out = out[min(q.Offset, len(out)):]
	if q.Limit > 0 {
		out = out[:min(q.Limit, len(out))]
	}
	return out, total, nil
}

func (f *Fake) Cancel(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error) {
	j, err := f.Job(ctx, who, id)
	if err == nil {
		err = f.asks("Cancel")
	}
	switch {
	case err != nil:
		return job.Job{}, err
	case j.State.Final():
		return job.Job{}, job.Errorf(job.Conflict, "", "the job is %s already", j.State)
	case j.State == job.Queued:
		f.Set(id, func(j *job.Job) { j.State = job.Cancelled })
	default:
		f.Set(id, func(j *job.Job) { j.CancelAsked = true })
	}
	return f.Job(ctx, who, id)
}

func (f *Fake) Delete(ctx context.Context, who auth.Principal, id job.ID) error {
	j, err := f.Job(ctx, who, id)
	if err != nil {
		return err
	}
	if !j.State.Final() {
		return job.Errorf(job.Conflict, "", "the job is %s: cancel it first", j.State)
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	delete(f.ByID, id)
	f.Order = slices.DeleteFunc(f.Order, func(x job.ID) bool { return x == id })
	if j.Result != nil {
		for _, file := range j.Result.Files {
			delete(f.Stored, file.Key)
		}
	}
	return nil
}

func (f *Fake) Position(_ context.Context, id job.ID) (int, error) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	ahead := 0
	for _, other := range f.Order {
		if other == id {
			return ahead, nil
		}
		if f.ByID[other].State == job.Queued {
			ahead++
		}
	}
	return 0, job.Errorf(job.NotFound, "", "there is no job %s", id)
}

func (f *Fake) Wait(ctx context.Context, who auth.Principal, j job.Job) (job.Job, error) {
	looked := false
	err := f.watch(ctx, who, j.ID, func(now job.Job) bool { j, looked = now, true; return true })
	if looked || ctx.Err() != nil {
		err = nil
	}
	return j, err
}

func (f *Fake) StartWaiting(who auth.Principal) (done func(), err error) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	if f.follow[who.Project.ID] >= f.Waiters {
		return nil, &job.Error{Code: job.RateLimited, Message: "too many requests wait", RetryAfter: 5 * time.Second}
	}
	f.follow[who.Project.ID]++
	return func() {
		f.Mu.Lock()
		defer f.Mu.Unlock()
		f.follow[who.Project.ID]--
	}, nil
}

func (f *Fake) Follow(ctx context.Context, who auth.Principal, id job.ID, yield func(job.Job) bool) error {
	return f.watch(ctx, who, id, yield)
}

// Following is how many followers a project has.
func (f *Fake) Following(project int64) int {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	return f.follow[project]
}

func (f *Fake) watch(ctx context.Context, who auth.Principal, id job.ID, yield func(job.Job) bool) error {
	for seen := int64(-1); ; {
		f.Mu.Lock()
		changed := f.changed
		f.Mu.Unlock()
		j, err := f.Job(ctx, who, id)
		if err != nil {
			return err
		}
		if j.Revision != seen {
			seen = j.Revision
			if !yield(j) {
				return nil
			}
		}
		if j.State.Final() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// PictureURL is the one URL that the fake can fetch: a PNG of 320×200.
const PictureURL = "https://example.com/picture.png"

// PNG is a PNG.
func PNG(w, h int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, w, h)))
	return b.Bytes()
}

func (f *Fake) Picture(ctx context.Context, who auth.Principal, param, ref string, rules service.PictureRules) (service.Picture, error) {
	if err := f.asks("Picture"); err != nil {
		return service.Picture{}, err
	}
	if service.HasScheme(ref, "mm_file") {
		ref = "file:" + ref[len("mm_file://"):]
	}
	switch id, ok := strings.CutPrefix(ref, "file:"); {
	case ok:
		n, _ := service.ParseFileID(id)
		file, err := f.File(ctx, who, n)
		if err != nil {
			return service.Picture{}, job.Errorf(job.Invalid, param, "%s: there is no file %s: upload it first", param, id)
		}
		f.Mu.Lock()
		data := f.Stored[file.Key]
		f.Mu.Unlock()
		return f.PictureFrom(ctx, who, param, bytes.NewReader(data), rules)
	case service.HasScheme(ref, "data"):
		data, err := dataOf(ref)
		if err != nil {
			return service.Picture{}, job.Errorf(job.Invalid, param, "%s: %v", param, err)
		}
		return f.PictureFrom(ctx, who, param, bytes.NewReader(data), rules)
	case strings.EqualFold(ref, PictureURL):
		return f.PictureFrom(ctx, who, param, bytes.NewReader(PNG(320, 200)), rules)
	}
	return service.Picture{}, job.Errorf(job.Invalid, param, "%s: the URL cannot be fetched", param)
}

func (f *Fake) PictureFrom(_ context.Context, _ auth.Principal, param string, r io.Reader, rules service.PictureRules) (service.Picture, error) {
	if err := f.asks("PictureFrom"); err != nil {
		return service.Picture{}, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return service.Picture{}, err
	}
	if rules.MaxBytes > 0 && int64(len(data)) > rules.MaxBytes {
		return service.Picture{}, job.Errorf(job.Invalid, param, "%s: the image has more than %d bytes", param, rules.MaxBytes)
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return service.Picture{}, job.Errorf(job.Invalid, param, "%s: it is no image that can be read", param)
	}
	short, aspect := min(c.Width, c.Height), float64(c.Width)/float64(c.Height)
	if short < rules.MinSide || rules.MinAspect > 0 && aspect < rules.MinAspect || rules.MaxAspect > 0 && aspect > rules.MaxAspect {
		return service.Picture{}, job.Errorf(job.Invalid, param, "%s: an image of %d×%d pixels is not taken", param, c.Width, c.Height)
	}
	return service.Picture{Key: f.Put(data, ".png"), Width: c.Width, Height: c.Height}, nil
}
