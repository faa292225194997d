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

// deadlines records write deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error { d.until = t; return nil }

var errGone = errors.New("the reader has gone")

func (*deadlines) FlushError() error { return errGone }

// TestStalledReaders: a reader that stops reading does not hold an answer for
// ever. A handler may set a limit of its own.
func TestStalledReaders(t *testing.T) {
	f := Front{MaxBody: 1, Log: slog.New(slog.DiscardHandler), Count: func(string, int, time.Duration) {}}
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	own := time.Now().Add(time.Second)
	h := f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !d.until.IsZero() {
			t.Error("the limit of the previous request still applies")
		}
		io.WriteString(w, "a video")
		if left := time.Until(d.until); left <= 0 || left > stallTime {
			t.Errorf("a piece may take %v", left)
		}
		if err := http.NewResponseController(w).SetWriteDeadline(own); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "an event")
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, errGone) {
			t.Errorf("the handler gets %v", err)
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
		t.Errorf("the rest of the answer may take %v", left)
	}
}
