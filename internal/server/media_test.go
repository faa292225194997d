package server

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestMediaPolicy: a browser may show what a link leads to with its own player,
// and runs nothing of it.
func TestMediaPolicy(t *testing.T) {
	b := &countedBlobs{data: []byte("a film")}
	w := httptest.NewRecorder()
	if err := serveBlob(w, httptest.NewRequest("GET", "/media/x", nil), b, "video/1.mp4", ""); err != nil {
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
