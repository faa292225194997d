package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
)

// FirstFrame makes the picture that fetch gives the first frame of a video, and
// notes what is left out of it. param is the field that asks for it.
func FirstFrame(s *job.Spec, offer Offer, param string, fetch func() (Picture, error)) (Picture, error) {
	if !offer.Can.FirstFrame {
		return Picture{}, job.Errorf(job.Unsupported, param, "%s: the model %s takes no first frame", param, offer.Name)
	}
	p, err := fetch()
	if err != nil {
		return p, err
	}
	s.FirstFrame, s.InputImages = p.Key, 1
	if p.Animated {
		s.Notes = append(s.Notes, "the first frame is an animation: its first picture is taken")
	}
	given, made := kinora.Size{Width: p.Width, Height: p.Height}, kinora.Size{Width: s.Width, Height: s.Height}
	if made == (kinora.Size{}) { // it takes the picture's shape, or else the model's
		made = given
	}
	drawn := offer.Can.Sizes.Pick(made)
	if cut, _ := drawn.Fit(given); cut {
		s.Notes = append(s.Notes, fmt.Sprintf("the first frame has %v pixels: what does not fit the shape of %v is cut off", given, drawn))
	}
	return p, nil
}

// PictureCopier keeps a picture once more.
type PictureCopier interface {
	CopyPicture(ctx context.Context, key string) (string, error)
}

// OwnFrame gives a spec that was copied from another job's a first frame and sounds
// of its own: the other may be deleted, and they go with it.
func OwnFrame(ctx context.Context, b PictureCopier, s *job.Spec) (err error) {
	if s.FirstFrame != "" {
		s.FirstFrame, err = b.CopyPicture(ctx, s.FirstFrame)
	}
	if n := s.Narration; n != nil && err == nil {
		own := *n
		own.Key, err = b.CopyPicture(ctx, n.Key)
		s.Narration = &own
	}
	if t := s.Sound; t != nil && err == nil {
		own := *t
		own.Key, err = b.CopyPicture(ctx, t.Key)
		s.Sound = &own
	}
	return err
}

// WithoutSounds takes the narration and the track from a spec that was copied from
// another job's for another prompt.
func WithoutSounds(s *job.Spec) {
	if s.Narration == nil && s.Sound == nil {
		return
	}
	s.Narration, s.Sound, s.OwnSound = nil, nil, ""
	s.Notes = append(slices.Clone(s.Notes), "the narration and the track of the earlier video are left out")
}

// Extension is what asks for the next seconds of a finished video, joined on.
// param is the field that names the video.
func Extension(src *job.Job, offer Offer, seconds float64, param string) (job.Spec, error) {
	s, res := src.Spec, src.Result
	switch {
	case !offer.Can.FirstFrame:
		return s, job.Errorf(job.Unsupported, param, "%s: the model %s cannot go on from a video", param, offer.Name)
	case res == nil || res.Seconds <= 0:
		return s, job.Errorf(job.Conflict, param, "%s: there is no video to go on from", param)
	case res.Seconds+seconds > MaxStitched:
		return s, job.Errorf(job.Invalid, "seconds", "the video would have %g seconds: at most %d", res.Seconds+seconds, MaxStitched)
	}
	return job.Spec{
		Kind: job.Video, Model: offer.Name, Engine: offer.Engine, Seconds: seconds, Width: res.Width, Height: res.Height, FPS: res.FPS,
		Seed: NewSeed(), Steps: s.Steps, Guidance: s.Guidance, After: src.ID, Join: true, InputSeconds: res.Seconds, Watermark: s.Watermark,
	}, nil
}
