package service_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/service"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/moderation"
	"github.com/kinora-video/kinora/internal/service/servicetest"
	"github.com/kinora-video/kinora/internal/webhook"
)

// moderator is an operator's service of moderation that notes what it is asked,
// and refuses texts that hold a word.
type moderator struct {
	mu    sync.Mutex
	asked []string
}

func (m *moderator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Prompt string `json:"prompt"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, q.Prompt)
	fmt.Fprintf(w, `{"allow":%t}`, !strings.Contains(q.Prompt, "gore"))
}

// take is what was asked since the last time.
func (m *moderator) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := m.asked
	m.asked = nil
	return asked
}

func jsonText(s string) string { b, _ := json.Marshal(s); return string(b) }

// TestPromptsAreExpanded: with a chat upstream prompts are expanded, camera
// commands survive, and its troubles are notes. Each text is moderated once, and
// none leaves the server before.
func TestPromptsAreExpanded(t *testing.T) {
	var mod moderator
	hook := httptest.NewServer(&mod)
	defer hook.Close()
	var asked, answer string
	status := 200
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = string(body)
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	defer up.Close()
	s, who, _ := newService(t, func(o *service.Options) {
		o.Chatter = servicetest.Upstream(t, up.URL)
		to := webhook.Hook{To: servicetest.Upstream(t, hook.URL), Secret: webhook.NewSecret()}
		o.Filter = filter(t, moderation.Options{Hook: &moderation.Webhook{To: to, Timeout: time.Minute}})
	})
	submit := func(prompt, written string, how service.Expansion) (job.Job, error) {
		spec := job.Spec{Kind: job.Video, Model: "reel", Engine: "reel", Prompt: prompt, Asked: written, Seconds: 1}
		return s.Submit(t.Context(), who, service.Submission{API: job.MiniMaxV1, Spec: spec, Expand: how})
	}
	says := func(words string) string {
		return `{"choices":[{"message":{"content":` + jsonText(words) + `}}]}`
	}
	answer = says(" A grey cat [Push in] in a meadow. ")
	j, err := submit("a cat [Pan left]", "a cat [Truck left]", service.ExpandBalanced)
	if err != nil || j.Spec.Prompt != "A grey cat [Zoom in] in a meadow. [Pan left]" || j.Spec.Asked != "a cat [Truck left]" || !strings.Contains(asked, "a cat [Pan left]") {
		t.Errorf("got %+v, %v of %s", j.Spec, err, asked)
	}
	if got, want := mod.take(), []string{"a cat [Truck left]", "A grey cat [Zoom in] in a meadow. [Pan left]"}; !slices.Equal(got, want) {
		t.Errorf("moderated: %q, want %q", got, want)
	}
	for _, bad := range []struct {
		status int
		answer string
	}{{500, "oops"}, {200, "{}"}, {200, says(" ")}, {200, says(strings.Repeat("x", job.MaxPromptChars+1))}, {200, says("a \u200bcat")}} {
		status, answer = bad.status, bad.answer
		j, err := submit("a cat", "", service.ExpandQuality)
		if err != nil || j.Spec.Prompt != "a cat" || j.Spec.Asked != "" || !strings.Contains(fmt.Sprint(j.Notes()), "the prompt was taken as it is") {
			t.Errorf("%s: got %+v, %v", bad.answer, j.Spec, err)
		}
		if got := mod.take(); !slices.Equal(got, []string{"a cat"}) {
			t.Errorf("%s: moderated: %q", bad.answer, got)
		}
	}
	asked = ""
	if _, err := submit("a cat", "", service.ExpandNone); err != nil || asked != "" {
		t.Errorf("without expansion: %v, asked %s", err, asked)
	}
	if got := mod.take(); !slices.Equal(got, []string{"a cat"}) {
		t.Errorf("without expansion, moderated: %q", got)
	}
	status, answer = 200, says("a cat in gore")
	if _, err := submit("a cat", "", service.ExpandQuick); job.CodeOf(err) != job.PromptUnsafe {
		t.Errorf("an expanded prompt that is refused: %v", err)
	}
	asked = ""
	if _, err := submit("gore", "", service.ExpandQuick); job.CodeOf(err) != job.PromptUnsafe || asked != "" {
		t.Errorf("a prompt that is refused: %v, asked %s", err, asked)
	}
}
