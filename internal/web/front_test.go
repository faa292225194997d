package web

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// deadlines notes how long writes may take.
type deadlines struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error { d.until = t; return nil }

var errGone = errors.New("the reader has gone")

func (*deadlines) FlushError() error { return errGone }

// TestStalledReaders: a reader who takes nothing does not hold an answer for
// ever; a handler may have a limit of its own.
func TestStalledReaders(t *testing.T) {
	f := Front{MaxBody: 1, Log: slog.New(slog.DiscardHandler), Count: func(string, int, time.Duration) {}}
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	own := time.Now().Add(time.Second)
	h := f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !d.until.IsZero() {
			t.Error("there is a limit of the request before")
		}
		io.WriteString(w, "a film")
		if left := time.Until(d.until); left <= 0 || left > stallTime {
			t.Errorf("a piece may take %v", left)
		}
		if err := http.NewResponseController(w).SetWriteDeadline(own); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "an event")
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, errGone) {
			t.Errorf("the handler is told %v", err)
		}
		if !d.until.Equal(own) {
			t.Errorf("the handler's limit became %v", d.until)
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
	}))
	d.until = own
	h.ServeHTTP(d, httptest.NewRequest("GET", "/media/x", nil))
	if left := time.Until(d.until); left <= 0 || left > stallTime {
		t.Errorf("what is left to send may take %v", left)
	}
}
