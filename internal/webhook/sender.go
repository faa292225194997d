package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// Renderer writes the body of a delivery in its API's form.
type Renderer interface {
	Render(ctx context.Context, d store.Delivery) ([]byte, error)
}

// Teller posts to a URL and returns the status of its answer; egress.Client
// implements it.
type Teller interface {
	Tell(ctx context.Context, url string, header http.Header, body []byte) (status int, err error)
}

// Deliveries is the part of the store that the sender needs.
type Deliveries interface {
	BeginDelivery(ctx context.Context, id int64) (store.Delivery, bool, error)
	ReleaseDelivery(ctx context.Context, id int64) error
	Endpoint(ctx context.Context, project, id int64) (store.Endpoint, error)
	ChangeEndpoint(ctx context.Context, project, id int64, change func(*store.Endpoint) error) (store.Endpoint, error)
	Attempted(ctx context.Context, id int64, status int, why string, delivered bool, next time.Time) error
}

// DefaultTimeout is how long a receiver may take to answer.
const DefaultTimeout = 15 * time.Second

// writeTime is how long an attempt may take in addition to the receiver's answer.
// Most of it is for writing the outcome.
const writeTime = 5 * time.Second

// Sender sends deliveries. Set its fields before its first use.
type Sender struct {
	Store   Deliveries
	To      Teller
	Render  Renderer
	Timeout time.Duration    // of an attempt; 0 is DefaultTimeout
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil is slog.Default
	// Count, which may be nil, is called with the outcome of each attempt:
	// "delivered", "retried" or "failed".
	Count func(outcome string)
}

// Deliver makes one attempt at a delivery, for River, which calls it again after
// retryAfter. A retryAfter of 0 means that the delivery is over, or that the
// store enqueues it again when a slot is free. A delivery that is not due yet is
// not attempted. An error means that the database could not be read or written;
// then River repeats the attempt.
func (s *Sender) Deliver(ctx context.Context, id int64) (retryAfter time.Duration, err error) {
	d, ok, err := s.Store.BeginDelivery(ctx, id)
	if err != nil {
		return 0, err
	}
	if !ok {
		if d.State == store.DeliveryPending && !d.Waits {
			return max(time.Millisecond, d.NextAt.Sub(s.now())), nil
		}
		return 0, nil
	}
	status, err := s.attempt(ctx, d)
	if err != nil && ctx.Err() != nil { // the server is stopping; the receiver did not fail
		soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
		defer cancel()
		return 0, errors.Join(ctx.Err(), s.Store.ReleaseDelivery(soon, id))
	}
	why, gone := "", errors.Is(err, errGone)
	if err != nil {
		why = err.Error()
	}
	delivered := err == nil
	if !delivered && !gone && d.Attempts < len(waits) {
		retryAfter = waits[d.Attempts]
	}
	next := time.Time{}
	if retryAfter > 0 {
		next = s.now().Add(retryAfter)
	}
	s.count(delivered, retryAfter)
	// A delivery that the receiver accepted is written even while the server
	// stops.
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	return retryAfter, s.Store.Attempted(noting, id, status, why, delivered, next)
}

// count reports the outcome of an attempt to Count.
func (s *Sender) count(delivered bool, retryAfter time.Duration) {
	if s.Count == nil {
		return
	}
	switch {
	case delivered:
		s.Count("delivered")
	case retryAfter > 0:
		s.Count("retried")
	default:
		s.Count("failed")
	}
}

// Longest is how long one attempt may take.
func (s *Sender) Longest() time.Duration { return s.timeout() + writeTime }

func (s *Sender) timeout() time.Duration { return cmp.Or(s.Timeout, DefaultTimeout) }

func (s *Sender) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// errGone ends a delivery: no further attempt is made.
var errGone = errors.New("the webhook no longer exists")

// attempt posts a delivery once.
func (s *Sender) attempt(ctx context.Context, d store.Delivery) (status int, err error) {
	body, err := s.Render.Render(ctx, d)
	if err != nil {
		return 0, fmt.Errorf("write the event: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if d.Form == store.FormStandard {
		e, err := s.Store.Endpoint(ctx, d.Project, d.Endpoint)
		switch {
		case err != nil && job.CodeOf(err) != job.NotFound:
			return 0, fmt.Errorf("look up the webhook: %w", err)
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

// sign adds the headers of Standard Webhooks, with one signature for each secret
// that is valid now.
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
			return fmt.Errorf("sign the event: %w", err)
		}
		signatures = append(signatures, sig)
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
