package web

import (
	"net/http"
	"time"
)

// stallTime is how long a reader may take for a piece of an answer: net/http's
// own limit would be one for the whole answer, however long a film it is.
const stallTime = time.Minute

// recorder notes status and size of an answer, and gives up on readers who take
// nothing.
type recorder struct {
	http.ResponseWriter
	conn   *http.ResponseController // of the connection below
	status int
	bytes  int64
	own    bool // the handler sets deadlines of its own
}

// SetWriteDeadline is for handlers that have a limit of their own.
func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.own = !t.IsZero()
	return r.conn.SetWriteDeadline(t)
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.patience()
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// FlushError lets streams through, and says when their reader has gone.
func (r *recorder) FlushError() error {
	r.patience()
	return r.conn.Flush()
}

// Flush is for those who ask for http.Flusher.
func (r *recorder) Flush() { _ = r.FlushError() } // the next write fails too

// patience gives the reader time for the next piece.
func (r *recorder) patience() {
	if !r.own {
		_ = r.conn.SetWriteDeadline(time.Now().Add(stallTime)) // tests' writers have none
	}
}
