package moderation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/text"
)

// DefaultHookTimeout is how long a webhook may take to decide.
const DefaultHookTimeout = 10 * time.Second

// Poster sends a body to the operator's webhook and returns the status and the
// beginning of the answer.
type Poster interface {
	Post(ctx context.Context, body []byte) (status int, answer []byte, err error)
}

// Webhook asks an operator's service. It posts
//
//	{"type": "prompt", "project": 1, "prompt": "…"}
//	{"type": "output", "project": 1, "job": "…", "prompt": "…", "stills": ["base64 of a JPEG", …]}
//
// and reads {"allow": true} or {"allow": false, "reason": "for the operator's log"}.
type Webhook struct {
	To      Poster
	Timeout time.Duration // 0 is DefaultHookTimeout
	// Open accepts prompts and videos when the service does not answer. Otherwise
	// they are refused as unavailable, to be tried again.
	Open bool
	// Failed, which may be nil, is called with the reason why the service could
	// not be asked.
	Failed func(error)
}

type question struct {
	Type    string   `json:"type"`
	Project int64    `json:"project"`
	Job     string   `json:"job,omitempty"`
	Prompt  string   `json:"prompt"`
	Stills  []string `json:"stills,omitempty"`
}

// Prompt asks about a prompt.
func (w *Webhook) Prompt(ctx context.Context, project int64, text string) error {
	return w.ask(ctx, question{Type: "prompt", Project: project, Prompt: text},
		job.Errorf(job.PromptUnsafe, "prompt", "this server's rules do not allow the prompt: change it; nothing was charged"))
}

// Output asks about a video.
func (w *Webhook) Output(ctx context.Context, j job.Job, stills [][]byte) error {
	q := question{Type: "output", Project: j.Project, Job: j.ID.String(), Prompt: j.Spec.Prompt}
	for _, s := range stills {
		q.Stills = append(q.Stills, base64.StdEncoding.EncodeToString(s))
	}
	return w.ask(ctx, q, job.Errorf(job.OutputUnsafe, "", "the video was refused by this server's review; nothing was charged"))
}

// ask posts a question, and returns refusal if the answer is no.
func (w *Webhook) ask(ctx context.Context, q question, refusal error) error {
	timeout := w.Timeout
	if timeout <= 0 {
		timeout = DefaultHookTimeout
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	allow, err := w.answer(asking, body)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		if w.Failed != nil {
			w.Failed(err)
		}
		if w.Open {
			return nil
		}
		return &job.Error{Code: job.Unavailable, Message: "the moderation service does not answer: try again later", RetryAfter: 10 * time.Second, Err: err}
	case !allow:
		return refusal
	}
	return nil
}

func (w *Webhook) answer(ctx context.Context, body []byte) (bool, error) {
	status, answer, err := w.To.Post(ctx, body)
	if err != nil {
		return false, fmt.Errorf("asking the moderation webhook: %w", err)
	}
	if status != 200 {
		return false, fmt.Errorf("the moderation webhook answered with status %d", status)
	}
	var a struct {
		Allow *bool `json:"allow"`
	}
	if err := text.JSON(answer, &a); err != nil || a.Allow == nil {
		return false, fmt.Errorf(`the moderation webhook answered without {"allow": true} or false: %.100q`, answer)
	}
	return *a.Allow, nil
}
