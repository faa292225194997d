package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/sync/semaphore"
	"pgregory.net/rapid"

	"github.com/kinora-video/kinora/internal/job"
)

// TestHeldBody: kept bytes stay counted, streamed bytes do not.
func TestHeldBody(t *testing.T) {
	room := semaphore.NewWeighted(100)
	r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 300)))
	h := HoldBody(r, room)
	if n, err := io.ReadFull(r.Body, make([]byte, 80)); n != 80 || err != nil {
		t.Fatal(n, err)
	}
	KeepBody(r, 30)
	if room.TryAcquire(71) || !room.TryAcquire(70) {
		t.Error("30 of 100 bytes should be held")
	}
	if rest, err := io.ReadAll(r.Body); len(rest) != 220 || err != nil {
		t.Errorf("%d bytes of a stream, %v", len(rest), err)
	}
	room.Release(70)
	h.Release()
	if !room.TryAcquire(100) {
		t.Error("bytes are held after Release")
	}
	room.Release(1)
	HoldBody(r, room)
	r.Body.(*HeldBody).ReadCloser = io.NopCloser(strings.NewReader("xx"))
	var e *job.Error
	if _, err := io.ReadAll(r.Body); !errors.As(err, &e) || e.Code != job.Unavailable || e.RetryAfter <= 0 {
		t.Errorf("no room: %v", err)
	}
}

// TestFormBytes: the parts of a form that are in memory are counted.
func TestFormBytes(t *testing.T) {
	var body strings.Builder
	w := multipart.NewWriter(&body)
	for name, size := range map[string]int{"small": 100, "large": 5000} {
		p, err := w.CreateFormFile(name, name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(p, strings.Repeat("x", size))
	}
	if err := errors.Join(w.WriteField("text", "12345"), w.Close()); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(body.String()))
	r.Header.Set("Content-Type", w.FormDataContentType())
	if err := r.ParseMultipartForm(1000); err != nil {
		t.Fatal(err)
	}
	defer r.MultipartForm.RemoveAll()
	if n := formBytes(r.MultipartForm, 1000); n != 109 {
		t.Errorf("%d bytes, want 109", n)
	}
}

// TestStringEnd: strings are skipped as encoding/json reads them.
func TestStringEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[a"\\,\[{ü]{0,20}`).Draw(t, "text")
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		tail := rapid.StringMatching(`[a"\\,]{0,5}`).Draw(t, "tail")
		if got := stringEnd(append(text[1:], tail...)); got != len(text)-2 {
			t.Fatalf("%s ends at %d, want %d", text, got, len(text)-2)
		}
	})
	if got := stringEnd([]byte(`abc\"`)); got != 5 {
		t.Errorf("an open string ends at %d", got)
	}
}
