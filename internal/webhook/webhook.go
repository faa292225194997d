// Package webhook reports changes of jobs to customers. A project's endpoints get
// signed events in the form of Standard Webhooks. A job's own callback gets what
// MiniMax's API posts, after it has answered a challenge.
//
// A delivery is written in the transaction that changes the job, so none is lost.
// It is sent at least once, may arrive twice or out of order, and carries an id
// by which a receiver detects repeats. The package never follows a redirect,
// never reaches a private address, and shows a receiver's answer only in the
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

// Overlap is how long a replaced secret keeps signing beside the new one.
const Overlap = 24 * time.Hour

// waits are the pauses between attempts, as Standard Webhooks proposes. There is
// one attempt more than pauses.
var waits = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// MaxAttempts is the most attempts at a delivery.
var MaxAttempts = len(waits) + 1

// Events lists the events that an endpoint may ask for. Names of videos' events
// are OpenAI's, the others our own.
func Events() []string {
	out := []string{"video.completed", "video.failed"}
	for _, s := range job.States() {
		out = append(out, "job."+string(s))
	}
	return out
}

// EventsOf returns the events that a job's new state causes.
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

// OnChange is the hook that the store calls in the transaction that changes a
// job.
func OnChange(tx *store.Tx, j job.Job) error {
	return tx.AddDeliveries(context.Background(), j, EventsOf(j), newEventID)
}

func newEventID() string { return "evt_" + strings.ToLower(rand.Text()) }

// NewSecret makes a secret for an endpoint: 32 random bytes in base64.
func NewSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// Rotate replaces an endpoint's secret. The old one also signs for Overlap.
func Rotate(e *store.Endpoint, now time.Time) {
	e.PreviousSecret, e.PreviousUntil = e.Secret, now.Add(Overlap)
	e.Secret = NewSecret()
}

// Limits of an endpoint.
const (
	MaxURL         = 2048
	MaxDescription = 200
)

// Check returns an error that names an endpoint's wrong field. urlOK checks the
// form of a URL, as egress.Client.CheckURL does.
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

// Poster posts to a URL and reads the answer; egress.Client implements it.
type Poster interface {
	Post(ctx context.Context, url string, header http.Header, body []byte) (status int, answer []byte, err error)
}

// Challenger checks that a callback URL wants to be called, in MiniMax's way: it
// posts {"challenge": "…"} and expects the same back within ChallengeTime.
type Challenger struct{ To Poster }

// Challenge returns a *job.Error that names callback_url if the URL does not
// answer as required.
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
		return nil // even if the rest of the answer is broken
	}
	if err != nil {
		return &job.Error{Code: job.Invalid, Param: "callback_url", Message: "callback_url did not answer its challenge: " + err.Error(), Err: err}
	}
	return job.Errorf(job.Invalid, "callback_url",
		"callback_url must answer a POST of {\"challenge\": \"…\"} with the same, within %v; it answered with status %d", ChallengeTime, status)
}

// echoes reports whether an answer begins with the challenge's word. The rest of
// the answer does not matter.
func echoes(status int, answer []byte, word string) bool {
	var got struct {
		Challenge string `json:"challenge"`
	}
	first := json.NewDecoder(text.NewReader(bytes.NewReader(answer)))
	return status >= 200 && status <= 299 && first.Decode(&got) == nil &&
		subtle.ConstantTimeCompare([]byte(got.Challenge), []byte(word)) == 1
}

// Hook posts moderation's questions to the operator's own service, signed if
// there is a secret.
type Hook struct {
	To     *egress.Upstream
	Secret string
}

// maxHookAnswer is how much of the service's answer is read, in bytes.
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
