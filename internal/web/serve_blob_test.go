package web

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

// storedBytes is a store that holds the same bytes under every key.
type storedBytes string

func (s storedBytes) OpenBlob(context.Context, string) (io.ReadSeekCloser, int64, error) {
	return readSeekCloser{strings.NewReader(string(s))}, int64(len(s)), nil
}

type readSeekCloser struct{ io.ReadSeeker }

func (readSeekCloser) Close() error { return nil }

// TestMediaPolicy: a browser may show linked media with its own player, but runs
// nothing in it.
func TestMediaPolicy(t *testing.T) {
	b := storedBytes("a video")
	w := httptest.NewRecorder()
	if err := ServeBlob(w, httptest.NewRequest("GET", "/media/x", nil), b, "video/1.mp4", ""); err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for _, rule := range strings.Split(w.Header().Get("Content-Security-Policy"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(rule), " ")
		given[name] = value
	}
	want := map[string]string{"default-src": "'none'", "media-src": "'self'", "img-src": "'self'", "style-src": "'unsafe-inline'", "sandbox": "allow-same-origin"}
	for name, value := range want {
		if got, ok := given[name]; !ok || got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if len(given) != len(want) {
		t.Errorf("the policy has %v", given)
	}
}

// TestPreviewsAreNotCached: a link to a preview shows the latest frame.
func TestPreviewsAreNotCached(t *testing.T) {
	b := storedBytes("a frame")
	for key, cached := range map[string]bool{"preview/1.jpg": false, "image/1.jpg": true} {
		w := httptest.NewRecorder()
		if err := ServeBlob(w, httptest.NewRequest("GET", "/media/x", nil), b, key, ""); err != nil {
			t.Fatal(err)
		}
		if h := w.Result().Header; (h.Get("ETag") != "") != cached || strings.Contains(h.Get("Cache-Control"), "immutable") != cached {
			t.Errorf("%s: %v", key, h)
		}
	}
}
