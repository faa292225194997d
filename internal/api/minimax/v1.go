package minimax

import (
	"context"
	"net/http"
	"strings"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// generateAnswer is the answer to POST /v1/video_generation.
type generateAnswer struct {
	TaskID string   `json:"task_id"`
	Notes  []string `json:"notes,omitempty"`
	Base   baseResp `json:"base_resp"`
}

func (a *V1) generate(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	j, err := a.submit(r, who)
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	traced(w, r)
	writeJSON(w, http.StatusOK, generateAnswer{j.ID.String(), j.Notes(), success})
}

func (a *V1) submit(r *http.Request, who auth.Principal) (job.Job, error) {
	body, err := readBody(r)
	if err != nil {
		return job.Job{}, err
	}
	v, err := videoV1Form.read(body)
	if err != nil {
		return job.Job{}, err
	}
	spec, err := a.spec(r.Context(), who, v)
	if err != nil {
		return job.Job{}, err
	}
	return a.service.Submit(r.Context(), who, service.Submission{
		API: job.MiniMaxV1, Spec: spec, Expand: expansionV1(v), RequestID: web.RequestID(r.Context()), Callback: v.text("callback_url"), IdempotencyKey: web.IdempotencyKey(r), Path: r.URL.Path, Body: body,
	})
}

// spec is what a checked request asks for.
func (a *V1) spec(ctx context.Context, who auth.Principal, v fieldValues) (job.Spec, error) {
	name, prompt := v.text("model"), v.text("prompt")
	s := job.Spec{Kind: job.Video, Model: name, Seconds: float64(v.whole("duration", service.SecondsDefaultV1)), Seed: service.NewSeed(), Watermark: v.yes("aigc_watermark", false)}
	offer, err := service.OfferFor(a.service, name, job.MiniMaxV1)
	if err != nil {
		return s, err
	}
	s.Engine, s.Resolution = offer.Engine, v.text("resolution")
	if rules, known := service.RulesV1[name]; known {
		s.FPS = rules.FPS
		if s.Resolution, err = rules.Pick(name, s.Resolution, int(s.Seconds), v.has("first_frame_image")); err != nil {
			return s, err
		}
	}
	if s.Resolution != "" {
		s.Width, s.Height = service.SizeOf(service.ShortSides[s.Resolution], 16, 9)
	}
	if ref := v.text("first_frame_image"); ref != "" {
		const param = "first_frame_image"
		if _, err := service.FirstFrame(&s, offer, param, func() (service.Picture, error) { return a.service.Picture(ctx, who, param, ref, service.FirstFrameV1) }); err != nil {
			return s, err
		}
	} else if strings.TrimSpace(prompt) == "" {
		return s, job.Errorf(job.Invalid, "prompt", "prompt is missing: say what should happen in the video")
	}
	if v.yes("fast_pretreatment", false) && !v.yes("prompt_optimizer", true) {
		s.PromptNotes = append(s.PromptNotes, "fast_pretreatment has nothing to shorten without prompt_optimizer")
	}
	return s, setPrompt(&s, offer, prompt)
}

// expansionV1 is how a request wants its prompt expanded.
func expansionV1(v fieldValues) service.Expansion {
	switch {
	case !v.yes("prompt_optimizer", true):
		return service.ExpandNone
	case v.yes("fast_pretreatment", false):
		return service.ExpandQuick
	}
	return service.ExpandBalanced
}

// queryAnswer is the answer to GET /v1/query/video_generation, and what
// callbacks are posted.
type queryAnswer struct {
	TaskID string   `json:"task_id"`
	Status string   `json:"status"`
	FileID string   `json:"file_id,omitempty"`
	Width  int      `json:"video_width,omitempty"`
	Height int      `json:"video_height,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	Base   baseResp `json:"base_resp"`
}

// V1's statuses.
const (
	statusPreparing  = "Preparing"
	statusQueueing   = "Queueing"
	statusProcessing = "Processing"
	statusSuccess    = "Success"
	statusFail       = "Fail"
)

// queryOf is a job in V1's form. A job that will give nothing is Fail and has a
// status_code too: clients look at either.
func queryOf(j *job.Job) queryAnswer {
	q := queryAnswer{TaskID: j.ID.String(), Notes: j.Notes(), Base: respOf(j)}
	switch j.State {
	case job.Queued:
		q.Status = statusQueueing
	case job.Running:
		q.Status = statusProcessing
		if j.Phase == "preparing" {
			q.Status = statusPreparing
		}
	case job.Succeeded:
		q.Status = statusSuccess
		f, ok := j.Result.File(job.RoleVideo)
		if !ok {
			q.Status, q.Base = statusFail, baseResp{errorCodes[job.Internal].number, "the task ended without a video"}
			break
		}
		q.FileID, q.Width, q.Height = idText(f.ID), j.Result.Width, j.Result.Height
	default:
		q.Status = statusFail
	}
	return q
}

func (a *V1) query(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	j, err := a.task(r, who)
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	traced(w, r)
	writeJSON(w, http.StatusOK, queryOf(&j))
}

func (a *V1) task(r *http.Request, who auth.Principal) (job.Job, error) {
	v, err := taskQuery.readURL(r)
	if err != nil {
		return job.Job{}, err
	}
	id := v.whole("task_id", 0)
	j, err := a.service.Job(r.Context(), who, job.ID(id))
	if err == nil && (j.API != job.MiniMaxV1 || j.Spec.Kind != job.Video) {
		err = job.Errorf(job.NotFound, "task_id", "task_id: there is no video task %d of this API", id)
	}
	return j, err
}
