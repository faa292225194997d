package web

import (
	"net/http"
	"time"
)

// stallTime is how long a reader may take for one piece of an answer. net/http's
// own limit would apply to the whole answer, however long its video is.
const stallTime = time.Minute

// recorder records the status and size of an answer, and gives up on readers that
// stop reading.
type recorder struct {
	http.ResponseWriter
	conn   *http.ResponseController // of the connection below
	status int
	bytes  int64
	own    bool // the handler sets its own deadlines
}

// SetWriteDeadline is for handlers with a limit of their own.
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
	r.extendDeadline()
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap gives http.ResponseController the underlying writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// FlushError flushes a stream, and returns an error when its reader has gone.
func (r *recorder) FlushError() error {
	r.extendDeadline()
	return r.conn.Flush()
}

// Flush implements http.Flusher.
func (r *recorder) Flush() { _ = r.FlushError() } // the next write fails too

// extendDeadline gives the reader time for the next piece.
func (r *recorder) extendDeadline() {
	if !r.own {
		_ = r.conn.SetWriteDeadline(time.Now().Add(stallTime)) // tests' writers have none
	}
}
