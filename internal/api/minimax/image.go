package minimax

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// maxBase64Image is how much of an image is put into an answer, in bytes.
const maxBase64Image = 32 << 20

// imageAnswer is the answer to POST /v1/image_generation. Counts and id are
// there twice: as MiniMax's pages have them, and where its CLI looks.
type imageAnswer struct {
	ID       string      `json:"id"`
	Data     imageData   `json:"data"`
	Metadata imageCounts `json:"metadata"`
	Notes    []string    `json:"notes,omitempty"`
	Base     baseResp    `json:"base_resp"`
}

type imageData struct {
	URLs   []string `json:"image_urls,omitempty"` // good for imageTime
	Base64 []string `json:"image_base64,omitempty"`
	TaskID string   `json:"task_id"`
	imageCounts
}

type imageCounts struct {
	Success int `json:"success_count"`
	Failed  int `json:"failed_count"`
}

func (a *V1) images(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		body, err := readBody(r)
		if err != nil {
			return nil, err
		}
		v, err := imageForm.read(body)
		if err != nil {
			return nil, err
		}
		spec, err := a.imageSpec(v)
		if err != nil {
			return nil, err
		}
		done, err := a.service.StartWaiting(who) // first: nobody could wait for a job that was accepted
		if err != nil {
			return nil, err
		}
		defer done()
		how := service.ExpandNone
		if v.yes("prompt_optimizer", false) {
			how = service.ExpandBalanced
		}
		j, err := a.service.Submit(r.Context(), who, service.Submission{API: job.MiniMaxV1, Spec: spec, Expand: how, RequestID: web.RequestID(r.Context()), IdempotencyKey: web.IdempotencyKey(r), Path: r.URL.Path, Body: body})
		if err != nil {
			return nil, err
		}
		web.KeepBody(r, 0) // it is not looked at again, and the images may take minutes
		if j, err = a.await(r.Context(), who, j); err != nil {
			return nil, err
		}
		return a.imagesOf(r, &j, v.text("response_format") == "base64")
	})
}

func (a *V1) imageSpec(v fieldValues) (job.Spec, error) {
	s := job.Spec{
		Kind: job.Image, Model: v.text("model"), Seed: uint64(v.whole("seed", int64(service.NewSeed()))), Count: int(v.whole("n", 1)),
		Watermark: v.yes("aigc_watermark", false), Ratio: v.text("aspect_ratio"), ImageType: "image/jpeg",
	}
	offer, err := service.OfferFor(a.service, s.Model, job.MiniMaxV1)
	if err != nil {
		return s, err
	}
	if m, known := service.RulesV1[s.Model]; known && (m.Text || m.First || s.Model == "S2V-01") {
		return s, job.Errorf(job.Unsupported, "model", "model: %s makes videos: use POST /v1/video_generation", s.Model)
	}
	s.Engine = offer.Engine
	if strings.TrimSpace(v.text("prompt")) == "" {
		return s, job.Errorf(job.Invalid, "prompt", "prompt is missing: say what the image should show")
	}
	switch {
	case v.has("width") != v.has("height"):
		return s, job.Errorf(job.Invalid, "width", "width and height go together: one of them is missing")
	case v.has("width"):
		s.Width, s.Height, s.Ratio = int(v.whole("width", 0)), int(v.whole("height", 0)), ""
		if s.Width%service.ImageStep != 0 || s.Height%service.ImageStep != 0 {
			return s, job.Errorf(job.Invalid, "width", "width and height are %d and %d: they must be multiples of %d", s.Width, s.Height, service.ImageStep)
		}
	default:
		if s.Ratio == "" {
			s.Ratio = "1:1"
		}
		s.Width, s.Height = service.ImageSizes[s.Ratio][0], service.ImageSizes[s.Ratio][1]
	}
	return s, setPrompt(&s, offer, v.text("prompt"))
}

// await waits for a job that a request is about. One that takes too long, or
// whose customer has gone, is cancelled: nobody would see what comes of it.
func (a *V1) await(ctx context.Context, who auth.Principal, j job.Job) (job.Job, error) {
	limited, cancel := context.WithTimeout(ctx, a.ImageWait)
	defer cancel()
	j, err := a.service.Wait(limited, who, j)
	if err != nil && limited.Err() == nil {
		return j, err
	}
	if !j.State.Final() {
		if _, err := a.service.Cancel(context.WithoutCancel(ctx), who, j.ID); err != nil && job.CodeOf(err) != job.Conflict {
			return j, err
		}
		return j, job.Errorf(job.Timeout, "", "the images were not ready in %v: ask for fewer or smaller ones, or try again when there is less to do", a.ImageWait)
	}
	if base := respOf(&j); base != success {
		if j.State == job.Failed && j.Error != nil {
			return j, j.Error
		}
		return j, job.Errorf(job.IsCancelled, "", "%s", base.Message)
	}
	return j, nil
}

func (a *V1) imagesOf(r *http.Request, j *job.Job, inline bool) (any, error) {
	out := imageAnswer{ID: j.ID.String(), Data: imageData{TaskID: j.ID.String()}, Notes: j.Notes(), Base: success}
	if j.Result != nil {
		out.Metadata.Failed = j.Result.Failed
		for _, f := range j.Result.Files {
			if f.Role != job.RoleImage {
				continue
			}
			out.Metadata.Success++
			if !inline {
				out.Data.URLs = append(out.Data.URLs, linkFor(r, a.service.BlobURL(web.BaseOf(r.Context()), f, imageTime)))
				continue
			}
			data, err := a.bytesOf(r.Context(), f.Key)
			if err != nil {
				return nil, err
			}
			out.Data.Base64 = append(out.Data.Base64, base64.StdEncoding.EncodeToString(data))
		}
	}
	out.Data.imageCounts = out.Metadata
	return out, nil
}

func (a *V1) bytesOf(ctx context.Context, key string) ([]byte, error) {
	body, size, err := a.service.OpenBlob(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size > maxBase64Image {
		return nil, job.Errorf(job.TooLarge, "response_format", "response_format: an image of %d bytes is too large for base64: ask for url", size)
	}
	return io.ReadAll(io.LimitReader(body, maxBase64Image))
}
