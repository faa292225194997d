package minimax

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

const (
	adaptive = "adaptive" // a ratio: that of the first frame
	// recordTime is how long V2 shows a task.
	recordTime = 7 * 24 * time.Hour
	// pageSize is how many tasks a page of the list has.
	pageSize = 20
)

// V2's task types, one for each endpoint that makes a task.
const (
	taskGeneration   = "generation"
	taskContext      = "h3_context_ir"
	taskRegeneration = "regeneration"
)

// formerTypes are the words that older versions of Kinora kept in the database
// for a task type.
var formerTypes = map[string][]string{taskGeneration: {"text_to_video", "image_to_video"}, taskRegeneration: {"video_regeneration"}}

// taskTypeOf is a job's task type in today's word.
func taskTypeOf(j *job.Job) string {
	for now, former := range formerTypes {
		if slices.Contains(former, j.Spec.TaskType) {
			return now
		}
	}
	return j.Spec.TaskType
}

// taskMade is the answer to the endpoints that make a task.
type taskMade struct {
	TaskID string   `json:"task_id"`
	Notes  []string `json:"notes,omitempty"`
}

// answer writes what f gives, or its error.
func (a *v2) answer(w http.ResponseWriter, r *http.Request, f func() (any, error)) {
	v, err := f()
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	traced(w, r)
	writeJSON(w, http.StatusOK, v)
}

// submit reads a request, makes a spec of it and submits that.
func (a *v2) submit(w http.ResponseWriter, r *http.Request, who auth.Principal, form fieldRules, spec func(context.Context, auth.Principal, fieldValues) (job.Spec, error)) {
	a.answer(w, r, func() (any, error) {
		body, err := readBody(r)
		if err != nil {
			return nil, err
		}
		v, err := form.read(body)
		if err != nil {
			return nil, err
		}
		s, err := spec(r.Context(), who, v)
		if err != nil {
			return nil, err
		}
		j, err := a.service.Submit(r.Context(), who, service.Submission{
			API: job.MiniMaxV2, Spec: s, Expand: expansionV2(v), Callback: v.text("callback_url"), IdempotencyKey: web.IdempotencyKey(r), Path: r.URL.Path, Body: body,
			RequestID: web.RequestID(r.Context()),
		})
		if err != nil {
			return nil, err
		}
		return taskMade{j.ID.String(), j.Notes()}, nil
	})
}

func (a *v2) generate(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.submit(w, r, who, videoV2Form, a.videoSpec)
}

func (a *v2) videoSpec(ctx context.Context, who auth.Principal, v fieldValues) (job.Spec, error) {
	s := job.Spec{
		Kind: job.Video, Model: v.text("model"), Seconds: float64(v.whole("duration", service.SecondsDefaultV2)), Seed: service.NewSeed(),
		Watermark: v.yes("aigc_watermark", false), Ratio: v.text("ratio"), TaskType: taskGeneration,
	}
	offer, err := service.OfferFor(a.service, s.Model, job.MiniMaxV2)
	if err != nil {
		return s, err
	}
	s.Engine = offer.Engine
	if s.Resolution, err = service.PickV2(s.Model, v.text("resolution")); err != nil {
		return s, err
	}
	c, err := contentOf(v.objects("content"))
	if err != nil {
		return s, err
	}
	if err := c.unable(); err != nil {
		return s, err
	}
	shape, err := a.shape(ctx, who, &s, offer, &c)
	if err != nil {
		return s, err
	}
	short := service.ShortSides[s.Resolution]
	if short == 0 {
		own := offer.Size()
		short = min(own.Width, own.Height)
	}
	s.Width, s.Height = service.SizeOf(short, shape[0], shape[1])
	return s, setPrompt(&s, offer, c.prompt)
}

// expansionV2 is how a request wants its prompt expanded.
func expansionV2(v fieldValues) service.Expansion {
	mode := v.object("extra").text("prompt_expansion_mode")
	if mode == "disabled" {
		return service.ExpandNone
	}
	return service.Expansion(mode)
}

// shape is the clip's width to height: that of the first frame, or the ratio.
func (a *v2) shape(ctx context.Context, who auth.Principal, s *job.Spec, offer service.Offer, c *contentV2) ([2]int, error) {
	if len(c.urls[roleFirst]) > 0 {
		s.Ratio = adaptive
		param, ref := c.at[roleFirst][0], c.urls[roleFirst][0]
		p, err := service.FirstFrame(s, offer, param, func() (service.Picture, error) { return a.service.Picture(ctx, who, param, ref, service.FirstFrameV2) })
		return [2]int{p.Width, p.Height}, err
	}
	if s.Ratio == "" || s.Ratio == adaptive {
		return [2]int{}, job.Errorf(job.Invalid, "ratio", "ratio must be given, and not adaptive, where there is no frame to take it from: such as 16:9")
	}
	w, h := service.RatioOf(s.Ratio)
	return [2]int{w, h}, nil
}

// contextIR turns a free prompt into a structured one.
func (a *v2) contextIR(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.submit(w, r, who, contextForm, func(_ context.Context, _ auth.Principal, v fieldValues) (job.Spec, error) {
		s := job.Spec{Kind: job.Expansion, Model: v.text("model"), TaskType: taskContext}
		offer, err := service.OfferFor(a.service, s.Model, job.MiniMaxV2)
		if err != nil {
			return s, err
		}
		s.Engine = offer.Engine
		c, err := contentOf(v.objects("content"))
		if err != nil {
			return s, err
		}
		if c.images+c.videos+c.sounds > 0 {
			return s, job.Errorf(job.Unsupported, "content", "content: the structured context is made of the text alone: leave out images, videos and sounds")
		}
		if !a.service.HasChat() {
			return s, job.Errorf(job.Unsupported, "", "this server has no chat model to make a structured context with: its operator can set upstreams.chat in the configuration")
		}
		s.Prompt = c.prompt
		return s, nil
	})
}

// regenerate makes a clip of this server again, in 2K.
func (a *v2) regenerate(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.submit(w, r, who, regenerationForm, a.regenerationSpec)
}

func (a *v2) regenerationSpec(ctx context.Context, who auth.Principal, v fieldValues) (job.Spec, error) {
	switch {
	case v.has("content") && v.has("source_task_id"):
		return job.Spec{}, job.Errorf(job.Invalid, "content", "content and source_task_id exclude each other")
	case v.has("content"):
		return job.Spec{}, job.Errorf(job.Unsupported, "content", "content: %s", service.NoBaseVideo)
	case !v.has("source_task_id"):
		return job.Spec{}, job.Errorf(job.Invalid, "source_task_id", "source_task_id is missing: name the task whose video is to be made again")
	}
	src, err := a.task(ctx, who, v.whole("source_task_id", 0))
	switch {
	case err != nil:
		return job.Spec{}, err
	case src.Spec.Kind != job.Video || src.State != job.Succeeded || src.Result == nil:
		return job.Spec{}, job.Errorf(job.Invalid, "source_task_id", "source_task_id: the task %d has no video: it must be a video task that succeeded", src.ID)
	}
	s := src.Spec
	if name := v.text("model"); name != "" && name != s.Model {
		return s, job.Errorf(job.Invalid, "model", "model is %s: the task was made by %s, and only that makes it again", name, s.Model)
	}
	if _, err := service.OfferFor(a.service, s.Model, job.MiniMaxV2); err != nil {
		return s, err
	}
	s.TaskType, s.Resolution, s.Watermark = taskRegeneration, service.ResolutionMostV2, v.yes("aigc_watermark", s.Watermark)
	w, h := service.RatioOf(s.Ratio)
	if w == 0 || h == 0 { // adaptive, or the engine's own
		w, h = src.Result.Width, src.Result.Height
	}
	s.Width, s.Height = service.SizeOf(service.ShortSides[service.ResolutionMostV2], w, h)
	s.InputSeconds = src.Result.Seconds
	s.Notes = []string{"the video is made again from the same prompt and seed, and enlarged"}
	err = service.OwnFrame(ctx, a.service, &s)
	return s, err
}

// task is a task of this API that is not older than V2 shows.
func (a *v2) task(ctx context.Context, who auth.Principal, id int64) (job.Job, error) {
	j, err := a.service.Job(ctx, who, job.ID(id))
	if err == nil && (j.API != job.MiniMaxV2 || time.Since(j.CreatedAt) > recordTime) {
		err = job.Errorf(job.NotFound, "", "there is no task %d of this API in the last 7 days", id)
	}
	return j, err
}

// pathTask is the task that a request's path names.
func (a *v2) pathTask(r *http.Request, who auth.Principal) (job.Job, error) {
	id, err := job.ParseID(r.PathValue("task_id"), "")
	if err != nil {
		return job.Job{}, err
	}
	return a.task(r.Context(), who, int64(id))
}

func (a *v2) query(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		j, err := a.pathTask(r, who)
		if err != nil {
			return nil, err
		}
		t := taskOf(a.service, web.BaseOf(r.Context()), &j)
		t.Content.URL = linkFor(r, t.Content.URL)
		return taskAnswer{t}, nil
	})
}

func (a *v2) list(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		f, err := taskFilter(r)
		if err != nil {
			return nil, err
		}
		jobs, total, err := a.service.Jobs(r.Context(), who, f)
		if err != nil {
			return nil, err
		}
		out := tasksAnswer{Items: make([]task, len(jobs)), Total: total}
		for i := range jobs {
			out.Items[i] = taskOf(a.service, web.BaseOf(r.Context()), &jobs[i])
			out.Items[i].Content.URL = linkFor(r, out.Items[i].Content.URL)
		}
		return out, nil
	})
}

func taskFilter(r *http.Request) (store.JobFilter, error) {
	v, err := tasksQuery.readURL(r)
	if err != nil {
		return store.JobFilter{}, err
	}
	size := int(v.whole("page_size", pageSize))
	f := store.JobFilter{
		API: []job.API{job.MiniMaxV2}, Since: time.Now().Add(-recordTime), Limit: size, Offset: size * int(v.whole("page_num", 1)-1),
		Models: valuesOf[string](v, "filter.model"),
	}
	for _, s := range valuesOf[string](v, "filter.status") {
		f.States = append(f.States, job.State(s)) // the same words
	}
	for _, t := range valuesOf[string](v, "filter.task_type") {
		f.TaskTypes = append(f.TaskTypes, t)
		f.TaskTypes = append(f.TaskTypes, formerTypes[t]...)
	}
	for _, n := range valuesOf[int64](v, "filter.task_ids") {
		id, err := job.ParseID(idText(n), "")
		if err != nil {
			return f, job.Errorf(job.Invalid, "filter.task_ids", "filter.task_ids: %d is no task id", n)
		}
		f.IDs = append(f.IDs, id)
	}
	return f, nil
}

// taskGone is the answer to DELETE /v2/video_generation/{task_id}.
type taskGone struct {
	TaskID string `json:"task_id"`
	Action string `json:"action"` // "cancelled" or "deleted"
	Status string `json:"status"` // the task's last one
}

// remove cancels a task that waits and deletes one that is over; a running one
// is left alone. A task that a worker takes between the look and the
// cancellation is stopped: its owner asked for that.
func (a *v2) remove(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		j, err := a.pathTask(r, who)
		switch {
		case err != nil:
			return nil, err
		case j.State == job.Running:
			return nil, job.Errorf(job.Conflict, "", "the task %d is running: only one that waits or is over can be deleted", j.ID)
		case j.State == job.Cancelled:
			return nil, job.Errorf(job.Conflict, "", "the task %d was cancelled already: it goes by itself after a while", j.ID)
		case j.State == job.Queued:
			_, err = a.service.Cancel(r.Context(), who, j.ID)
			return taskGone{j.ID.String(), "cancelled", string(job.Cancelled)}, err
		}
		return taskGone{j.ID.String(), "deleted", string(j.State)}, a.service.Delete(r.Context(), who, j.ID)
	})
}
