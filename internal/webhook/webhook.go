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
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

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

// Renderer writes the body of a delivery in its API's form.
type Renderer interface {
	Render(ctx context.Context, d store.Delivery) ([]byte, error)
}

// Poster asks a URL and reads its answer; egress.Client is one.
type Poster interface {
	Post(ctx context.Context, url string, header http.Header, body []byte) (status int, answer []byte, err error)
}

// Teller tells a URL something and learns the status of its answer; egress.Client
// is one.
type Teller interface {
	Tell(ctx context.Context, url string, header http.Header, body []byte) (status int, err error)
}

// Deliveries is what the sender needs of the store.
type Deliveries interface {
	BeginDelivery(ctx context.Context, id int64, busy time.Duration) (store.Delivery, bool, error)
	ReleaseDelivery(ctx context.Context, id int64) error
	Endpoint(ctx context.Context, project, id int64) (store.Endpoint, error)
	ChangeEndpoint(ctx context.Context, project, id int64, change func(*store.Endpoint) error) (store.Endpoint, error)
	Attempted(ctx context.Context, id int64, status int, why string, delivered bool, next time.Time) error
}

// DefaultTimeout is how long a receiver may take to answer.
const DefaultTimeout = 15 * time.Second

// beside is what an attempt may take beside the receiver's answer; after it the
// sender is taken for lost.
const beside = 5 * time.Second

// Sender sends deliveries. Set its fields before its first use.
type Sender struct {
	Store   Deliveries
	To      Teller
	Render  Renderer
	Timeout time.Duration    // of an attempt; 0 is DefaultTimeout
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil is slog.Default
	// Count, which may be nil, is told how an attempt went: "delivered",
	// "retried" or "failed".
	Count func(outcome string)
}

// Deliver makes one attempt at a delivery. It returns when to ask again, or 0
// when it is over: while another sender has it, or before it is due, no attempt
// is made. An error means that the database could not be asked or told: the
// attempt is to be repeated.
func (s *Sender) Deliver(ctx context.Context, id int64) (again time.Duration, err error) {
	d, ok, err := s.Store.BeginDelivery(ctx, id, s.timeout()+beside)
	if err != nil {
		return 0, err
	}
	if !ok {
		return s.wait(d), nil
	}
	status, err := s.attempt(ctx, d)
	if err != nil && ctx.Err() != nil { // the server is going down: not the receiver's fault
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), beside)
		defer cancel()
		return 0, errors.Join(ctx.Err(), s.Store.ReleaseDelivery(soon, id))
	}
	why, gone := "", errors.Is(err, errGone)
	if err != nil {
		why = err.Error()
	}
	delivered := err == nil
	if !delivered && !gone && d.Attempts < len(waits) {
		again = waits[d.Attempts]
	}
	next := time.Time{}
	if again > 0 {
		next = s.now().Add(again)
	}
	s.count(delivered, again)
	// What the receiver has taken is noted even as the server goes down.
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), beside)
	defer cancel()
	return again, s.Store.Attempted(noting, id, status, why, delivered, next)
}

// wait is when to look again after a delivery that could not be begun. The
// other sender may be lost with its entry in the queue, so this one stays until
// the delivery is over.
func (s *Sender) wait(d store.Delivery) time.Duration {
	switch until := d.NextAt.Sub(s.now()); {
	case d.State != store.DeliveryPending, d.Waits: // it is over, or will be called
		return 0
	case until > 0:
		return until
	default:
		return s.timeout() + beside
	}
}

func (s *Sender) count(delivered bool, again time.Duration) {
	if s.Count == nil {
		return
	}
	switch {
	case delivered:
		s.Count("delivered")
	case again > 0:
		s.Count("retried")
	default:
		s.Count("failed")
	}
}

func (s *Sender) timeout() time.Duration { return cmp.Or(s.Timeout, DefaultTimeout) }

func (s *Sender) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// errGone ends a delivery without another attempt.
var errGone = errors.New("the webhook is no longer there")

// attempt posts a delivery once.
func (s *Sender) attempt(ctx context.Context, d store.Delivery) (status int, err error) {
	body, err := s.Render.Render(ctx, d)
	if err != nil {
		return 0, fmt.Errorf("writing the event: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if d.Form == store.FormStandard {
		e, err := s.Store.Endpoint(ctx, d.Project, d.Endpoint)
		switch {
		case err != nil && job.CodeOf(err) != job.NotFound:
			return 0, fmt.Errorf("looking up the webhook: %w", err)
		case err != nil || e.Disabled != "":
			return 0, errGone
		}
		if err := sign(header, e, d.EventID, s.now(), body); err != nil {
			return 0, err
		}
	}
	asking, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	status, err = s.To.Tell(asking, d.URL, header, body)
	switch {
	case err != nil:
		return status, err
	case status == http.StatusGone && d.Endpoint != 0:
		_, err := s.Store.ChangeEndpoint(ctx, d.Project, d.Endpoint, func(e *store.Endpoint) error {
			e.Disabled = "it answered 410 Gone on " + s.now().UTC().Format(time.RFC3339)
			return nil
		})
		return status, errors.Join(errGone, err)
	case status < 200 || status > 299:
		return status, fmt.Errorf("the receiver answered with status %d", status)
	}
	return status, nil
}

// sign adds the headers of Standard Webhooks, with a signature for each secret
// that counts at the time.
func sign(h http.Header, e store.Endpoint, id string, now time.Time, body []byte) error {
	secrets := []string{e.Secret}
	if e.PreviousSecret != "" && now.Before(e.PreviousUntil) {
		secrets = append(secrets, e.PreviousSecret)
	}
	var signatures []string
	for _, secret := range secrets {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return fmt.Errorf("the webhook's secret cannot be used: rotate it: %w", err)
		}
		sig, err := wh.Sign(id, now, body)
		if err != nil {
			return fmt.Errorf("signing the event: %w", err)
		}
		signatures = append(signatures, sig)
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
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
