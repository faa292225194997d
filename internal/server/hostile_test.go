package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// brokenListener fails as one does whose address has gone.
type brokenListener struct{ net.Listener }

var errBroken = errors.New("the address has gone")

func (brokenListener) Accept() (net.Conn, error) { return nil, errBroken }

// TestListenerFails: a server that cannot take requests ends, so that it is
// started again.
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

// TestLinkKeyOfOne: processes that start side by side in a new folder have one
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
	s, _ := realServer(t, nil)
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	own := time.Now().Add(time.Second)
	h := s.outer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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

// countedBlobs counts the readers that are open.
type countedBlobs struct {
	Backend
	data []byte
	open int
}

type countedReader struct {
	*bytes.Reader
	b *countedBlobs
}

func (r countedReader) Close() error { r.b.open--; return nil }

func (b *countedBlobs) OpenBlob(context.Context, string) (io.ReadSeekCloser, int64, error) {
	b.open++
	return countedReader{bytes.NewReader(b.data), b}, int64(len(b.data)), nil
}

// TestPreviewsInline: each frame is sent once, also when all have one key, and
// no reader stays open.
func TestPreviewsInline(t *testing.T) {
	b := &countedBlobs{data: []byte("\xff\xd8\xff one")}
	s := &stream{n: &native{nativeParts: nativeParts{Backend: b}}, inline: true}
	first := s.preview(t.Context(), "preview/1")
	again := s.preview(t.Context(), "preview/1")
	b.data = []byte("\xff\xd8\xff two")
	second := s.preview(t.Context(), "preview/1")
	if first == "" || again != "" || second == "" || second == first {
		t.Errorf("frames %q, %q, %q", first, again, second)
	}
	b.data = make([]byte, maxPreview+1)
	if huge := s.preview(t.Context(), "preview/1"); huge != "" {
		t.Errorf("a preview of %d bytes was sent", len(huge))
	}
	if b.open != 0 {
		t.Errorf("%d readers stay open", b.open)
	}
}

// TestPreviewsAreNotCached: a link to a preview shows the latest frame.
func TestPreviewsAreNotCached(t *testing.T) {
	b := &countedBlobs{data: []byte("a frame")}
	for key, cached := range map[string]bool{"preview/1.jpg": false, "image/1.jpg": true} {
		w := httptest.NewRecorder()
		if err := serveBlob(w, httptest.NewRequest("GET", "/media/x", nil), b, key, ""); err != nil {
			t.Fatal(err)
		}
		if h := w.Result().Header; (h.Get("ETag") != "") != cached || strings.Contains(h.Get("Cache-Control"), "immutable") != cached {
			t.Errorf("%s: %v", key, h)
		}
	}
}

// ownerOf is who a key belongs to.
func ownerOf(t *testing.T, s *Server, key string) auth.Principal {
	t.Helper()
	who, err := s.auth.Check(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// blobsOf counts what is stored of a kind.
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

// TestRefusedJobsLeaveNothing: the first frame of a job that is refused, or is
// there already, does not fill the disk; one that another job has stays.
func TestRefusedJobsLeaveNothing(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Moderation.Words = map[string][]string{"en": {"gore"}} })
	who := ownerOf(t, s, keys.API)
	info := s.service.engines["reel"]
	info.Image = true
	s.service.engines["reel"] = info
	submit := func(prompt, frame, key string) (job.Job, error) {
		spec := job.Spec{Kind: job.Video, Model: "reel", Engine: "reel", Prompt: prompt, Seconds: 2, FirstFrame: frame}
		return s.service.Submit(t.Context(), who, Submission{API: job.Native, Spec: spec, IdempotencyKey: key, Body: []byte("{}")})
	}
	frame := func() string {
		p, err := s.service.PictureFrom(t.Context(), who, "image", bytes.NewReader(pngOf(t, 64, 36)), PictureRules{})
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

// TestNoRoomForPictures: a full disk takes no pictures either.
func TestNoRoomForPictures(t *testing.T) {
	s, keys := realServer(t, func(c *Config) { c.Limits.FreeSpace = 1 << 50 })
	_, err := s.service.PictureFrom(t.Context(), ownerOf(t, s, keys.API), "image", bytes.NewReader(pngOf(t, 64, 36)), PictureRules{})
	if n := blobsOf(t, s, blob.KindImage); job.CodeOf(err) != job.Unavailable || n != 0 {
		t.Errorf("%v, %d pictures", err, n)
	}
}

// TestPicturesTakeTurns: no more are decoded at a time than the memory is
// reckoned for, and who has gone does not wait.
func TestPicturesTakeTurns(t *testing.T) {
	s, keys := realServer(t, nil)
	who := ownerOf(t, s, keys.API)
	if err := s.service.pictures.Acquire(t.Context(), picturesAtOnce); err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	if _, err := s.service.PictureFrom(gone, who, "image", bytes.NewReader(pngOf(t, 64, 36)), PictureRules{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	s.service.pictures.Release(picturesAtOnce)
	if _, err := s.service.PictureFrom(t.Context(), who, "image", bytes.NewReader(pngOf(t, 64, 36)), PictureRules{}); err != nil {
		t.Error(err)
	}
}

// TestNamesHaveLinks: whatever a file is called, there is a link to it.
func TestNamesHaveLinks(t *testing.T) {
	s, _ := realServer(t, nil)
	for _, name := range []string{
		"Screenshot 9.41\u202fAM.png", "a\u200bb.png", "a\u00a0b.png", "\U000e0041.png", "a\nb.png", `a"b\c/d.png`, "\xff\xfe.png",
		strings.Repeat("é", MaxFileName), "red ball.mp4", "Übung 1.png", "\u2028", "..",
	} {
		clean := cleanName(name)
		if link := s.service.FileURL(t.Context(), store.File{Key: "file/abc", Name: clean}, time.Hour); !strings.Contains(link, "/media/file/abc?") {
			t.Errorf("%q, cleaned %q, has the link %q", name, clean, link)
		}
	}
	if got := cleanName("Screenshot 9.41\u202fAM.png"); got != "Screenshot 9.41 AM.png" {
		t.Errorf("got %q", got)
	}
}

// TestUploadsThatFail: what the sender did wrong is not said to be the server's
// fault, which would have clients try again.
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
