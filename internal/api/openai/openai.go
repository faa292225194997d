package openai

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// API is OpenAI's Videos API, as its SDKs speak it (openai-go v3,
// openai-python), and the list of models. docs/api-compatibility.md says what
// each endpoint and field does here.
type API struct{ service Service }

// New is the API on a service.
func New(s Service) web.API { return &API{s} }

// Bounds of GET /v1/videos.
const (
	listDefault = 20
	listMost    = 100
)

// stopTime is how long DELETE waits for a running computation to stop.
const stopTime = 10 * time.Second

// VideoPrefix begins the ids of videos.
const VideoPrefix = "video_"

// videoPart is one pattern for /v1/videos/{id}/content and
// /v1/videos/characters/{id}, as the router takes no two that overlap.
const videoPart = "GET /v1/videos/{id}/{part}"

// isVideoPart says whether a path that videoPart matches is one of the two.
func isVideoPart(path string) bool {
	return strings.HasSuffix(path, "/content") || strings.HasPrefix(path, "/v1/videos/characters/")
}

// Routes are the endpoints of the API.
func (a *API) Routes() []web.Route {
	return []web.Route{
		{Pattern: "POST /v1/videos", Scope: web.ScopeJobsWrite, Handle: a.answer(a.create), Summary: "Submit a video"},
		{Pattern: "GET /v1/videos", Scope: web.ScopeJobsRead, Handle: a.answer(a.list, "after", "limit", "order"), Summary: "List videos"},
		{Pattern: "GET /v1/videos/{id}", Scope: web.ScopeJobsRead, Handle: a.answer(a.get), Summary: "Look at a video"},
		{Pattern: "DELETE /v1/videos/{id}", Scope: web.ScopeJobsWrite, Handle: a.answer(a.remove), Summary: "Cancel a video if it is not finished, and delete it"},
		{Pattern: videoPart, Scope: web.ScopeJobsRead, Handle: a.part, Summary: "Download a video: part is content", Only: isVideoPart},
		{Pattern: "POST /v1/videos/{id}/remix", Scope: web.ScopeJobsWrite, Handle: a.answer(a.remix), Summary: "Make a video again from another prompt"},
		{Pattern: "POST /v1/videos/extensions", Scope: web.ScopeJobsWrite, Handle: a.answer(a.extend), Summary: "Go on from the end of a video"},
		{Pattern: "POST /v1/videos/edits", Scope: web.ScopeJobsWrite, Handle: a.answer(a.edit), Summary: "Refused: no model here edits videos"},
		{Pattern: "POST /v1/videos/characters", Scope: web.ScopeJobsWrite, Handle: a.answer(a.newCharacter), Summary: "Refused: no model here knows characters"},
		// Any parameters: clients of all kinds look at models to see whether there
		// is a server, and no parameter would make the list another one.
		{Pattern: "GET /v1/models", Scope: web.ScopeAny, Handle: a.answer(a.models, anyParameter), Summary: "List the models"},
		{Pattern: "GET /v1/models/{model...}", Scope: web.ScopeAny, Handle: a.answer(a.model, anyParameter), Summary: "Look at a model"},
	}
}

// anyParameter stands for all parameters of a URL.
const anyParameter = "*"

// onlyParameters refuses parameters of a URL that are not known, and those that
// are there twice: what they ask for would be dropped in silence.
func onlyParameters(r *http.Request, known ...string) error {
	q, err := web.Parameters(r)
	if err != nil {
		return err
	}
	for name, list := range q {
		switch {
		case slices.Contains(known, anyParameter):
		case !slices.Contains(known, name):
			return web.UnknownField(name)
		case len(list) > 1:
			return web.Repeated(name, len(list))
		}
	}
	return nil
}

// answer makes a handler of a function that returns what is to be written as
// JSON. The URL may have the parameters that are named.
func (a *API) answer(f func(http.ResponseWriter, *http.Request, auth.Principal) (any, error), parameters ...string) func(http.ResponseWriter, *http.Request, auth.Principal) {
	return func(w http.ResponseWriter, r *http.Request, who auth.Principal) {
		err := onlyParameters(r, parameters...)
		var v any
		if err == nil {
			v, err = f(w, r, who)
		}
		if err != nil {
			a.Fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // all types are ours and marshal
		http.Error(w, "the answer could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// video is OpenAI's object, with two fields of our own at its end. Clients take
// fields that they do not know.
type video struct {
	ID          string      `json:"id"`
	Object      string      `json:"object"` // "video"
	Model       string      `json:"model"`
	Status      string      `json:"status"` // queued, in_progress, completed or failed: pollers fail on others
	Progress    int         `json:"progress"`
	Prompt      string      `json:"prompt"`
	CreatedAt   int64       `json:"created_at"` // unix seconds, as all times here
	CompletedAt *int64      `json:"completed_at"`
	ExpiresAt   *int64      `json:"expires_at"`
	Seconds     string      `json:"seconds"`
	Size        string      `json:"size"`
	RemixedFrom *string     `json:"remixed_from_video_id"`
	Error       *videoError `json:"error"`
	// Notes say where the result differs from what might be expected.
	Notes []string `json:"notes,omitempty"`
	// QueuePosition is how many jobs start before a queued one; store.MaxPosition
	// means that many or more.
	QueuePosition *int `json:"queue_position,omitempty"`
}

// videoError says why there is no video.
type videoError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// statuses are OpenAI's words for states.
var statuses = map[job.State]string{
	job.Queued: "queued", job.Running: "in_progress", job.Succeeded: "completed",
	job.Failed: "failed", job.Cancelled: "failed", job.Expired: "failed",
}

// videoOf is a job in OpenAI's form.
func videoOf(j *job.Job) video {
	v := video{
		ID: VideoPrefix + j.ID.String(), Object: "video", Model: j.Spec.Model, Status: statuses[j.State], Progress: j.Percent(),
		Prompt: j.Prompt(), CreatedAt: j.CreatedAt.Unix(), Seconds: secondsOf(j), Size: sizeText(j), Notes: j.Notes(),
	}
	if j.State == job.Queued {
		v.Progress = 0
	}
	if j.State == job.Succeeded {
		v.CompletedAt = web.UnixTime(j.FinishedAt)
		v.ExpiresAt = web.UnixTime(j.ExpiresAt)
	}
	if j.Spec.RemixOf != 0 {
		id := VideoPrefix + j.Spec.RemixOf.String()
		v.RemixedFrom = &id
	}
	if e := service.WhyNot(j); e != nil {
		v.Error = &videoError{Code: web.OpenAICodeOf(e).Code, Message: e.Message}
	}
	return v
}

// secondsOf is the length of a video as OpenAI writes it; with the film before
// it where that is joined on.
func secondsOf(j *job.Job) string {
	seconds := j.Spec.Seconds
	if j.Spec.Join {
		seconds += j.Spec.InputSeconds
	}
	return strconv.FormatFloat(seconds, 'f', -1, 64)
}

// sizeText is "1280x720"; "" while a native size is not known yet.
func sizeText(j *job.Job) string {
	w, h := j.Spec.Width, j.Spec.Height
	if r := j.Result; r != nil && r.Width > 0 && r.Height > 0 {
		w, h = r.Width, r.Height
	}
	if w == 0 || h == 0 {
		return ""
	}
	return strconv.Itoa(w) + "x" + strconv.Itoa(h)
}

// find returns the video that a path names.
func (a *API) find(ctx context.Context, who auth.Principal, id string) (job.Job, error) {
	none := job.Errorf(job.NotFound, "", "there is no video %.60q", id)
	n, err := job.ParseID(id, VideoPrefix)
	if err != nil {
		return job.Job{}, none
	}
	j, err := a.service.Job(ctx, who, n)
	switch {
	case err != nil && job.CodeOf(err) == job.NotFound, err == nil && j.Spec.Kind != job.Video:
		return job.Job{}, none
	}
	return j, err
}

func (a *API) get(w http.ResponseWriter, r *http.Request, who auth.Principal) (any, error) {
	j, err := a.find(r.Context(), who, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return a.shown(r.Context(), w, &j)
}

// shown is a job with its place in the queue, and a header that says when to
// look again.
func (a *API) shown(ctx context.Context, w http.ResponseWriter, j *job.Job) (video, error) {
	v := videoOf(j)
	ahead := 0
	if j.State == job.Queued {
		n, err := a.service.Position(ctx, j.ID)
		switch {
		case err == nil:
			ahead, v.QueuePosition = n, &n
		case job.CodeOf(err) != job.NotFound: // it has just started
			return v, err
		}
	}
	if after := pollAfter(j, ahead); after > 0 {
		w.Header().Set("openai-poll-after-ms", strconv.FormatInt(after.Milliseconds(), 10))
	}
	return v, nil
}

// Bounds of openai-poll-after-ms. SDKs keep to the first they are told until
// the video is done, so it has to stay short.
const (
	pollLeast  = 250 * time.Millisecond
	pollQueued = 2 * time.Second
	pollMost   = 5 * time.Second
)

// pollAfter is when it is worth looking at a job again: after a tenth of the
// time it needs still. 0 is never.
func pollAfter(j *job.Job, ahead int) time.Duration {
	switch {
	case j.State.Final():
		return 0
	case j.State == job.Queued:
		return min(pollQueued, pollLeast*time.Duration(1+min(ahead, 100)))
	case j.Left == 0:
		return time.Second
	}
	return max(pollLeast, min(pollMost, j.Left/10))
}

// videoList is a page of videos.
type videoList struct {
	Object  string  `json:"object"` // "list"
	Data    []video `json:"data"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

func (a *API) list(_ http.ResponseWriter, r *http.Request, who auth.Principal) (any, error) {
	q := r.URL.Query()
	f := store.JobFilter{API: []job.API{job.OpenAI}, Kind: job.Video, Limit: listDefault}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > listMost {
			return nil, job.Errorf(job.Invalid, "limit", "limit is %.20q: it must be 1 to %d", s, listMost)
		}
		f.Limit = n
	}
	switch order := q.Get("order"); order {
	case "", "desc":
	case "asc":
		f.Ascending = true
	default:
		return nil, job.Errorf(job.Invalid, "order", "order is %.20q: it must be asc or desc", order)
	}
	if s := q.Get("after"); s != "" {
		j, err := a.find(r.Context(), who, s)
		if err != nil {
			if e := job.AsError(err); e.Code == job.NotFound {
				return nil, job.Errorf(job.Invalid, "after", "after: %s", e.Message)
			}
			return nil, err
		}
		f.After = j.ID
	}
	limit := f.Limit
	f.Limit++ // one more tells whether there are more
	jobs, _, err := a.service.Jobs(r.Context(), who, f)
	if err != nil {
		return nil, err
	}
	out := videoList{Object: "list", Data: []video{}, HasMore: len(jobs) > limit}
	for _, j := range jobs[:min(limit, len(jobs))] {
		out.Data = append(out.Data, videoOf(&j))
	}
	if n := len(out.Data); n > 0 {
		out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
	}
	return out, nil
}

// videoDeleted confirms a deletion.
type videoDeleted struct {
	ID      string `json:"id"`
	Deleted bool   `json:"deleted"`
	Object  string `json:"object"` // "video.deleted"
}

// remove deletes a video and its files. One that waits or runs is cancelled
// first, as OpenAI's API has no other way to stop a computation.
func (a *API) remove(_ http.ResponseWriter, r *http.Request, who auth.Principal) (any, error) {
	ctx := r.Context()
	j, err := a.find(ctx, who, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if !j.State.Final() {
		j, err = a.service.Cancel(ctx, who, j.ID)
		if err != nil && job.CodeOf(err) != job.Conflict { // it ended in between
			return nil, err
		}
		if err == nil && !j.State.Final() {
			if err := a.stopped(ctx, who, j); err != nil {
				return nil, err
			}
		}
	}
	if err := a.service.Delete(ctx, who, j.ID); err != nil {
		return nil, err
	}
	return videoDeleted{ID: r.PathValue("id"), Deleted: true, Object: "video.deleted"}, nil
}

// stopped waits until a video that is being cancelled has stopped.
func (a *API) stopped(ctx context.Context, who auth.Principal, j job.Job) error {
	done, err := a.service.StartWaiting(who)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	j, err = a.service.Wait(ctx, who, j)
	if err == nil && !j.State.Final() {
		err = &job.Error{Code: job.Conflict, Message: "the video is being cancelled: delete it again in a few seconds", RetryAfter: 2 * time.Second}
	}
	return err
}

// Fail answers in OpenAI's form, with the headers that its SDKs obey.
func (a *API) Fail(w http.ResponseWriter, r *http.Request, err error) {
	status, body := web.OpenAIFailed(w, web.Report(r, err), err)
	writeJSON(w, status, body)
}

// Missing are the paths of OpenAI's API that are not here.
func (a *API) Missing() []string {
	return []string{
		"/v1/assistants", "/v1/audio", "/v1/batches", "/v1/completions", "/v1/containers", "/v1/conversations", "/v1/embeddings", "/v1/evals",
		"/v1/fine_tuning", "/v1/images", "/v1/moderations", "/v1/realtime", "/v1/responses", "/v1/threads", "/v1/vector_stores",
	}
}

// event is an event of OpenAI's webhooks.
type event struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	CreatedAt int64  `json:"created_at"`
	Type      string `json:"type"`
	Data      struct {
		ID string `json:"id"`
	} `json:"data"`
}

// EventOf is what is posted of an event to those who asked for OpenAI's.
func EventOf(d *store.Delivery) any {
	e := event{ID: d.EventID, Object: "event", CreatedAt: d.CreatedAt.Unix(), Type: d.Event}
	e.Data.ID = VideoPrefix + d.Snapshot.ID.String()
	return e
}
