// Package webhook tells customers what became of their jobs: endpoints of a
// project get signed events as Standard Webhooks has them, and a job's own
// callback gets what MiniMax's API posts, after it has answered a challenge.
//
// A delivery is written in the transaction that changes the job, so none is
// lost; it is sent at least once, may come twice or out of order, and carries
// an id by which a receiver tells. It never follows a redirect, never reaches
// a private address, and never shows a receiver's answer to anyone but the
// project's log.
package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/text"
)

// ChallengeTime is how long a callback URL may take to answer its challenge.
const ChallengeTime = 3 * time.Second

// Overlap is how long a replaced secret goes on signing beside the new one.
const Overlap = 24 * time.Hour

// waits are the pauses before the second attempt and those after it, as
// Standard Webhooks proposes; there is one more attempt than pauses.
var waits = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// MaxAttempts is how often a delivery is tried.
var MaxAttempts = len(waits) + 1

// Events lists the names an endpoint may ask for. Those of videos are OpenAI's,
// the others our own.
func Events() []string {
	out := []string{"video.completed", "video.failed"}
	for _, s := range job.States() {
		out = append(out, "job."+string(s))
	}
	return out
}

// EventsOf are the names of the events that a job's new state is.
func EventsOf(j job.Job) []string {
	out := []string{"job." + string(j.State)}
	switch {
	case j.Spec.Kind != job.Video || !j.State.Final():
	case j.State == job.Succeeded:
		out = append(out, "video.completed")
	default:
		out = append(out, "video.failed")
	}
	return out
}

// OnChange is what the store calls in the transaction that changes a job.
func OnChange(tx *store.Tx, j job.Job) error {
	return tx.AddDeliveries(context.Background(), j, EventsOf(j), newEventID)
}

func newEventID() string { return "evt_" + strings.ToLower(rand.Text()) }

// NewSecret makes a secret of an endpoint: 32 random bytes in base64.
func NewSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// Rotate replaces an endpoint's secret; the old one signs too for Overlap.
func Rotate(e *store.Endpoint, now time.Time) {
	e.PreviousSecret, e.PreviousUntil = e.Secret, now.Add(Overlap)
	e.Secret = NewSecret()
}

// Limits of an endpoint.
const (
	MaxURL         = 2048
	MaxDescription = 200
)

// Check says what is wrong with an endpoint. urlOK checks the form of a URL, as
// egress.Client.CheckURL does.
func Check(e *store.Endpoint, urlOK func(string) error) error {
	if len(e.URL) > MaxURL {
		return job.Errorf(job.Invalid, "url", "url has more than %d bytes", MaxURL)
	}
	if err := urlOK(e.URL); err != nil {
		return &job.Error{Code: job.Invalid, Param: "url", Message: "url: " + err.Error(), Err: err}
	}
	if len(e.Description) > MaxDescription {
		return job.Errorf(job.Invalid, "description", "description has more than %d bytes", MaxDescription)
	}
	if len(e.Events) == 0 {
		return job.Errorf(job.Invalid, "events", "events is empty: name some of %s", strings.Join(Events(), ", "))
	}
	for _, name := range e.Events {
		if !slices.Contains(Events(), name) {
			return job.Errorf(job.Invalid, "events", "there is no event %.60q: the events are %s", name, strings.Join(Events(), ", "))
		}
	}
	slices.Sort(e.Events)
	e.Events = slices.Compact(e.Events)
	return nil
}

// Poster asks a URL and reads its answer; egress.Client is one.
type Poster interface {
	Post(ctx context.Context, url string, header http.Header, body []byte) (status int, answer []byte, err error)
}

// Challenger asks a callback URL whether it wants to be called, as MiniMax
// does: it posts {"challenge": "…"} and reads the same back within
// ChallengeTime.
type Challenger struct{ To Poster }

// Challenge returns a *job.Error that names callback_url when the URL does not
// answer as it must.
func (c Challenger) Challenge(ctx context.Context, url string) error {
	word := strings.ToLower(rand.Text())
	body, err := json.Marshal(map[string]string{"challenge": word})
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, ChallengeTime)
	defer cancel()
	status, answer, err := c.To.Post(asking, url, http.Header{"Content-Type": {"application/json"}}, body)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if echoes(status, answer, word) {
		return nil // whatever became of the rest of the answer
	}
	if err != nil {
		return &job.Error{Code: job.Invalid, Param: "callback_url", Message: "callback_url did not answer its challenge: " + err.Error(), Err: err}
	}
	return job.Errorf(job.Invalid, "callback_url",
		"callback_url must answer a POST of {\"challenge\": \"…\"} with the same, within %v; it answered with status %d", ChallengeTime, status)
}

// echoes reports whether an answer begins with the word that was asked for. What
// follows it, or is missing, decides nothing.
func echoes(status int, answer []byte, word string) bool {
	var got struct {
		Challenge string `json:"challenge"`
	}
	first := json.NewDecoder(text.NewReader(bytes.NewReader(answer)))
	return status >= 200 && status <= 299 && first.Decode(&got) == nil &&
		subtle.ConstantTimeCompare([]byte(got.Challenge), []byte(word)) == 1
}

// Hook posts what moderation asks to the operator's own service, signed where
// there is a secret.
type Hook struct {
	To     *egress.Upstream
	Secret string
}

// maxHookAnswer is how much of the service's answer is read.
const maxHookAnswer = 64 << 10

// Post sends a body and returns status and answer.
func (h Hook) Post(ctx context.Context, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "", strings.NewReader(string(body)))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.Secret != "" {
		if err := sign(req.Header, store.Endpoint{Secret: h.Secret}, newEventID(), time.Now(), body); err != nil {
			return 0, nil, err
		}
	}
	resp, err := h.To.Do(ctx, req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := egress.ReadAll(resp.Body, maxHookAnswer)
	return resp.StatusCode, answer, err
}
