package web

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/text"
)

// MaxValues is how many values the JSON of a request may have. A value of two
// bytes takes about fifty once it is decoded, so without a bound a body would
// take twenty times its size.
const MaxValues = 100_000

// busyTime is how long to wait before repeating a request that found no memory
// for its body.
const busyTime = 2 * time.Second

// HeldBody is a request's body whose bytes are counted while handlers hold them
// in memory. All bodies together have a bound: reading one beyond it fails with
// an error that says to try again. Bytes that a sender only announces do not
// count.
type HeldBody struct {
	io.ReadCloser
	room *semaphore.Weighted // the bound of all bodies, limits.bodies

	mu   sync.Mutex
	held int64
	over bool // true once bytes are no longer counted
}

// textBody is a request's body as text: it drops the byte order mark, and returns
// our own error for invalid UTF-8.
type textBody struct {
	io.Closer
	text io.Reader
}

// ReadText makes a request's body be read as text. A form is left alone, as its
// parts may be files; its reader decodes its fields.
func ReadText(r *http.Request) {
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "multipart/") {
		r.Body = &textBody{r.Body, text.NewReader(r.Body)}
	}
}

func (b *textBody) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if not := (*text.Error)(nil); errors.As(err, &not) {
		return n, &job.Error{Code: job.Invalid, Message: "the request's body cannot be read: " + not.Error()}
	}
	return n, err
}

// HoldBody counts a request's body until Release is called.
func HoldBody(r *http.Request, room *semaphore.Weighted) *HeldBody {
	h := &HeldBody{ReadCloser: r.Body, room: room}
	r.Body = h
	return h
}

// Read fails with a job.Error of code Unavailable if there is no memory left.
func (h *HeldBody) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.mu.Lock()
	defer h.mu.Unlock()
	if n == 0 || h.over {
		return n, err
	}
	if !h.room.TryAcquire(int64(n)) {
		return 0, &job.Error{Code: job.Unavailable, Message: "the server has no memory left for request bodies: try again in a moment", RetryAfter: busyTime}
	}
	h.held += int64(n)
	return n, err
}

// keep releases all but n bytes and stops counting: the rest of the body is not
// in memory.
func (h *HeldBody) keep(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	if n < h.held {
		h.room.Release(h.held - n)
		h.held = n
	}
}

// Release releases all bytes.
func (h *HeldBody) Release() { h.keep(0) }

// KeepBody sets how many bytes of a request's body its handler still has in
// memory.
func KeepBody(r *http.Request, n int64) {
	if h, ok := r.Body.(*HeldBody); ok {
		h.keep(n)
	}
}

// formBytes is how many bytes a form has in memory. Files up to so many bytes in
// all are kept there.
func formBytes(f *multipart.Form, files int64) (n int64) {
	for name, list := range f.Value {
		for _, s := range list {
			n += int64(len(name) + len(s))
		}
	}
	for _, list := range f.File {
		for _, h := range list {
			if h.Size <= files {
				n += h.Size
			}
		}
	}
	return n
}

// stringEnd returns the position of the closing quote of the JSON string that s
// begins within, or len(s) if there is none.
func stringEnd(s []byte) int {
	for from := 0; ; {
		at := bytes.IndexByte(s[from:], '"')
		if at < 0 {
			return len(s)
		}
		at += from
		slashes := 0
		for at-slashes > from && s[at-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
		from = at + 1
	}
}
