package service_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/service/servicetest"
)

// TestPromptsForReel: for a model that knows few words, rules say of a prompt what
// comes nearest to it. A chat model may say it better; what it says is read by the
// same rules, and they are enough where it fails.
func TestPromptsForReel(t *testing.T) {
	can, err := kinora.CapabilitiesOf("reel")
	if err != nil {
		t.Fatal(err)
	}
	var asked, answer string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = string(body)
		io.WriteString(w, answer)
	}))
	defer up.Close()
	const storm, drawn = "my kitten is scared of the storm", "A small orange kitten stays still in a meadow in the rain."
	const chosen = "A small white kitten stays still in a city at night in the rain."
	for answer, want := range map[string]string{chosen: chosen, "A dog barks.": drawn} {
		talker := &servicetest.Talker{Words: strings.SplitAfter(answer, " "), Context: 1000}
		s, who, _ := newService(t, func(o *service.Options) {
			o.Engines, o.Talk.Model = map[string]kinora.Capabilities{"reel": can}, talker
		})
		spec := job.Spec{Kind: job.Video, Model: "reel", Engine: "reel", Prompt: storm, Seconds: 1}
		j, err := s.Submit(t.Context(), who, service.Submission{API: job.MiniMaxV1, Spec: spec, Expand: service.ExpandQuick})
		if err != nil || j.Spec.Prompt != want || len(talker.Asked()) != 1 {
			t.Errorf("the language model says %q, drawn is %q, asked %d: %v", answer, j.Spec.Prompt, len(talker.Asked()), err)
		}
	}
	for _, tt := range []struct {
		chat, prompt, answer, want string
	}{
		{"", storm, "", drawn},
		{"", "a red cat bounces on a beach at sunset", "", ""},
		{"", "xyzzy plugh", "", ""},
		{up.URL, storm, `{"choices":[{"message":{"content":"A small white cat stays still in a city at night in the rain."}}]}`, "A small white cat stays still in a city at night in the rain."},
		{up.URL, storm, `{"choices":[{"message":{"content":"I cannot do that!"}}]}`, drawn},
		{up.URL, storm, `oops`, drawn},
	} {
		asked, answer = "", tt.answer
		s, who, _ := newService(t, func(o *service.Options) {
			o.Engines = map[string]kinora.Capabilities{"reel": can}
			if tt.chat != "" {
				o.Chatter = servicetest.Upstream(t, tt.chat)
			}
		})
		spec := job.Spec{Kind: job.Video, Model: "reel", Engine: "reel", Prompt: tt.prompt, Seconds: 1}
		j, err := s.Submit(t.Context(), who, service.Submission{API: job.MiniMaxV1, Spec: spec, Expand: service.ExpandQuick})
		switch notes := strings.Join(j.Notes(), "\n"); {
		case err != nil:
			t.Errorf("%q: %v", tt.prompt, err)
		case tt.want == "" && (j.Spec.Prompt != tt.prompt || j.Spec.Asked != "" || strings.Contains(notes, "drawn")):
			t.Errorf("%q is not taken as it is: %+v", tt.prompt, j.Spec)
		case tt.want != "" && (j.Spec.Prompt != tt.want || j.Spec.Asked != tt.prompt || !strings.Contains(notes, "what is drawn: "+tt.want) || strings.Contains(notes, "never taught")):
			t.Errorf("%q: got %+v, notes %s", tt.prompt, j.Spec, notes)
		}
		if tt.chat != "" && !(strings.Contains(asked, storm) && strings.Contains(asked, drawn)) {
			t.Errorf("the chat model was asked %s", asked)
		}
	}
}
