package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Times of event streams (https://html.spec.whatwg.org/multipage/server-sent-events.html).
const (
	eventTime = 10 * time.Second // for writing one event
	// RetryTime is after how long a reader reconnects when it lost the stream.
	RetryTime = 2 * time.Second
)

// Events writes server-sent events. It is for one goroutine.
type Events struct {
	w  http.ResponseWriter
	rc *http.ResponseController
	// begun is set once an event, and with it the reconnection time, was sent.
	begun bool
}

// StartEvents begins a stream.
func StartEvents(w http.ResponseWriter) *Events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // otherwise nginx buffers events
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	// The request is read, but the server's limit for reading it would end the
	// stream.
	_ = rc.SetReadDeadline(time.Time{}) // a deadline that cannot be set was never set
	return &Events{w: w, rc: rc}
}

// Write sends a block of lines, and fails when the reader does not accept it in
// time.
func (e *Events) Write(block []byte) error {
	if err := e.rc.SetWriteDeadline(time.Now().Add(eventTime)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if _, err := e.w.Write(block); err != nil {
		return err
	}
	return e.rc.Flush()
}

// Send sends an event. JSON has no line ends, so data is one line. The first
// event also carries the reconnection time: some readers, such as httpx-sse,
// would take a separate block for an event without data.
func (e *Events) Send(name string, id int64, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	block := fmt.Appendf(nil, "event: %s\nid: %d\n", name, id)
	if !e.begun {
		block = fmt.Appendf(block, "retry: %d\n", RetryTime.Milliseconds())
	}
	e.begun = true
	return e.Write(fmt.Appendf(block, "data: %s\n\n", text))
}

// End lets the connection be used for further requests.
func (e *Events) End() {
	_ = e.rc.SetWriteDeadline(time.Time{}) // a deadline that cannot be set was never set
}

// LastEventID parses the header of a reconnecting reader; 0 for none.
func LastEventID(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, job.Errorf(job.Invalid, "Last-Event-ID", "Last-Event-ID is %.30q: it must be the id of an event", s)
	}
	return n, nil
}

// Flush sends the headers, so that the reader sees that the stream has begun.
func (e *Events) Flush() error { return e.rc.Flush() }
