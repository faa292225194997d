package native

import (
	"context"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// sounds adds the narration and the track that a request asks for to a spec that is
// complete otherwise.
func (n *API) sounds(ctx context.Context, who auth.Principal, b *newJob, s *job.Spec) error {
	r := service.SoundRequest{OwnSound: b.OwnSound, Seconds: b.Seconds != 0, RequestID: web.RequestID(ctx)}
	if in := b.Narration; in != nil {
		r.Narration = &service.NarrationRequest{Text: in.Text, Voice: in.Voice, Language: in.Language, Fit: in.Fit}
	}
	if in := b.Sound; in != nil {
		param, ref, err := in.ref()
		if err != nil {
			return err
		}
		r.Track = &service.TrackRequest{Param: param, Ref: ref, Start: in.Start, Volume: in.Volume}
	}
	err := n.Service.Sounds(ctx, who, s, r)
	if whole := s.InputSeconds + s.Seconds; err == nil && s.Join && whole > service.MaxStitched {
		err = job.Errorf(job.Invalid, "narration", "narration: the video would have %g seconds: at most %d", whole, service.MaxStitched)
	}
	if err != nil {
		n.Service.DropInputs(ctx, s)
	}
	return err
}

// quoteNarration adds to a spec what the price of a narration depends on.
func quoteNarration(b *newJob, s *job.Spec) {
	if in := b.Narration; in != nil {
		s.Narration = &job.Narration{Characters: service.Spoken(in.Text, s.Prompt)}
	}
}

// ref is the field that names the file, and the file as the service takes it.
func (i *soundInput) ref() (param, ref string, err error) {
	switch {
	case i.FileID != "":
		return "sound.file_id", "file:" + i.FileID, nil
	case i.Data != "":
		ref = i.Data
		if !service.HasScheme(ref, "data") {
			ref = "data:application/octet-stream;base64," + ref
		}
		return "sound.data", ref, nil
	case !service.HasScheme(i.URL, "http", "https"):
		return "", "", job.Errorf(job.Invalid, "sound.url", "sound.url must be an http(s) URL")
	}
	return "sound.url", i.URL, nil
}

// Narration is the speech over a video, as a job shows it.
type Narration struct {
	Text    string  `json:"text,omitempty" doc:"As it was written; left out where the prompt is spoken."`
	Voice   string  `json:"voice,omitempty" doc:"The voice that speaks."`
	Fit     string  `json:"fit,omitempty" doc:"As it was asked for."`
	Seconds float64 `json:"seconds" doc:"How long it is."`
	Billed  int     `json:"characters" doc:"How many characters it was charged for."`
}

// Sound is the track of a video, as a job shows it.
type Sound struct {
	Start  float64 `json:"start,omitempty" doc:"Where in the file it begins, in seconds."`
	Volume float64 `json:"volume"`
}

// showSounds adds what is heard to a job's answer.
func showSounds(out *Job, s *job.Spec) {
	out.OwnSound = s.OwnSound
	if n := s.Narration; n != nil {
		out.Narration = &Narration{Text: n.Text, Voice: n.SpokenBy, Fit: n.Fit, Seconds: n.Seconds, Billed: n.Characters}
	}
	if t := s.Sound; t != nil {
		out.Sound = &Sound{Start: t.Start, Volume: t.Volume}
	}
}
