package server

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
)

// brokenListener fails like a listener whose address was removed.
type brokenListener struct{ net.Listener }

var errBroken = errors.New("the address has gone")

func (brokenListener) Accept() (net.Conn, error) { return nil, errBroken }

// TestListenerFails: a server that cannot accept connections ends, so that it is
// restarted.
func TestListenerFails(t *testing.T) {
	s, _ := realServer(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), brokenListener{ln}) }()
	select {
	case err := <-done:
		if !errors.Is(err, errBroken) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it does not end")
	}
}

// TestReadyWithoutMedia: a server that cannot write media is not ready.
func TestReadyWithoutMedia(t *testing.T) {
	s, _ := realServer(t, nil)
	media := filepath.Join(s.cfg.Data, mediaFolder)
	if err := errors.Join(os.RemoveAll(media), os.WriteFile(media, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if resp, body := call(t, s, "GET", "/readyz", "", ""); resp.StatusCode != 503 || !strings.Contains(body, "media") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// TestLinkKeyOfOne: processes that start concurrently in a new folder get one
// key, and none reads half of it.
func TestLinkKeyOfOne(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		keys := make([][]byte, 8)
		var all sync.WaitGroup
		for i := range keys {
			all.Go(func() {
				var err error
				if keys[i], err = linkKey(dir); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, k := range keys {
			if len(k) != 32 || !bytes.Equal(k, keys[0]) {
				t.Fatalf("keys %x and %x", k, keys[0])
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Fatalf("the folder holds %v", left)
		}
	}
}

// ownerOf returns the principal of a key.
func ownerOf(t *testing.T, s *Server, key string) auth.Principal {
	t.Helper()
	who, err := s.auth.Check(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// blobsOf counts the blobs of a kind.
func blobsOf(t *testing.T, s *Server, kind string) (n int) {
	t.Helper()
	for _, err := range s.blobs.List(t.Context(), kind+"/") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestRefusedJobsLeaveNothing: the first frame of a job that is refused or is a
// repeat is not kept. A frame of another job stays.
func TestRefusedJobsLeaveNothing(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Moderation.Words = map[string][]string{"en": {"gore"}} })
	who := ownerOf(t, s, keys.API)
	submit := func(prompt, frame, key string) (job.Job, error) {
		spec := job.Spec{Kind: job.Video, Model: "reel", Engine: "reel", Prompt: prompt, Seconds: 2, FirstFrame: frame}
		return s.service.Submit(t.Context(), who, service.Submission{API: job.Native, Spec: spec, IdempotencyKey: key, Body: []byte("{}")})
	}
	frame := func() string {
		p, err := s.service.PictureFrom(t.Context(), who, "image", bytes.NewReader(pngOf(t, 64, 36)), service.PictureRules{})
		if err != nil {
			t.Fatal(err)
		}
		return p.Key
	}
	if _, err := submit("gore", frame(), ""); job.CodeOf(err) != job.PromptUnsafe {
		t.Fatalf("got %v", err)
	}
	if n := blobsOf(t, s, blob.KindImage); n != 0 {
		t.Errorf("%d pictures after a refusal", n)
	}
	kept := frame()
	if _, err := submit("a ball", kept, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := submit("a ball", frame(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := submit("gore", kept, ""); job.CodeOf(err) != job.PromptUnsafe {
		t.Fatalf("got %v", err)
	}
	if _, err := s.blobs.Stat(t.Context(), kept); err != nil || blobsOf(t, s, blob.KindImage) != 1 {
		t.Errorf("%d pictures, want that of the job alone; %v", blobsOf(t, s, blob.KindImage), err)
	}
}

// TestNoRoomForPictures: on a full disk first frames are refused too.
func TestNoRoomForPictures(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Limits.FreeSpace = 1 << 50 })
	_, err := s.service.PictureFrom(t.Context(), ownerOf(t, s, keys.API), "image", bytes.NewReader(pngOf(t, 64, 36)), service.PictureRules{})
	if n := blobsOf(t, s, blob.KindImage); job.CodeOf(err) != job.Unavailable || n != 0 {
		t.Errorf("%v, %d pictures", err, n)
	}
}

// TestUploadsThatFail: a sender's mistake is not reported as a server error,
// after which clients would try again.
func TestUploadsThatFail(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Limits.Body = 1 << 20 })
	form := func(size int) (string, *bytes.Buffer) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		part, err := w.CreateFormFile("file", "x.bin")
		if err != nil {
			t.Fatal(err)
		}
		part.Write(bytes.Repeat([]byte("x"), size))
		w.Close()
		return w.FormDataContentType(), &b
	}
	for name, tt := range map[string]struct{ size, cut, status int }{
		"whole":      {1000, 0, http.StatusCreated},
		"too large":  {2 << 20, 0, http.StatusRequestEntityTooLarge},
		"ends early": {100_000, 50_000, http.StatusBadRequest},
	} {
		kind, body := form(tt.size)
		body.Truncate(body.Len() - tt.cut)
		resp, text := call(t, s, "POST", "/v1/uploads", keys.API, body.String(), "Content-Type", kind)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
	}
}
