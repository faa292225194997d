package native

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// How often a stream of a job looks for what is no change of the job.
const (
	sseHeartbeat = 15 * time.Second // between comments, so that proxies keep an idle stream open
	sseQueue     = 2 * time.Second  // between looks at the place in the queue
)

// maxPreview is the largest preview frame that is sent within an event, bytes.
const maxPreview = 1 << 20

// Names of events.
const (
	eventState    = "state"    // the first event, and each change of state
	eventProgress = "progress" // anything else that changed
	eventSponsor  = "sponsor"  // a line to show while waiting
	eventError    = "error"    // the stream cannot go on; the job does
)

// jobEvent is the data of the events "state" and "progress": all of how a job
// stands, so that no reader has to put events together.
type jobEvent struct {
	ID            string    `json:"id"`
	State         job.State `json:"state" enum:"queued,running,succeeded,failed,cancelled,expired"`
	CancelAsked   bool      `json:"cancel_asked,omitempty"`
	Percent       int       `json:"percent"`
	Phase         string    `json:"phase,omitempty" doc:"preparing, sampling, drawing or storing."`
	SecondsLeft   float64   `json:"seconds_left,omitempty"`
	QueuePosition *int      `json:"queue_position,omitempty" doc:"How many jobs start before it, while it is queued; 1000 means that many or more."`
	Attempt       int       `json:"attempt"`
	PreviewURL    string    `json:"preview_url,omitempty" doc:"The latest frame, as a signed link."`
	Preview       string    `json:"preview,omitempty" doc:"The latest frame as a data: URI, with preview=inline."`
	At            time.Time `json:"at" doc:"When this came to be."`
	Job           *Job      `json:"job,omitempty" doc:"The whole job, in the event of a final state."`
}

// latest holds the newest of a job's states for a reader who may be slow: what
// it did not take in time is replaced, and nobody waits.
type latest struct {
	mu  sync.Mutex
	j   *job.Job
	new chan struct{} // of capacity 1
}

func (l *latest) put(j job.Job) {
	l.mu.Lock()
	l.j = &j
	l.mu.Unlock()
	select {
	case l.new <- struct{}{}:
	default:
	}
}

// take is the newest state, or nil when it was taken before.
func (l *latest) take() *job.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.j
	l.j = nil
	return j
}

// stream is one reader's stream of a job's events.
type stream struct {
	n      *API
	who    auth.Principal
	out    *web.Events
	inline bool      // previews are sent within events
	seen   int64     // the revision that the reader has
	state  job.State // that it was told last
	now    *job.Job  // as it was read last
	ahead  int       // in the queue, as told; -1 for not told
	shot   string    // the preview that was sent inline
}

// follow answers with a job's events until it is final. A reader that comes
// back with Last-Event-ID gets only what it has not seen. An error comes before
// anything was written.
func (n *API) follow(w http.ResponseWriter, r *http.Request, who auth.Principal, id string, last int64, inline bool) error {
	j, err := n.find(r.Context(), who, id)
	if err != nil {
		return err
	}
	if j.State.Final() && j.Revision <= last {
		w.WriteHeader(http.StatusNoContent) // a reader does not come back after this
		return nil
	}
	done, err := n.Service.StartWaiting(who)
	if err != nil {
		return err
	}
	defer done()
	ctx, stop := n.whileUp(r.Context())
	box := latest{new: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- n.Service.Follow(ctx, who, j.ID, func(j job.Job) bool { box.put(j); return true })
	}()
	over := false
	defer func() {
		stop()
		if !over {
			<-ended //nolint:errcheck // nobody is left to be told
		}
	}()
	select { // the first state, or why there is none
	case <-box.new:
	case err := <-ended:
		over = true
		if first := box.take(); err == nil && first != nil {
			box.put(*first) // it was final at once
			<-box.new
			break
		}
		if ctx.Err() != nil && r.Context().Err() == nil {
			return &job.Error{Code: job.Unavailable, Message: "the server is about to stop: follow the job again in a moment", RetryAfter: web.RetryTime}
		}
		return err
	}
	s := &stream{n: n, who: who, out: web.StartEvents(w), inline: inline, seen: last, ahead: -1}
	if j.Revision <= last {
		s.state = j.State // it may have changed since
	}
	defer s.out.End()
	if s.begin(ctx, &j) != nil || s.news(ctx, box.take()) != nil {
		return nil // the reader has gone
	}
	over = s.run(ctx, &box, ended) || over
	return nil
}

// begin lets the reader see that there is a stream, and says who sponsors the
// wait.
func (s *stream) begin(ctx context.Context, j *job.Job) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	line := s.n.sponsor(ctx, j)
	if line == nil {
		return nil
	}
	return s.out.Send(eventSponsor, s.seen, line)
}

// run sends what comes until the job is final, the reader has gone or the job
// cannot be followed. It says whether a value was taken from ended.
func (s *stream) run(ctx context.Context, box *latest, ended <-chan error) (over bool) {
	heartbeat, queue := time.NewTicker(sseHeartbeat), time.NewTicker(sseQueue)
	defer heartbeat.Stop()
	defer queue.Stop()
	for s.now == nil || !s.now.State.Final() {
		var err error
		select {
		case <-ctx.Done():
			return over
		case <-box.new:
			err = s.news(ctx, box.take())
		case <-queue.C:
			err = s.moved(ctx)
		case <-heartbeat.C:
			err = s.out.Write([]byte(": still here\n\n"))
		case why := <-ended:
			if err := s.news(ctx, box.take()); err != nil || why == nil || ctx.Err() != nil {
				return true
			}
			e := web.ReportIn(ctx, why)
			_ = s.out.Send(eventError, s.seen, JobError{Code: e.Code, Message: e.Message}) // it ends either way
			return true
		}
		if err != nil {
			return over
		}
	}
	return over
}

// news tells of a state that the reader has not seen.
func (s *stream) news(ctx context.Context, j *job.Job) error {
	if j == nil {
		return nil
	}
	s.now = j
	if j.Revision <= s.seen {
		s.state = j.State
		return nil
	}
	s.ahead = -1
	return s.tell(ctx)
}

// moved tells of another place in the queue, which is no change of the job.
func (s *stream) moved(ctx context.Context) error {
	if s.now == nil || s.now.State != job.Queued {
		return nil
	}
	ahead, err := s.n.Service.Position(ctx, s.now.ID)
	if err != nil || ahead == s.ahead {
		return nil //nolint:nilerr // it has started, or the next look will tell
	}
	return s.tell(ctx)
}

// tell sends how the job stands.
func (s *stream) tell(ctx context.Context) error {
	j := s.now
	ev := jobEvent{
		ID: jobPrefix + j.ID.String(), State: j.State, CancelAsked: j.CancelAsked && !j.State.Final(), Percent: j.Percent(),
		Attempt: j.Attempt, At: j.UpdatedAt.UTC(),
	}
	switch {
	case j.State == job.Running:
		ev.Phase, ev.SecondsLeft = j.Phase, j.Left.Round(100*time.Millisecond).Seconds()
		if ev.Preview = s.preview(ctx, j.Preview); ev.Preview == "" {
			ev.PreviewURL = previewURL(s.n.Service, web.BaseOf(ctx), j)
		}
	case j.State == job.Queued:
		if ahead, err := s.n.Service.Position(ctx, j.ID); err == nil {
			s.ahead, ev.QueuePosition = ahead, &ahead
		}
	case j.State.Final():
		whole := jobOf(s.n.Service, web.BaseOf(ctx), j)
		ev.Job = &whole
	}
	name := eventProgress
	if j.State != s.state {
		name = eventState
	}
	s.seen, s.state = j.Revision, j.State
	return s.out.Send(name, j.Revision, ev)
}

// preview is a frame as a data: URI, once; "" for none.
func (s *stream) preview(ctx context.Context, key string) string {
	if !s.inline || key == "" {
		return ""
	}
	f, size, err := s.n.Service.OpenBlob(ctx, key)
	if err != nil {
		return ""
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(f, maxPreview)); err != nil || size > maxPreview {
		return ""
	}
	shot := "data:" + service.MediaType(b.Bytes()) + ";base64," + base64.StdEncoding.EncodeToString(b.Bytes())
	if shot == s.shot { // all previews of an attempt have one key
		return ""
	}
	s.shot = shot
	return shot
}
