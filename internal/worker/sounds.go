package worker

import (
	"context"
	"errors"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
)

// sounds fetches the narration and the track of a job, which the platform stored,
// and adds them to a request.
func (a *attempt) sounds(ctx context.Context, r *kinora.Request) error {
	s := &a.job.Spec
	r.OwnSound = kinora.OwnSound(s.OwnSound)
	if n := s.Narration; n != nil {
		path := a.path("narration.wav")
		if err := a.fetchSound(ctx, n.Key, path, "narration"); err != nil {
			return err
		}
		// It is as long as it shall be: only the settings in the file need the rest.
		r.Narration = &kinora.Narration{Text: n.Text, Voice: n.Voice, Language: n.Language, File: path, SpokenBy: n.SpokenBy}
	}
	if t := s.Sound; t != nil {
		path := a.path("sound.wav")
		if err := a.fetchSound(ctx, t.Key, path, "sound"); err != nil {
			return err
		}
		r.Sound = &kinora.SoundFile{Path: path, Volume: t.Volume}
	}
	return nil
}

// fetchSound copies a stored sound into a file.
func (a *attempt) fetchSound(ctx context.Context, key, path, what string) error {
	err := a.fetch(ctx, key, path)
	if errors.Is(err, blob.ErrNotFound) {
		return &job.Error{Code: job.Invalid, Message: "the " + what + " is no longer stored: send it again", Err: err}
	}
	return err
}
