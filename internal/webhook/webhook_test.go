package webhook

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// shelf is a store of one delivery and one endpoint.
type shelf struct {
	d    store.Delivery
	e    store.Endpoint
	held bool           // an attempt runs
	told store.Delivery // what BeginDelivery returns when it refuses
	away error          // the error of Endpoint
}

func (s *shelf) BeginDelivery(_ context.Context, id int64) (store.Delivery, bool, error) {
	if s.d.ID != id || s.d.State != store.DeliveryPending || s.held {
		return s.told, false, nil
	}
	s.held = true
	return s.d, true, nil
}

func (s *shelf) ReleaseDelivery(ctx context.Context, _ int64) error {
	s.held = false
	return ctx.Err()
}

func (s *shelf) Endpoint(context.Context, int64, int64) (store.Endpoint, error) {
	if s.away != nil {
		return store.Endpoint{}, s.away
	}
	if s.e.ID == 0 {
		return s.e, job.Errorf(job.NotFound, "", "none")
	}
	return s.e, nil
}

func (s *shelf) ChangeEndpoint(_ context.Context, _, _ int64, change func(*store.Endpoint) error) (store.Endpoint, error) {
	return s.e, change(&s.e)
}

func (s *shelf) Attempted(_ context.Context, _ int64, status int, why string, delivered bool, next time.Time) error {
	s.d.Attempts++
	s.held = false
	s.d.LastStatus, s.d.LastError, s.d.NextAt = status, why, next
	switch {
	case delivered:
		s.d.State = store.DeliveryDelivered
	case next.IsZero():
		s.d.State = store.DeliveryFailed
	}
	return nil
}

// receiver answers posts and keeps the last.
type receiver struct {
	status int
	answer func(body []byte) []byte
	err    error
	url    string
	header http.Header
	body   []byte
	n      int
}

func (r *receiver) Post(_ context.Context, url string, h http.Header, body []byte) (int, []byte, error) {
	r.n++
	r.url, r.header, r.body = url, h, body
	if r.answer != nil {
		return r.status, r.answer(body), r.err
	}
	return r.status, nil, r.err
}

func (r *receiver) Tell(ctx context.Context, url string, h http.Header, body []byte) (int, error) {
	status, _, err := r.Post(ctx, url, h, body)
	return status, err
}

type plain struct{}

func (plain) Render(_ context.Context, d store.Delivery) ([]byte, error) {
	return json.Marshal(map[string]string{"event": d.Event})
}

func newSender(to *receiver) (*Sender, *shelf) {
	sh := &shelf{
		d: store.Delivery{ID: 7, Project: 1, Endpoint: 3, URL: "https://example.com/hook", Form: store.FormStandard, Event: "job.succeeded", EventID: "evt_1", State: store.DeliveryPending},
		e: store.Endpoint{ID: 3, Project: 1, Secret: NewSecret()},
	}
	return &Sender{Store: sh, To: to, Render: plain{}}, sh
}

func TestDeliverySigned(t *testing.T) {
	to := &receiver{status: 204}
	s, sh := newSender(to)
	old := sh.e.Secret
	Rotate(&sh.e, time.Now())
	if again, err := s.Deliver(context.Background(), 7); again != 0 || err != nil {
		t.Fatal(again, err)
	}
	if sh.d.State != store.DeliveryDelivered || sh.d.Attempts != 1 || to.url != sh.d.URL || string(to.body) != `{"event":"job.succeeded"}` {
		t.Errorf("delivery %+v, body %s", sh.d, to.body)
	}
	// A receiver with either secret accepts it, by the library's own check.
	for name, secret := range map[string]string{"new": sh.e.Secret, "old": old} {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(to.body, to.header); err != nil {
			t.Errorf("the %s secret: %v", name, err)
		}
		if err := wh.Verify(append(to.body, ' '), to.header); err == nil {
			t.Errorf("the %s secret takes another body", name)
		}
	}
	// After the overlap the old secret no longer signs.
	sh.d.State = store.DeliveryPending
	s.Now = func() time.Time { return time.Now().Add(Overlap + time.Minute) }
	if _, err := s.Deliver(context.Background(), 7); err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(to.header.Get("webhook-signature"))); n != 1 {
		t.Errorf("%d signatures after the overlap", n)
	}
}

// TestSchedule: ten attempts with the documented pauses, then the delivery has
// failed.
func TestSchedule(t *testing.T) {
	to := &receiver{status: 500}
	s, sh := newSender(to)
	outcomes := map[string]int{}
	s.Count = func(o string) { outcomes[o]++ }
	want := []string{"5s", "5m0s", "30m0s", "2h0m0s", "5h0m0s", "10h0m0s", "14h0m0s", "20h0m0s", "24h0m0s", "0s"}
	for i, w := range want {
		again, err := s.Deliver(context.Background(), 7)
		if err != nil || again.String() != w {
			t.Fatalf("attempt %d: again in %v, %v, want %s", i+1, again, err, w)
		}
	}
	if sh.d.State != store.DeliveryFailed || sh.d.LastStatus != 500 || !strings.Contains(sh.d.LastError, "500") || to.n != MaxAttempts {
		t.Errorf("%+v after %d posts", sh.d, to.n)
	}
	if again, err := s.Deliver(context.Background(), 7); again != 0 || err != nil || to.n != MaxAttempts {
		t.Errorf("a failed delivery is tried again: %v, %v", again, err)
	}
	if outcomes["retried"] != 9 || outcomes["failed"] != 1 {
		t.Errorf("counted %v", outcomes)
	}
}

func TestGoneDisables(t *testing.T) {
	s, sh := newSender(&receiver{status: 410})
	if again, err := s.Deliver(context.Background(), 7); again != 0 || err != nil {
		t.Fatal(again, err)
	}
	if sh.d.State != store.DeliveryFailed || !strings.Contains(sh.e.Disabled, "410") {
		t.Errorf("%+v, endpoint %q", sh.d.State, sh.e.Disabled)
	}
	to := &receiver{status: 200}
	s, sh = newSender(to)
	sh.e.Disabled = "x"
	if again, err := s.Deliver(context.Background(), 7); again != 0 || err != nil || to.n != 0 || sh.d.State != store.DeliveryFailed {
		t.Errorf("a disabled endpoint: %v %v, %d posts, %s", again, err, to.n, sh.d.State)
	}
}

func TestStopIsNoAttempt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, sh := newSender(&receiver{err: errors.New("cut")})
	if _, err := s.Deliver(ctx, 7); !errors.Is(err, context.Canceled) || sh.d.Attempts != 0 || sh.held {
		t.Errorf("%v, %d attempts, a slot is held: %v", err, sh.d.Attempts, sh.held)
	}
	sh.d.ID = 0
	if again, err := s.Deliver(context.Background(), 7); again != 0 || err != nil {
		t.Errorf("a delivery that is gone: %v, %v", again, err)
	}
}

// TestTakenAsItStops: a delivery that the receiver accepted counts as delivered
// even if the server stops at that moment.
func TestTakenAsItStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, sh := newSender(&receiver{status: 200, answer: func([]byte) []byte { cancel(); return nil }})
	if again, err := s.Deliver(ctx, 7); again != 0 || err != nil || sh.d.State != store.DeliveryDelivered || sh.d.Attempts != 1 {
		t.Errorf("again in %v, %v; %+v", again, err, sh.d)
	}
}

// TestAnswersWithoutAnEnd: a 2xx answer means that the receiver accepted the
// event, even if the answer's body is cut short, broken or endless. The same
// holds for a callback that echoes its challenge.
func TestAnswersWithoutAnEnd(t *testing.T) {
	rest := make(chan struct{})
	t.Cleanup(func() { close(rest) })
	url := answers(t, func(c net.Conn, path string, body []byte) {
		switch path {
		case "/short":
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", string(body))
		case "/chunk":
			fmt.Fprintf(c, "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body)
		case "/no-chunk":
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense")
		case "/endless":
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n", string(body), " ")
			<-rest
		case "/failed":
			fmt.Fprint(c, "HTTP/1.1 503 Busy\r\nContent-Length: 10\r\n\r\nx")
		case "/gone":
			fmt.Fprint(c, "HTTP/1.1 410 Gone\r\nContent-Length: 10\r\n\r\nx")
		}
	})
	client, err := egress.New(egress.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		state  store.DeliveryState
		status int
		echo   bool
	}{
		"/short":    {store.DeliveryDelivered, 200, true},
		"/chunk":    {store.DeliveryDelivered, 202, true},
		"/no-chunk": {store.DeliveryDelivered, 200, false},
		"/endless":  {store.DeliveryDelivered, 200, false},
		"/failed":   {store.DeliveryPending, 503, false},
		"/gone":     {store.DeliveryFailed, 410, false},
		"/none":     {store.DeliveryPending, 0, false},
	} {
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			s, sh := newSender(nil)
			s.To, sh.d.URL = client, url+path
			_, err := s.Deliver(t.Context(), 7)
			if err != nil || sh.d.State != want.state || sh.d.LastStatus != want.status || sh.d.Attempts != 1 {
				t.Errorf("%v: %s, status %d, %q; want %s, %d", err, sh.d.State, sh.d.LastStatus, sh.d.LastError, want.state, want.status)
			}
			if path == "/endless" {
				return // a challenge waits for the body
			}
			if err := (Challenger{client}).Challenge(t.Context(), url+path); (err == nil) != want.echo {
				t.Errorf("its challenge: %v, want echoed: %v", err, want.echo)
			}
		})
	}
}

// answers listens, reads one request per connection, and has do write the raw
// answer.
func answers(t *testing.T, do func(c net.Conn, path string, body []byte)) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				body, err := io.ReadAll(r.Body)
				if err == nil {
					do(c, r.URL.Path, body)
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

// TestNothingToSend: a delivery that is over or waits for a slot ends its entry
// in River's queue. A delivery that is not due yet postpones the entry.
func TestNothingToSend(t *testing.T) {
	now := time.Now()
	to := &receiver{status: 200}
	s, sh := newSender(to)
	s.Now, sh.held = func() time.Time { return now }, true
	for name, tt := range map[string]struct {
		told store.Delivery
		want time.Duration
	}{
		"there is none":    {store.Delivery{}, 0},
		"waits":            {store.Delivery{ID: 7, State: store.DeliveryPending, Waits: true}, 0},
		"not due yet":      {store.Delivery{ID: 7, State: store.DeliveryPending, NextAt: now.Add(time.Hour)}, time.Hour},
		"due by this time": {store.Delivery{ID: 7, State: store.DeliveryPending, NextAt: now}, time.Millisecond},
		"delivered":        {store.Delivery{ID: 7, State: store.DeliveryDelivered}, 0},
		"failed":           {store.Delivery{ID: 7, State: store.DeliveryFailed, NextAt: now.Add(time.Hour)}, 0},
	} {
		sh.told = tt.told
		if again, err := s.Deliver(context.Background(), 7); again != tt.want || err != nil || to.n != 0 || sh.d.Attempts != 0 {
			t.Errorf("%s: again in %v, %v, want %v; %d posts", name, again, err, tt.want, to.n)
		}
	}
}

// TestDatabaseAway: a database that does not answer does not end a delivery.
func TestDatabaseAway(t *testing.T) {
	to := &receiver{status: 200}
	s, sh := newSender(to)
	sh.away = job.Errorf(job.Unavailable, "", "the database is away")
	if again, err := s.Deliver(context.Background(), 7); again != 5*time.Second || err != nil || to.n != 0 || sh.d.State != store.DeliveryPending {
		t.Errorf("again in %v, %v, %d posts, %s", again, err, to.n, sh.d.State)
	}
}

func TestCallbackIsUnsigned(t *testing.T) {
	to := &receiver{status: 200}
	s, sh := newSender(to)
	sh.d.Endpoint, sh.d.Form, sh.e.ID = 0, store.FormMiniMax, 0
	if _, err := s.Deliver(context.Background(), 7); err != nil || sh.d.State != store.DeliveryDelivered || to.header.Get("webhook-id") != "" {
		t.Errorf("%v, %+v, %v", err, sh.d.State, to.header)
	}
}

func TestChallenge(t *testing.T) {
	echo := func(body []byte) []byte { return body }
	for name, tt := range map[string]struct {
		to *receiver
		ok bool
	}{
		"echo":    {&receiver{status: 200, answer: echo}, true},
		"marked":  {&receiver{status: 200, answer: func(body []byte) []byte { return append([]byte("\ufeff"), body...) }}, true},
		"error":   {&receiver{status: 500, answer: echo}, false},
		"silence": {&receiver{status: 200}, false},
		"wrong":   {&receiver{status: 200, answer: func([]byte) []byte { return []byte(`{"challenge":"x"}`) }}, false},
		"blocked": {&receiver{err: errors.New("the address is not open to requests")}, false},
	} {
		err := Challenger{tt.to}.Challenge(context.Background(), "https://example.com")
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
		if e := job.AsError(err); !tt.ok && (e.Code != job.Invalid || e.Param != "callback_url") {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestCheck(t *testing.T) {
	good := store.Endpoint{URL: "https://example.com", Events: []string{"video.failed", "job.queued", "video.failed"}}
	ok := func(string) error { return nil }
	if err := Check(&good, ok); err != nil || len(good.Events) != 2 {
		t.Error(err, good.Events)
	}
	for param, e := range map[string]store.Endpoint{
		"url":         {URL: strings.Repeat("x", MaxURL+1), Events: good.Events},
		"events":      {URL: "https://example.com"},
		"description": {URL: "https://example.com", Events: good.Events, Description: strings.Repeat("x", 201)},
	} {
		if err := job.AsError(Check(&e, ok)); err.Param != param {
			t.Errorf("%s: %+v", param, err)
		}
	}
	e := store.Endpoint{URL: "https://example.com", Events: []string{"video.started"}}
	if err := Check(&e, ok); err == nil {
		t.Error("an unknown event is accepted")
	}
	e.Events = good.Events
	if err := Check(&e, func(string) error { return errors.New("private") }); job.AsError(err).Param != "url" {
		t.Errorf("got %v", err)
	}
}

func TestEventsOf(t *testing.T) {
	for _, tt := range []struct {
		kind  job.Kind
		state job.State
		want  string
	}{
		{job.Video, job.Queued, "job.queued"},
		{job.Video, job.Succeeded, "job.succeeded video.completed"},
		{job.Video, job.Cancelled, "job.cancelled video.failed"},
		{job.Image, job.Failed, "job.failed"},
	} {
		if got := strings.Join(EventsOf(job.Job{State: tt.state, Spec: job.Spec{Kind: tt.kind}}), " "); got != tt.want {
			t.Errorf("%s %s: %s", tt.kind, tt.state, got)
		}
	}
}
