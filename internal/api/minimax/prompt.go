package minimax

import (
	"strings"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/text"
)

// setPrompt puts into a spec what the customer wrote, with camera commands that
// the local model knows. Both are kept.
func setPrompt(s *job.Spec, offer service.Offer, asked string) error {
	asked = text.Unmarked(asked)
	c := service.ParseCamera(asked, offer.Can)
	s.Prompt = c.Prompt
	s.PromptNotes = append(s.PromptNotes, c.Notes...)
	if strings.TrimSpace(s.Prompt) == "" && s.FirstFrame == "" {
		return job.Errorf(job.Invalid, "prompt", "prompt: nothing is left of it that the local model understands: say what should happen in the video")
	}
	if s.Prompt != asked {
		s.Asked = asked
	}
	return nil
}
