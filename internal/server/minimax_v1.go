package server

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// V1's rules for first frames.
var firstFrameV1 = PictureRules{MaxBytes: 20 << 20, MinSide: 301, MinAspect: 2.0 / 5, MaxAspect: 5.0 / 2}

// generateAnswer is the answer to POST /v1/video_generation.
type generateAnswer struct {
	TaskID string   `json:"task_id"`
	Notes  []string `json:"notes,omitempty"`
	Base   baseResp `json:"base_resp"`
}

func (a *minimaxV1) generate(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	j, err := a.submit(r, who)
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	traced(w, r)
	mmWrite(w, http.StatusOK, generateAnswer{j.ID.String(), j.Notes(), mmOK})
}

func (a *minimaxV1) submit(r *http.Request, who auth.Principal) (job.Job, error) {
	body, err := mmBody(r)
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
	return a.b.Submit(r.Context(), who, Submission{
		API: job.MiniMaxV1, Spec: spec, Callback: v.text("callback_url"), IdempotencyKey: web.IdempotencyKey(r), Path: r.URL.Path, Body: body,
	})
}

// spec is what a checked request asks for.
func (a *minimaxV1) spec(ctx context.Context, who auth.Principal, v mmValues) (job.Spec, error) {
	name, prompt := v.text("model"), v.text("prompt")
	s := job.Spec{Kind: job.Video, Model: name, Seconds: float64(v.whole("duration", defaultSeconds)), Seed: newSeed(), Watermark: v.yes("aigc_watermark", false)}
	offer, err := offerFor(a.b, name, job.MiniMaxV1)
	if err != nil {
		return s, err
	}
	s.Engine, s.Resolution = offer.Engine, v.text("resolution")
	if rules, known := mmModelsV1[name]; known {
		s.FPS = rules.fps
		resolution, seconds, err := rules.pick(name, v)
		if err != nil {
			return s, err
		}
		s.Resolution, s.Seconds = resolution, float64(seconds)
	}
	if s.Resolution != "" {
		s.Width, s.Height = sizeOf(shortSides[s.Resolution], 16, 9)
	}
	if ref := v.text("first_frame_image"); ref != "" {
		const param = "first_frame_image"
		if _, err := firstFrame(&s, offer, param, func() (Picture, error) { return a.b.Picture(ctx, who, param, ref, firstFrameV1) }); err != nil {
			return s, err
		}
	} else if strings.TrimSpace(prompt) == "" {
		return s, job.Errorf(job.Invalid, "prompt", "prompt is missing: say what should happen in the clip")
	}
	mode := expandNone
	if v.yes("prompt_optimizer", true) {
		mode = expandBalanced
		if v.yes("fast_pretreatment", false) {
			mode = expandQuick
		}
	} else if v.yes("fast_pretreatment", false) {
		s.PromptNotes = append(s.PromptNotes, "fast_pretreatment has nothing to shorten without prompt_optimizer")
	}
	return s, setPrompt(ctx, a.b, who, &s, prompt, mode)
}

// newSeed is a seed that every JSON parser keeps.
func newSeed() uint64 { return rand.Uint64N(maxSeed + 1) }

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
			q.Status, q.Base = statusFail, baseResp{mmCodes[job.Internal].number, "the task ended without a film"}
			break
		}
		q.FileID, q.Width, q.Height = idText(f.ID), j.Result.Width, j.Result.Height
	default:
		q.Status = statusFail
	}
	return q
}

func (a *minimaxV1) query(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	j, err := a.task(r, who)
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	traced(w, r)
	mmWrite(w, http.StatusOK, queryOf(&j))
}

func (a *minimaxV1) task(r *http.Request, who auth.Principal) (job.Job, error) {
	v, err := taskQuery.readURL(r)
	if err != nil {
		return job.Job{}, err
	}
	id := v.whole("task_id", 0)
	j, err := a.b.Job(r.Context(), who, job.ID(id))
	if err == nil && (j.API != job.MiniMaxV1 || j.Spec.Kind != job.Video) {
		err = job.Errorf(job.NotFound, "task_id", "task_id: there is no video task %d of this API", id)
	}
	return j, err
}
