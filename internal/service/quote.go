package service

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Quote is what a job would cost, and when it would be finished.
type Quote struct {
	Price int64         // micros
	Takes time.Duration // once it runs, about
	Wait  time.Duration // until it begins, about; no more than this where other projects have jobs
	Ahead int           // jobs that wait or run now, of all projects
	// Unknown are the words of the prompt that the model was never taught.
	Unknown []UnknownWord
	Notes   []string // as a job's
}

// UnknownWord is a word that a model was never taught.
type UnknownWord struct {
	Word    string
	Nearest string // the known word that comes nearest; "" for none
}

// Limits of quotes.
const (
	quotedPending = 500 // jobs in flight that are looked at
	quotedRecent  = 9   // jobs of the past that the time is told by
	quotedUnknown = 50  // words that are named
)

// Quote checks a job as Submit does, and says what it would cost. It submits
// nothing, and the prompt is not moderated.
func (s *Service) Quote(ctx context.Context, _ auth.Principal, sub Submission) (Quote, error) {
	if err := s.check(&sub); err != nil {
		return Quote{}, err
	}
	s.note(&sub.Spec)
	q := Quote{Notes: slices.Concat(sub.Spec.PromptNotes, sub.Spec.Notes), Unknown: s.unknown(&sub.Spec)}
	var err error
	if q.Price, err = s.Meter.Quote(sub.Spec); err != nil {
		return q, err
	}
	times := map[string]pace{}
	if q.Takes, err = s.takes(ctx, times, &sub.Spec); err != nil {
		return q, err
	}
	pending, err := s.DB.Pending(ctx, quotedPending)
	if err != nil {
		return q, err
	}
	running := 0
	for _, j := range pending {
		all, err := s.takes(ctx, times, &j.Spec)
		if err != nil {
			return q, err
		}
		if j.State == job.Running {
			running++
			if all = time.Duration(float64(all) * (1 - j.Progress)); j.Left > 0 {
				all = j.Left
			}
		}
		q.Wait += all
	}
	q.Ahead = len(pending)
	q.Wait /= time.Duration(max(1, running))
	return q, nil
}

// unknown lists the words of a prompt that its model was never taught.
func (s *Service) unknown(sp *job.Spec) []UnknownWord {
	words := s.Engines[sp.Engine].Prompt.Words
	if words == nil {
		return nil
	}
	list := words.Unknown(sp.Prompt)
	out := make([]UnknownWord, 0, len(list))
	for _, w := range list[:min(len(list), quotedUnknown)] {
		out = append(out, UnknownWord{w, words.Nearest(w)})
	}
	return out
}

// pace is how long a model takes for a pixel of a frame drawn, in seconds; 0 where no
// job of the past tells.
type pace float64

// takes is about how long this server takes for a job: as long as the last ones of
// its model took, and where there are none, as its capabilities say for the cores of
// this machine.
func (s *Service) takes(ctx context.Context, known map[string]pace, sp *job.Spec) (time.Duration, error) {
	can, ok := s.Engines[sp.Engine]
	if !ok {
		return 0, nil
	}
	p, ok := known[sp.Engine]
	if !ok {
		recent, err := s.DB.RecentWork(ctx, sp.Engine, quotedRecent)
		if err != nil {
			return 0, err
		}
		p = paceOf(can, recent)
		known[sp.Engine] = p
	}
	if p == 0 {
		own := can.Sizes.Default()
		p = pace(can.Cost.CoreSeconds / float64(runtime.GOMAXPROCS(0)) / float64(can.Rate(0)*own.Width*own.Height))
	}
	return time.Duration(float64(p) * work(can, sp) * float64(time.Second)), nil
}

// work is how much a job makes a model do, in pixels of frames, as if all took its
// default steps.
func work(can kinora.Capabilities, sp *job.Spec) float64 {
	drawn := can.Sizes.Default()
	if sp.Width > 0 && sp.Height > 0 {
		drawn = can.Sizes.Pick(kinora.Size{Width: sp.Width, Height: sp.Height})
	}
	frames := 1 + sp.Seconds*float64(can.Rate(sp.FPS))
	if sp.Kind == job.Image {
		frames = float64(max(1, sp.Count))
	}
	n := frames * float64(drawn.Width*drawn.Height)
	if sp.Steps > 0 && can.Steps.Default > 0 { // drawing takes the same, whatever the steps
		share := can.Cost.SamplingShare
		n *= 1 - share + share*float64(sp.Steps)/float64(can.Steps.Default)
	}
	return n
}

// paceOf is the middle one of the paces of some jobs, and 0 for none.
func paceOf(can kinora.Capabilities, recent []store.Work) pace {
	all := make([]pace, 0, len(recent))
	for _, r := range recent {
		if n := work(can, &r.Spec); n > 0 {
			all = append(all, pace(r.Took.Seconds()/n))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// Typical is about how long this server takes for a second of a model's video in the
// default size.
func (s *Service) Typical(ctx context.Context, o Offer) (time.Duration, error) {
	own := o.Size()
	return s.takes(ctx, map[string]pace{}, &job.Spec{Kind: job.Video, Engine: o.Engine, Seconds: 1, Width: own.Width, Height: own.Height})
}

// Label marks one of the project's jobs.
func (s *Service) Label(ctx context.Context, who auth.Principal, id job.ID, l store.Labels) (job.Job, error) {
	return s.DB.Label(ctx, who.Project.ID, id, l)
}

// MoveBefore gives a queued job its turn just before another one of the project's.
func (s *Service) MoveBefore(ctx context.Context, who auth.Principal, id, before job.ID) error {
	return s.DB.MoveBefore(ctx, who.Project.ID, id, before)
}

// FollowProject returns the changes of a project's jobs in this process; see
// store.DB.FollowProject.
func (s *Service) FollowProject(project int64) (*store.Changes, func()) {
	return s.DB.FollowProject(project)
}

// InFlight lists a project's jobs that wait or run.
func (s *Service) InFlight(ctx context.Context, project int64) ([]store.Standing, error) {
	return s.DB.InFlight(ctx, project)
}

// Positions is Position of several jobs.
func (s *Service) Positions(ctx context.Context, ids []job.ID) (map[job.ID]int, error) {
	return s.DB.Positions(ctx, ids)
}

// Again submits a job once more as it was asked for: the same specification and
// seed, with a first frame of its own.
func (s *Service) Again(ctx context.Context, who auth.Principal, id job.ID, idempotencyKey string) (job.Job, error) {
	old, err := s.Job(ctx, who, id)
	if err != nil {
		return job.Job{}, err
	}
	if !old.State.Final() {
		return job.Job{}, job.Errorf(job.Conflict, "", "the job is %s: it can be asked for again once it has ended", old.State)
	}
	sp := old.Spec
	sp.Notes, sp.PromptNotes = nil, nil
	if err := OwnFrame(ctx, s, &sp); err != nil {
		return job.Job{}, err
	}
	return s.Submit(ctx, who, Submission{API: job.Native, Spec: sp, Priority: &old.Priority, IdempotencyKey: idempotencyKey, Path: "again", Body: []byte(id.String())})
}
