package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/semaphore"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/moderation"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/text"
)

// Challenger proves that a callback URL wants to be called.
type Challenger interface {
	Challenge(ctx context.Context, url string) error
}

// Options are what a service is made of.
type Options struct {
	DB        *store.DB
	Blobs     *blob.Store
	Signer    *blob.Signer // of links
	Fetch     *egress.Client
	Filter    *moderation.Filter
	Meter     *meter.Meter
	Callbacks Challenger
	Chatter   *egress.Upstream               // the chat model; nil for none
	ChatModel string                         // its name, for requests that name none
	Talk      LocalChat                      // the language model of this machine
	Speech    *egress.Upstream               // nil for espeak-ng
	Engines   map[string]kinora.Capabilities // what the local models can do, by their names
	Log       *slog.Logger

	Models   []ModelName // the public ones
	Sponsors []meter.Sponsor
	Address  string // what links begin with that are made outside any request

	Queue     int           // jobs that may wait
	Attempts  int           // that a job gets
	Patience  time.Duration // that a job waits in the queue before it expires
	Seconds   int           // of the longest video
	Poll      time.Duration // between looks at a job whose changes another process makes; 0 is a second
	Waiters   int           // requests of a project that may wait for jobs at a time
	FreeSpace int64         // bytes that the disk must have left
	FileBytes int64         // of the largest upload
	KeepFiles time.Duration
	KeepLinks time.Duration // that a link is good which says nothing else
}

// ModelName is a public name of a local model.
type ModelName struct {
	Name   string  `yaml:"name"`
	Engine string  `yaml:"engine"`
	API    job.API `yaml:"api"`
	// LoRAs and Decoder are how the model is opened for this name, in the form of
	// the command line's --lora and --decoder.
	LoRAs   []string `yaml:"lora"`
	Decoder string   `yaml:"decoder"`
}

// Service is the use cases of the platform. It holds no state of its own beside
// what it was made of.
type Service struct {
	Options

	pictures *semaphore.Weighted // of picturesAtOnce
	maxPNG   int                 // bytes of a picture as it is kept: what a worker reads; tests take less
	speeches *semaphore.Weighted // of speechesAtOnce
	talks    talkQueue
	tracks   *semaphore.Weighted // of tracksAtOnce

	waitingMu sync.Mutex
	waiting   map[int64]int // requests that wait for jobs, by project
}

// New makes a service of its parts.
func New(o Options) *Service {
	return &Service{
		Options: o, waiting: map[int64]int{},
		pictures: semaphore.NewWeighted(picturesAtOnce), maxPNG: media.MaxImageBytes, speeches: semaphore.NewWeighted(speechesAtOnce),
		tracks: semaphore.NewWeighted(tracksAtOnce),
	}
}

// Submit accepts a job.
func (s *Service) Submit(ctx context.Context, who auth.Principal, sub Submission) (job.Job, error) {
	j, err := s.submit(ctx, who, sub)
	for _, key := range sub.Spec.Inputs() {
		if err != nil || !slices.Contains(j.Spec.Inputs(), key) {
			s.dropUnknown(ctx, key) // it was refused, or is there already
		}
	}
	return j, err
}

func (s *Service) submit(ctx context.Context, who auth.Principal, sub Submission) (job.Job, error) {
	if err := s.check(&sub); err != nil {
		return job.Job{}, err
	}
	if err := s.words(ctx, who, &sub); err != nil {
		return job.Job{}, err
	}
	s.note(&sub.Spec)
	if err := s.CheckRoom(); err != nil {
		return job.Job{}, err
	}
	if sub.Callback != "" {
		if err := s.Callbacks.Challenge(ctx, sub.Callback); err != nil {
			return job.Job{}, err
		}
	}
	price, err := s.Meter.Quote(sub.Spec)
	if err != nil {
		return job.Job{}, err
	}
	now := s.DB.Now()
	j := job.Job{
		ID: job.ID(store.NewID()), Project: who.Project.ID, Key: who.Key.ID, API: sub.API, Spec: sub.Spec, State: job.Queued,
		Priority: job.DefaultPriority, MaxAttempts: s.Attempts, Callback: sub.Callback, Price: price,
		Sponsor: who.Project.Sponsored && len(s.Sponsors) > 0, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(s.Patience),
	}
	if sub.Priority != nil {
		j.Priority = *sub.Priority
	}
	hash := sha256.Sum256(slices.Concat([]byte(sub.Path), []byte{0}, sub.Body)) // no path holds a 0
	made, _, err := s.DB.Submit(ctx, store.Submission{
		Job: j, IdempotencyKey: sub.IdempotencyKey, RequestHash: hex.EncodeToString(hash[:]),
		MaxQueued: s.Queue, MaxInFlight: who.Project.MaxInFlight, MaxKeyInFlight: who.Key.MaxInFlight,
		Weight: who.Project.Weight, MaxRunning: who.Project.MaxRunning,
	}, s.Meter.Reserve)
	return made, err
}

// MaxIdempotencyKey is the length of an idempotency key in bytes.
const MaxIdempotencyKey = 255

// check holds a submission to the limits of every job.
func (s *Service) check(sub *Submission) error {
	sp := &sub.Spec
	sp.Prompt, sp.Asked = text.Unmarked(sp.Prompt), text.Unmarked(sp.Asked)
	if sp.Kind == job.Expansion {
		sp.Engine = "" // no model runs it, but a worker that has the chat upstream
	}
	can, ok := s.Engines[sp.Engine]
	switch {
	case !ok && sp.Kind != job.Expansion:
		return job.Errorf(job.Internal, "", "the model %s has no engine here", sp.Model)
	case !utf8.ValidString(sp.Prompt):
		return job.Errorf(job.Invalid, "prompt", "the prompt is not valid UTF-8")
	case utf8.RuneCountInString(sp.Prompt) > job.MaxPromptChars:
		return job.Errorf(job.Invalid, "prompt", "the prompt has more than %d characters", job.MaxPromptChars)
	case strings.TrimSpace(sp.Prompt) == "" && sp.FirstFrame == "" && sp.After == 0:
		return job.Errorf(job.Invalid, "prompt", "the prompt is empty: say what should happen")
	case sp.Kind == job.Video && (sp.Seconds <= 0 || sp.Seconds > float64(s.Seconds)):
		return job.Errorf(job.Invalid, "seconds", "%v seconds is out of range: more than 0, at most %d", sp.Seconds, s.Seconds)
	case sp.Kind == job.Image && (sp.Count < 1 || sp.Count > job.MaxImages):
		return job.Errorf(job.Invalid, "n", "%d images is out of range: 1 to %d", sp.Count, job.MaxImages)
	case sub.Priority != nil && (*sub.Priority < 0 || *sub.Priority > job.MaxPriority):
		return job.Errorf(job.Invalid, "priority", "%d is out of range: 0 to %d", *sub.Priority, job.MaxPriority)
	case len(sub.IdempotencyKey) > MaxIdempotencyKey:
		return job.Errorf(job.Invalid, "Idempotency-Key", "it has more than %d bytes", MaxIdempotencyKey)
	case sp.Kind == job.Expansion:
		return nil
	}
	return checkModel(sp, can)
}

// checkModel holds what a job asks for to what its model can do.
func checkModel(sp *job.Spec, can kinora.Capabilities) error {
	r := kinora.Request{
		Prompt: sp.Prompt, Seconds: sp.Seconds, Steps: sp.Steps, Guidance: sp.Guidance, Width: sp.Width, Height: sp.Height, FPS: sp.FPS,
	}
	if sp.FirstFrame != "" || sp.After != 0 {
		r.Image = image.Black // whatever it shows
	}
	switch {
	case sp.Kind == job.Image:
		r.Seconds = 1 / float64(can.Rate(sp.FPS))
	case sp.Join: // the worker asks for the frame that both parts have too
		r.Seconds += 1 / float64(cmp.Or(sp.FPS, can.Rate(0)))
	}
	err := r.Check(can)
	e, ok := errors.AsType[*kinora.Error](err)
	if !ok {
		return err // nil, as every refusal is one
	}
	code := job.Invalid
	if e.Kind == kinora.Unsupported {
		code = job.Unsupported
	}
	why := fmt.Sprintf("%s: %v", e.What, e.Err)
	if e.Hint != "" {
		why += ": " + e.Hint
	}
	return &job.Error{Code: code, Param: strings.ReplaceAll(e.What, " ", "_"), Message: why, Err: e}
}

// note says in a spec where the model will make something else than is asked
// for. What the spec says already, as that of a video made again does, is not
// said twice.
func (s *Service) note(sp *job.Spec) {
	if sp.Kind == job.Expansion {
		return
	}
	can := s.Engines[sp.Engine]
	for _, note := range can.PromptNotes(sp.Prompt) {
		if !slices.Contains(sp.PromptNotes, note) {
			sp.PromptNotes = append(sp.PromptNotes, note)
		}
	}
	if how := fitted(sp, can); how != "" {
		note := fmt.Sprintf("%s draws %v pixels; the result is %s", sp.Engine, can.Sizes.Pick(kinora.Size{Width: sp.Width, Height: sp.Height}), how)
		if !slices.Contains(sp.Notes, note) {
			sp.Notes = append(sp.Notes, note)
		}
	}
}

// fitted says how a result comes from the frames that a model draws, where the
// one who asked should know.
func fitted(sp *job.Spec, can kinora.Capabilities) string {
	switch cut, enlarged := can.Fit(sp.Width, sp.Height); {
	case cut && enlarged:
		return "cut from the middle of that and enlarged"
	case cut:
		return "cut from the middle of that"
	case enlarged:
		return "enlarged from that"
	}
	return ""
}

// CheckRoom refuses work that the disk could not hold the result of.
func (s *Service) CheckRoom() error {
	err := s.Blobs.Room(uint64(s.FreeSpace))
	if err == nil {
		return nil
	}
	why := "the server's media cannot be reached: try again later"
	if errors.Is(err, blob.ErrNoSpace) {
		why = "the server's disk is full, or nearly (limits.free_space): try again later"
	}
	return &job.Error{Code: job.Unavailable, Message: why, RetryAfter: time.Minute, Err: err}
}

// Job returns one of the project's jobs.
func (s *Service) Job(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error) {
	return s.DB.Job(ctx, who.Project.ID, id)
}

// Jobs lists the project's jobs.
func (s *Service) Jobs(ctx context.Context, who auth.Principal, f store.JobFilter) ([]job.Job, int, error) {
	f.Project = who.Project.ID
	return s.DB.Jobs(ctx, f)
}

// Cancel stops a job.
func (s *Service) Cancel(ctx context.Context, who auth.Principal, id job.ID) (job.Job, error) {
	return s.DB.Cancel(ctx, who.Project.ID, id, s.Meter.Refund)
}

// Delete removes a finished job with its files.
func (s *Service) Delete(ctx context.Context, who auth.Principal, id job.ID) error {
	keys, err := s.DB.Delete(ctx, who.Project.ID, id)
	if err != nil {
		return err
	}
	s.DropBlobs(ctx, keys)
	return nil
}

// DropBlobs deletes bytes that no row knows any more. What cannot be deleted
// now is the janitor's.
func (s *Service) DropBlobs(ctx context.Context, keys []string) {
	for _, key := range keys {
		if err := s.Blobs.Delete(context.WithoutCancel(ctx), key); err != nil {
			s.Log.Warn("deleting media", "key", key, "error", err)
		}
	}
}

// dropUnknown deletes a blob that was stored for a job that did not come to be.
// What a row knows is another job's; what cannot be asked is the janitor's.
func (s *Service) dropUnknown(ctx context.Context, key string) {
	if known, err := s.DB.KnownKey(context.WithoutCancel(ctx), key); err == nil && !known {
		s.DropBlobs(ctx, []string{key})
	}
}

// Position is how many jobs will start before a queued one, at most
// store.MaxPosition.
func (s *Service) Position(ctx context.Context, id job.ID) (int, error) {
	return s.DB.Position(ctx, id)
}

// Wait blocks until the job is final or ctx ends, and returns its latest known
// state.
func (s *Service) Wait(ctx context.Context, who auth.Principal, j job.Job) (job.Job, error) {
	looked := false
	err := s.Follow(ctx, who, j.ID, func(now job.Job) bool { j, looked = now, true; return true })
	if looked || ctx.Err() != nil { // ctx may end before the first look
		err = nil
	}
	return j, err
}

// StartWaiting counts one more of the project's requests that wait for jobs.
func (s *Service) StartWaiting(who auth.Principal) (done func(), err error) {
	s.waitingMu.Lock()
	defer s.waitingMu.Unlock()
	project := who.Project.ID
	if s.waiting[project] >= s.Waiters {
		return nil, &job.Error{
			Code: job.RateLimited, RetryAfter: 5 * time.Second,
			Message: fmt.Sprintf("the project has %d requests that wait for jobs, such as event streams: end some, or ask again now and then instead", s.Waiters),
		}
	}
	s.waiting[project]++
	return sync.OnceFunc(func() {
		s.waitingMu.Lock()
		defer s.waitingMu.Unlock()
		if s.waiting[project]--; s.waiting[project] == 0 {
			delete(s.waiting, project)
		}
	}), nil
}

// followEvery is how often a job is looked at whose changes another process
// makes, where Options say nothing.
const followEvery = time.Second

// Follow hands over the job at each change until it is final.
func (s *Service) Follow(ctx context.Context, who auth.Principal, id job.ID, yield func(job.Job) bool) error {
	changed, stop := s.DB.Follow(id)
	defer stop()
	tick := time.NewTicker(cmp.Or(s.Poll, followEvery))
	defer tick.Stop()
	seen := int64(-1)
	for {
		j, err := s.DB.Job(ctx, who.Project.ID, id)
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
		case <-tick.C:
		}
	}
}

// Offers are the public models.
func (s *Service) Offers() []Offer {
	out := make([]Offer, 0, len(s.Models))
	for _, m := range s.Models {
		can := s.Engines[m.Engine]
		can.Lengths.Max = min(can.Lengths.Max, float64(s.Seconds))
		out = append(out, Offer{Name: m.Name, Engine: m.Engine, API: m.API, Can: can, Created: offersSince})
	}
	return out
}

// offersSince is the creation time that model lists show: the day the storybook's
// model was first released.
var offersSince = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// Offer finds a public model by its name.
func (s *Service) Offer(name string) (Offer, error) {
	offers := s.Offers()
	names := make([]string, 0, len(offers))
	for _, o := range offers {
		if o.Name == name {
			return o, nil
		}
		names = append(names, o.Name)
	}
	return Offer{}, job.Errorf(job.NotFound, "model", "there is no model %.60q: the models are %s", name, strings.Join(names, ", "))
}

// Usage is what the project may still spend.
func (s *Service) Usage(ctx context.Context, who auth.Principal) (Allowance, error) {
	b, err := s.Meter.Allowance(ctx, who.Project)
	if err != nil {
		return Allowance{}, err
	}
	_, running, err := s.DB.Jobs(ctx, store.JobFilter{Project: who.Project.ID, States: []job.State{job.Queued, job.Running}, Limit: 1})
	return Allowance{
		Plan: who.Project.Plan, Postpaid: who.Project.Postpaid, Balance: b.Balance, HasBalance: b.HasBalance, Used: b.Used, Held: b.Held,
		CreditsTotal: b.CreditsTotal, CreditsUsed: b.CreditsUsed, PeriodEnds: b.PeriodEnds,
		JobsInFlight: running, MaxJobsInFlight: who.Project.MaxInFlight,
	}, err
}

// Waiting is how many requests wait for jobs now, of all projects.
func (s *Service) Waiting() (n int) {
	s.waitingMu.Lock()
	defer s.waitingMu.Unlock()
	for _, of := range s.waiting {
		n += of
	}
	return n
}
