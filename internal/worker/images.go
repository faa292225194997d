package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
)

// images makes stills: videos of one frame each, with consecutive seeds. It
// leaves out those that the review refuses; if the review refuses all, the job
// fails.
func (a *attempt) images(ctx context.Context) (*made, error) {
	s := &a.job.Spec
	e := a.Engines[s.Engine]
	if e == nil {
		return nil, job.Errorf(job.Unsupported, "model", "this worker has no model %q", s.Engine)
	}
	r := kinora.Request{
		Prompt: s.Prompt, Seconds: 1 / float64(e.Capabilities().Rate(s.FPS)), Steps: s.Steps, Guidance: s.Guidance, Width: s.Width, Height: s.Height,
		Progress: func(p kinora.Progress) { a.report.progress(p) },
	}
	if s.Watermark {
		r.Watermark = watermarkText
	}
	if s.FirstFrame != "" {
		img, err := a.firstFrame(ctx, s.FirstFrame)
		if err != nil {
			return nil, err
		}
		r.Image = img
	}
	out := &made{result: job.Result{Seed: s.Seed}}
	var refusal error
	n := max(1, min(s.Count, job.MaxImages))
	for i := range n {
		a.report.begin(i, n)
		r.Seed, r.Latents = s.Seed+uint64(i), a.path(fmt.Sprint("latents", i))
		err := a.image(ctx, e, r, out)
		switch {
		case job.CodeOf(err) == job.OutputUnsafe:
			out.result.Failed++
			refusal = err
		case err != nil:
			return nil, err
		}
	}
	if len(out.result.Files) == 0 {
		return nil, refusal
	}
	return out, nil
}

// image makes one still, has it reviewed, and stores it.
func (a *attempt) image(ctx context.Context, e Engine, r kinora.Request, out *made) error {
	a.enter(phaseSampling)
	c, err := e.Generate(ctx, r)
	if err != nil {
		return err
	}
	defer c.Discard() //nolint:errcheck // its folder is removed too
	a.enter(phaseDrawing)
	var data, jpeg bytes.Buffer
	var size image.Point
	for frame, err := range c.Frames(ctx) {
		if err != nil {
			return err
		}
		size = frame.Bounds().Size()
		if err := media.EncodeJPEG(&jpeg, frame); err != nil {
			return err
		}
		if err := media.EncodePNG(&data, frame); err != nil {
			return err
		}
		break
	}
	if size == (image.Point{}) {
		return errors.New("the engine drew no frame")
	}
	if a.Review != nil {
		if err := a.Review(ctx, a.job, [][]byte{jpeg.Bytes()}); err != nil {
			return err
		}
	}
	a.enter(phaseStoring)
	facts := c.Facts()
	out.result.Width, out.result.Height, out.result.Upscaled = facts.Width, facts.Height, facts.Upscaled
	mime, bytes := "image/png", data.Bytes()
	if a.job.Spec.ImageType == "image/jpeg" {
		mime, bytes = "image/jpeg", jpeg.Bytes()
	}
	return a.storeBytes(ctx, out, job.RoleImage, purposeImage, bytes, mime, size)
}
