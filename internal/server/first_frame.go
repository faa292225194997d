package server

import (
	"context"
	"fmt"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
)

// firstFrame makes the picture that fetch gives the first frame of a clip, and
// notes what is left out of it. param is the field that asks for it.
func firstFrame(s *job.Spec, offer Offer, param string, fetch func() (Picture, error)) (Picture, error) {
	if !offer.TakesImage {
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
	if cut, _ := (kinora.Info{Width: offer.Width, Height: offer.Height}).Fit(p.Width, p.Height); cut {
		s.Notes = append(s.Notes, fmt.Sprintf("the first frame has %d×%d pixels: what does not fit the shape of %d×%d is cut off", p.Width, p.Height, offer.Width, offer.Height))
	}
	return p, nil
}

// ownFrame gives a spec that was copied from another job's a first frame of its
// own: the other may be deleted, and its frame goes with it.
func ownFrame(ctx context.Context, b Backend, s *job.Spec) (err error) {
	if s.FirstFrame != "" {
		s.FirstFrame, err = b.CopyPicture(ctx, s.FirstFrame)
	}
	return err
}
