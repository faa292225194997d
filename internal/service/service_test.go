package service_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/moderation"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/service/servicetest"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/webhook"
)

// newService is a service on a database of its own, and a project that asks.
func newService(t *testing.T, change func(*service.Options)) (*service.Service, auth.Principal, service.Options) {
	t.Helper()
	o := servicetest.Options(t, nil)
	if change != nil {
		change(&o)
	}
	return service.New(o), servicetest.Tenant(t, &o, "one"), o
}

func filter(t *testing.T, o moderation.Options) *moderation.Filter {
	t.Helper()
	f, err := moderation.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// pngOf is a picture of that size.
func pngOf(w, h int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewRGBA(image.Rect(0, 0, w, h))) // in memory
	return b.Bytes()
}

// TestModelsOwnLimits: what the model of a job can do decides, and the error says
// what it can.
func TestModelsOwnLimits(t *testing.T) {
	s, who, _ := newService(t, func(o *service.Options) {
		narrow := o.Engines["reel"]
		narrow.Lengths.Default, narrow.Lengths.Min, narrow.Lengths.Max = 5, 4, 15
		narrow.Guidance.Min, narrow.Guidance.Max = narrow.Guidance.Default, narrow.Guidance.Default
		narrow.Prompt.MaxBytes = 20
		o.Engines["narrow"] = narrow
		o.Models = append(o.Models, service.ModelName{Name: "narrow", Engine: "narrow"})
		o.Seconds = 10
	})
	good := job.Spec{Kind: job.Video, Model: "narrow", Engine: "narrow", Prompt: "a red ball", Seconds: 4}
	for name, tt := range map[string]struct {
		spoil       func(*job.Spec)
		param, says string
	}{
		"short":        {func(s *job.Spec) { s.Seconds = 3 }, "seconds", "seconds: 3 is out of range: 4 to 15"},
		"server's own": {func(s *job.Spec) { s.Seconds = 11 }, "seconds", "at most 10"},
		"guidance":     {func(s *job.Spec) { s.Guidance = 3 }, "guidance", "leave it out"},
		"prompt":       {func(s *job.Spec) { s.Prompt = "a red ball bounces on" }, "prompt", "the limit is 20"},
		"still":        {func(s *job.Spec) { s.Kind, s.Count = job.Image, 1 }, "seconds", "4 to 15"},
	} {
		spec := good
		tt.spoil(&spec)
		_, err := s.Submit(t.Context(), who, service.Submission{API: job.Native, Spec: spec, Body: []byte("{}")})
		if e, ok := errors.AsType[*job.Error](err); !ok || e.Code != job.Invalid || e.Param != tt.param || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: %v, want one about %s that says %q", name, err, tt.param, tt.says)
		}
	}
	if _, err := s.Submit(t.Context(), who, service.Submission{API: job.Native, Spec: good, Body: []byte("{}")}); err != nil {
		t.Errorf("what it can: %v", err)
	}
	if o, err := s.Offer("narrow"); err != nil || o.Can.Lengths.Max != 10 || o.Can.Lengths.Min != 4 {
		t.Errorf("offered %+v, %v", o.Can.Lengths, err)
	}
}

// TestSubmitRefusals: what no job may be, before anything is reserved.
func TestSubmitRefusals(t *testing.T) {
	s, who, _ := newService(t, func(o *service.Options) {
		o.Filter = filter(t, moderation.Options{Words: map[string][]string{"en": {"gore"}}})
		o.Callbacks = webhook.Challenger{To: o.Fetch}
	})
	good := job.Spec{Kind: job.Video, Model: "reel", Engine: "reel", Prompt: "a red ball", Seconds: 2, Width: 1280, Height: 720}
	low := -1
	for name, tt := range map[string]struct {
		spoil func(*service.Submission)
		code  job.Code
	}{
		"empty":        {func(s *service.Submission) { s.Spec.Prompt = " " }, job.Invalid},
		"long":         {func(s *service.Submission) { s.Spec.Prompt = strings.Repeat("x", job.MaxPromptChars+1) }, job.Invalid},
		"bad text":     {func(s *service.Submission) { s.Spec.Prompt = "a\xffb" }, job.Invalid},
		"seconds":      {func(s *service.Submission) { s.Spec.Seconds = 61 }, job.Invalid},
		"odd":          {func(s *service.Submission) { s.Spec.Width = 333 }, job.Invalid},
		"priority":     {func(s *service.Submission) { s.Priority = &low }, job.Invalid},
		"moderated":    {func(s *service.Submission) { s.Spec.Prompt = "gore" }, job.PromptUnsafe},
		"as asked":     {func(s *service.Submission) { s.Spec.Asked = "G O R E gore" }, job.PromptUnsafe},
		"invisible":    {func(s *service.Submission) { s.Spec.Prompt = "a\u200bb" }, job.Invisible},
		"callback":     {func(s *service.Submission) { s.Callback = "http://127.0.0.1:9/" }, job.Invalid},
		"idempotency":  {func(s *service.Submission) { s.IdempotencyKey = strings.Repeat("k", 256) }, job.Invalid},
		"no images":    {func(s *service.Submission) { s.Spec.Kind = job.Image }, job.Invalid},
		"steps":        {func(s *service.Submission) { s.Spec.Steps = 1001 }, job.Invalid},
		"guidance":     {func(s *service.Submission) { s.Spec.Guidance = 101 }, job.Invalid},
		"rate":         {func(s *service.Submission) { s.Spec.FPS = 121 }, job.Invalid},
		"first frame":  {func(s *service.Submission) { s.Spec.Engine, s.Spec.FirstFrame = "testcard", "image/x" }, job.Unsupported},
		"other engine": {func(s *service.Submission) { s.Spec.Engine = "sora" }, job.Internal},
	} {
		sub := service.Submission{API: job.Native, Spec: good, Body: []byte("{}")}
		tt.spoil(&sub)
		if j, err := s.Submit(t.Context(), who, sub); job.CodeOf(err) != tt.code || err == nil {
			t.Errorf("%s: job %v, %v, want %s", name, j.ID, err, tt.code)
		}
	}
	_, n, err := s.Jobs(t.Context(), who, store.JobFilter{})
	if n != 0 || err != nil {
		t.Errorf("%d jobs after refusals, %v", n, err)
	}
	j, err := s.Submit(t.Context(), who, service.Submission{API: job.Native, Spec: good, IdempotencyKey: "k1", Body: []byte("{}")})
	if err != nil || j.State != job.Queued || len(j.Spec.Notes) != 1 || j.Price <= 0 {
		t.Fatalf("%+v, %v", j, err)
	}
	again, err := s.Submit(t.Context(), who, service.Submission{API: job.Native, Spec: good, IdempotencyKey: "k1", Body: []byte("{}")})
	if err != nil || again.ID != j.ID {
		t.Errorf("the same key: job %v, %v, want %v", again.ID, err, j.ID)
	}
	if _, err := s.Submit(t.Context(), who, service.Submission{API: job.Native, Spec: good, IdempotencyKey: "k1", Body: []byte("other")}); job.CodeOf(err) != job.Conflict {
		t.Errorf("the same key for another request: %v", err)
	}
}

// TestPicturesTakeTurns: no more are decoded at a time than the memory is
// reckoned for, and who has gone does not wait.
func TestPicturesTakeTurns(t *testing.T) {
	s, who, _ := newService(t, nil)
	done, err := s.TakePictures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	if _, err := s.PictureFrom(gone, who, "image", bytes.NewReader(pngOf(64, 36)), service.PictureRules{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	done()
	if _, err := s.PictureFrom(t.Context(), who, "image", bytes.NewReader(pngOf(64, 36)), service.PictureRules{}); err != nil {
		t.Error(err)
	}
}

// TestNamesHaveLinks: whatever a file is called, there is a link to it.
func TestNamesHaveLinks(t *testing.T) {
	s, _, _ := newService(t, nil)
	for _, name := range []string{
		"Screenshot 9.41\u202fAM.png", "a\u200bb.png", "a\u00a0b.png", "\U000e0041.png", "a\nb.png", `a"b\c/d.png`, "\xff\xfe.png",
		strings.Repeat("é", service.MaxFileName), "red ball.mp4", "Übung 1.png", "\u2028", "..",
	} {
		clean := service.CleanName(name)
		if link := s.FileURL("", store.File{Key: "file/abc", Name: clean}, time.Hour); !strings.Contains(link, "/media/file/abc?") {
			t.Errorf("%q, cleaned %q, has the link %q", name, clean, link)
		}
	}
	if got := service.CleanName("Screenshot 9.41\u202fAM.png"); got != "Screenshot 9.41 AM.png" {
		t.Errorf("got %q", got)
	}
}

// TestPictures: what is no image, too small or of the wrong shape is refused by
// the field's name; what is kept is a PNG of our own.
func TestPictures(t *testing.T) {
	s, who, _ := newService(t, nil)
	rules := service.PictureRules{MinSide: 100, MinAspect: 0.4, MaxAspect: 2.5}
	p, err := s.PictureFrom(t.Context(), who, "first_frame_image", bytes.NewReader(pngOf(300, 200)), rules)
	if err != nil || p.Width != 300 || p.Height != 200 {
		t.Fatalf("%+v, %v", p, err)
	}
	r, _, err := s.OpenBlob(t.Context(), p.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if c, err := png.DecodeConfig(r); err != nil || c.Width != 300 {
		t.Errorf("kept as %+v, %v", c, err)
	}
	s.KeepAtMost(100)
	if _, err := s.PictureFrom(t.Context(), who, "image", bytes.NewReader(pngOf(300, 200)), rules); !strings.Contains(job.AsError(err).Message, "fewer pixels") {
		t.Errorf("more than a worker reads: %v", err)
	}
	s.KeepAtMost(media.MaxImageBytes)
	for name, data := range map[string][]byte{
		"text": []byte("hello"), "nothing": nil, "small": pngOf(300, 99), "wide": pngOf(301, 120), "cut": pngOf(300, 200)[:60],
	} {
		_, err := s.PictureFrom(t.Context(), who, "first_frame_image", bytes.NewReader(data), rules)
		if e := job.AsError(err); err == nil || e.Code != job.Invalid || e.Param != "first_frame_image" || !strings.Contains(e.Message, "first_frame_image") {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, ref := range []string{"http://127.0.0.1:1/a.png", "file:///etc/passwd", "mm_file://123", "data:text/plain,hello", "http://169.254.169.254/", ""} {
		if _, err := s.Picture(t.Context(), who, "image", ref, rules); job.CodeOf(err) != job.Invalid {
			t.Errorf("%q: %v", ref, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Picture(ctx, who, "image", "mm_file://4503599627370496", rules); !errors.Is(err, context.Canceled) {
		t.Errorf("a file that could not be looked for: %v", err)
	}
}
