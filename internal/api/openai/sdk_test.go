package openai

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
)

// These tests use OpenAI's own client, unmodified but for its base URL.

func sdk(t *testing.T, f *apitest.Service, key string, more ...option.RequestOption) openai.Client {
	t.Helper()
	s := f.Serve(t, New(f))
	return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(s.URL + "/v1"), option.WithAPIKey(key)}, more...)...)
}

// runs moves a job through its life.
func runs(f *apitest.Service, id job.ID) {
	f.Set(id, func(j *job.Job) { j.State, j.Attempt, j.Phase, j.Progress = job.Running, 1, "sampling", 0.42 })
	f.Finish(id)
}

func TestSDKMakesAndDownloads(t *testing.T) {
	f := apitest.New(t)
	f.OnSubmit = runs
	c := sdk(t, f, apitest.KeyOne)
	v, err := c.Videos.NewAndPoll(t.Context(), openai.VideoNewParams{
		Prompt: "a red ball bounces on a beach", Model: openai.VideoModelSora2, Seconds: openai.VideoSeconds8, Size: openai.VideoSize1280x720,
	}, 20)
	if err != nil {
		t.Fatal(err)
	}
	if v.Status != openai.VideoStatusCompleted || v.Progress != 100 || v.Seconds != "8" || v.Size != "1280x720" || v.Model != "sora-2" ||
		v.Object != "video" || v.Prompt != "a red ball bounces on a beach" || v.CompletedAt <= v.CreatedAt || v.ExpiresAt <= v.CompletedAt {
		t.Errorf("got %s", v.RawJSON())
	}
	if !strings.Contains(v.RawJSON(), "enlarged") {
		t.Errorf("nothing says that the frames are enlarged: %s", v.RawJSON())
	}
	sub := f.Last(t)
	if s := sub.Spec; sub.API != job.OpenAI || s.Engine != "reel" || s.Seconds != 8 || s.Width != 1280 || s.Height != 720 || s.Prompt != v.Prompt {
		t.Errorf("submitted %+v", sub)
	}
	for variant, kind := range map[openai.VideoDownloadContentParamsVariant]string{
		"": "video/mp4", openai.VideoDownloadContentParamsVariantVideo: "video/mp4",
		openai.VideoDownloadContentParamsVariantThumbnail: "image/webp", openai.VideoDownloadContentParamsVariantSpritesheet: "image/jpeg",
	} {
		r, err := c.Videos.DownloadContent(t.Context(), v.ID, openai.VideoDownloadContentParams{Variant: variant})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		want := string(variant)
		if want == "" {
			want = "video"
		}
		want += " of " + strings.TrimPrefix(v.ID, "video_")
		if err != nil || string(body) != want || r.Header.Get("Content-Type") != kind || r.Header.Get("ETag") == "" {
			t.Errorf("%s: %q of type %s, %v", variant, body, r.Header.Get("Content-Type"), err)
		}
	}
}

// TestSDKSendsAFile: the SDK names every file part anonymous_file and calls it
// application/octet-stream.
func TestSDKSendsAFile(t *testing.T) {
	f := apitest.New(t)
	c := sdk(t, f, apitest.KeyOne)
	picture := apitest.PNG(640, 400)
	for name, ref := range map[string]openai.VideoNewParamsInputReferenceUnion{
		"file": {OfFile: bytes.NewReader(picture)},
		"url":  {OfImageInputReference: &openai.ImageInputReferenceParam{ImageURL: openai.String(apitest.PictureURL)}},
	} {
		if _, err := c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "it moves", InputReference: ref}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s := f.Last(t).Spec; s.FirstFrame == "" || s.InputImages != 1 {
			t.Errorf("%s: no first frame in %+v", name, s)
		}
	}
	file, err := f.AddFile(t.Context(), f.Keys[apitest.KeyOne], service.NewFile{Purpose: "input", Name: "a.png"}, bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	ref := openai.VideoNewParamsInputReferenceUnion{OfImageInputReference: &openai.ImageInputReferenceParam{FileID: openai.String("file_" + job.ID(file.ID).String())}}
	if _, err := c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "it moves", InputReference: ref}); err != nil {
		t.Fatalf("file_id: %v", err)
	}
	// A page is no picture, whatever the part is called.
	ref = openai.VideoNewParamsInputReferenceUnion{OfFile: strings.NewReader("<html>no picture</html>")}
	_, err = c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "it moves", InputReference: ref})
	if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != 400 || e.Param != "input_reference" {
		t.Errorf("got %v", err)
	}
}

func TestSDKListsAllPages(t *testing.T) {
	f := apitest.New(t)
	c := sdk(t, f, apitest.KeyOne)
	var want []string
	for range 7 {
		v, err := c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "p"})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, v.ID)
	}
	if _, err := f.Submit(t.Context(), f.Keys[apitest.KeyOne], service.Submission{API: job.MiniMaxV1, Spec: job.Spec{Kind: job.Video, Model: "sora-2", Engine: "reel", Prompt: "p", Seconds: 4}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Submit(t.Context(), f.Keys[apitest.KeyTwo], service.Submission{API: job.OpenAI, Spec: job.Spec{Kind: job.Video, Model: "sora-2", Engine: "reel", Prompt: "p", Seconds: 4}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	pager := c.Videos.ListAutoPaging(t.Context(), openai.VideoListParams{Limit: openai.Int(3), Order: openai.VideoListParamsOrderAsc})
	for pager.Next() {
		got = append(got, pager.Current().ID)
	}
	if pager.Err() != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, want %v: %v", got, want, pager.Err())
	}
	page, err := c.Videos.List(t.Context(), openai.VideoListParams{Limit: openai.Int(7)})
	if err != nil || page.HasMore || len(page.Data) != 7 || page.Data[0].ID != want[6] || page.LastID != want[0] {
		t.Errorf("newest first: %v, %v", page.RawJSON(), err)
	}
}

func TestSDKDeletes(t *testing.T) {
	f := apitest.New(t)
	c := sdk(t, f, apitest.KeyOne)
	made := func() (string, job.ID) {
		v, err := c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "p"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := job.ParseID(v.ID, "video_")
		if err != nil {
			t.Fatal(err)
		}
		return v.ID, id
	}
	gone := func(name, id string) {
		t.Helper()
		d, err := c.Videos.Delete(t.Context(), id)
		if err != nil || !d.Deleted || d.ID != id || d.Object != "video.deleted" {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		_, err = c.Videos.Get(t.Context(), id)
		if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != http.StatusNotFound {
			t.Errorf("%s: it is there after it was deleted: %v", name, err)
		}
	}
	name, id := made()
	f.Finish(id)
	gone("finished", name)
	name, _ = made()
	gone("queued", name)
	name, id = made()
	f.Set(id, func(j *job.Job) { j.State = job.Running })
	go func() { // the worker, which sees that it is to stop
		for {
			if j := f.Peek(id); j.CancelAsked {
				break
			}
			time.Sleep(time.Millisecond)
		}
		f.Set(id, func(j *job.Job) { j.State = job.Cancelled })
	}()
	gone("running", name)
}

func TestSDKRemixesAndExtends(t *testing.T) {
	f := apitest.New(t)
	f.OnSubmit = runs
	c := sdk(t, f, apitest.KeyOne)
	src, err := c.Videos.NewAndPoll(t.Context(), openai.VideoNewParams{
		Prompt: "a cat", Seconds: openai.VideoSeconds4, Size: "640x400",
		InputReference: openai.VideoNewParamsInputReferenceUnion{OfFile: bytes.NewReader(apitest.PNG(64, 40))},
	}, 20)
	if err != nil {
		t.Fatal(err)
	}
	before := f.Last(t).Spec
	remix, err := c.Videos.Remix(t.Context(), src.ID, openai.VideoRemixParams{Prompt: "a dog"})
	if err != nil {
		t.Fatal(err)
	}
	after := f.Last(t).Spec
	if remix.RemixedFromVideoID != src.ID || remix.Prompt != "a dog" || remix.Seconds != "4" || remix.Size != "640x400" {
		t.Errorf("got %s", remix.RawJSON())
	}
	if after.Seed != before.Seed || after.FirstFrame == "" || after.FirstFrame == before.FirstFrame || after.Engine != before.Engine || after.Prompt != "a dog" || after.Width != 640 {
		t.Errorf("a remix of %+v is %+v", before, after)
	}
	ext, err := c.Videos.Extend(t.Context(), openai.VideoExtendParams{
		Prompt: "it runs off", Seconds: "16",
		Video: openai.VideoExtendParamsVideoUnion{OfVideoExtendsVideoVideoReferenceInputParam: &openai.VideoExtendParamsVideoVideoReferenceInputParam{ID: src.ID}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := f.Last(t).Spec
	if ext.Seconds != "20" || ext.Size != "640x400" || "video_"+s.After.String() != src.ID || !s.Join || s.Seconds != 16 || s.InputSeconds != 4 || s.FPS != 24 {
		t.Errorf("got %s of %+v", ext.RawJSON(), s)
	}
}

func TestSDKRefusals(t *testing.T) {
	f := apitest.New(t)
	c := sdk(t, f, apitest.KeyOne)
	v, err := c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "p"})
	if err != nil {
		t.Fatal(err)
	}
	clip := strings.NewReader("a film")
	for name, tt := range map[string]struct {
		do     func() error
		status int
		code   string
		param  string
	}{
		"edit": {func() error {
			_, err := c.Videos.Edit(t.Context(), openai.VideoEditParams{Prompt: "p", Video: openai.VideoEditParamsVideoUnion{OfFile: clip}})
			return err
		}, 400, "unsupported_operation", "video"},
		"edit by id": {func() error {
			_, err := c.Videos.Edit(t.Context(), openai.VideoEditParams{Prompt: "p", Video: openai.VideoEditParamsVideoUnion{
				OfVideoEditsVideoVideoReferenceInputParam: &openai.VideoEditParamsVideoVideoReferenceInputParam{ID: v.ID},
			}})
			return err
		}, 400, "unsupported_operation", "video"},
		"extend a file": {func() error {
			_, err := c.Videos.Extend(t.Context(), openai.VideoExtendParams{Prompt: "p", Seconds: "4", Video: openai.VideoExtendParamsVideoUnion{OfFile: clip}})
			return err
		}, 400, "unsupported_value", "video"},
		"new character": {func() error {
			_, err := c.Videos.NewCharacter(t.Context(), openai.VideoNewCharacterParams{Name: "n", Video: clip})
			return err
		}, 400, "unsupported_operation", "video"},
		"character": {func() error { _, err := c.Videos.GetCharacter(t.Context(), "c_1"); return err }, 404, "not_found", ""},
		"content too early": {func() error {
			_, err := c.Videos.DownloadContent(t.Context(), v.ID, openai.VideoDownloadContentParams{})
			return err
		}, 409, "video_not_ready", ""},
		"remix too early": {func() error {
			_, err := c.Videos.Remix(t.Context(), v.ID, openai.VideoRemixParams{Prompt: "q"})
			return err
		}, 409, "conflict", ""},
		"no such model": {func() error {
			_, err := c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "p", Model: "sora-9"})
			return err
		}, 404, "model_not_found", "model"},
		"another API's model": {func() error {
			_, err := c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "p", Model: "T2V-01"})
			return err
		}, 400, "unsupported_value", "model"},
		"no prompt": {func() error { _, err := c.Videos.New(t.Context(), openai.VideoNewParams{}); return err }, 400, "missing_required_parameter", "prompt"},
	} {
		before := f.Count()
		err := tt.do() // one request alone: none of these is worth a retry
		e := (*openai.Error)(nil)
		if !errors.As(err, &e) || e.StatusCode != tt.status || e.Code != tt.code || e.Param != tt.param || e.Type != "invalid_request_error" || e.Message == "" {
			t.Errorf("%s: %v %+v", name, err, e)
			continue
		}
		if e.Response.Header.Get("X-Should-Retry") != "false" || e.Response.Header.Get("X-Request-Id") == "" || f.Count() != before {
			t.Errorf("%s: headers %v, %d submissions", name, e.Response.Header, f.Count()-before)
		}
	}
}

// TestSDKRetries: the SDK waits as it is told and sends the request again, and
// with an idempotency key that is one job.
func TestSDKRetries(t *testing.T) {
	f := apitest.New(t)
	failures := 2
	f.OnCall = func(method string) error {
		if method == "Submit" && failures > 0 {
			failures--
			return &job.Error{Code: job.QueueFull, Message: "the queue is full", RetryAfter: 20 * time.Millisecond}
		}
		return nil
	}
	c := sdk(t, f, apitest.KeyOne, option.WithMaxRetries(3), option.WithHeader("Idempotency-Key", "k1"))
	p := openai.VideoNewParams{Prompt: "p"}
	a, err := c.Videos.New(t.Context(), p)
	if err != nil || failures != 0 {
		t.Fatalf("%v, %d failures left", err, failures)
	}
	b, err := c.Videos.New(t.Context(), p)
	if err != nil || a.ID != b.ID || f.Count() != 1 {
		t.Errorf("the same key and request gave %s and %s, %d jobs, %v", a.ID, b.ID, f.Count(), err)
	}
	_, err = c.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "another"})
	if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != http.StatusConflict {
		t.Errorf("the same key for another request: %v", err)
	}
}

func TestSDKSeesFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*job.Job)
		code string
	}{
		"failed": {func(j *job.Job) {
			j.State, j.Error = job.Failed, job.Errorf(job.OutputUnsafe, "", "moderation refused the film")
		}, "moderation_blocked"},
		"worn out":  {func(j *job.Job) { j.State, j.Error = job.Failed, job.Errorf(job.PastAttempts, "", "3 attempts failed") }, "generation_failed"},
		"cancelled": {func(j *job.Job) { j.State = job.Cancelled }, "cancelled"},
		"expired":   {func(j *job.Job) { j.State = job.Expired }, "expired"},
		"no reason": {func(j *job.Job) { j.State = job.Failed }, "server_error"},
	} {
		f := apitest.New(t)
		f.OnSubmit = func(f *apitest.Service, id job.ID) { f.Set(id, tt.end) }
		c := sdk(t, f, apitest.KeyOne)
		v, err := c.Videos.NewAndPoll(t.Context(), openai.VideoNewParams{Prompt: "p"}, 10)
		if err != nil || v.Status != openai.VideoStatusFailed || v.Error.Code != tt.code || v.Error.Message == "" || v.CompletedAt != 0 {
			t.Errorf("%s: %v, %v", name, v, err)
			continue
		}
		_, err = c.Videos.DownloadContent(t.Context(), v.ID, openai.VideoDownloadContentParams{})
		if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != http.StatusNotFound {
			t.Errorf("%s: content: %v", name, err)
		}
	}
}

func TestSDKModels(t *testing.T) {
	f := apitest.New(t)
	c := sdk(t, f, apitest.KeyRead)
	page, err := c.Models.List(t.Context())
	if err != nil || len(page.Data) != len(f.Models) || page.Data[0].ID != "reel" || page.Data[0].OwnedBy != "kinora" || page.Data[0].Created == 0 {
		t.Errorf("got %v, %v", page, err)
	}
	m, err := c.Models.Get(t.Context(), "sora-2")
	if err != nil || m.ID != "sora-2" || !strings.Contains(m.RawJSON(), `"takes_image":true`) {
		t.Errorf("got %v, %v", m, err)
	}
	_, err = c.Models.Get(t.Context(), "gpt-9")
	if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != 404 || e.Code != "model_not_found" {
		t.Errorf("got %v", err)
	}
}

// TestSDKKeepsProjectsApart: another project's video is not there, whatever is
// asked.
func TestSDKKeepsProjectsApart(t *testing.T) {
	f := apitest.New(t)
	one, two := sdk(t, f, apitest.KeyOne), sdk(t, f, apitest.KeyTwo)
	v, err := one.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "p"})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := job.ParseID(v.ID, "video_")
	f.Finish(id)
	for name, do := range map[string]func(context.Context) error{
		"get":    func(ctx context.Context) error { _, err := two.Videos.Get(ctx, v.ID); return err },
		"delete": func(ctx context.Context) error { _, err := two.Videos.Delete(ctx, v.ID); return err },
		"remix": func(ctx context.Context) error {
			_, err := two.Videos.Remix(ctx, v.ID, openai.VideoRemixParams{Prompt: "q"})
			return err
		},
		"content": func(ctx context.Context) error {
			_, err := two.Videos.DownloadContent(ctx, v.ID, openai.VideoDownloadContentParams{})
			return err
		},
		"extend": func(ctx context.Context) error {
			_, err := two.Videos.Extend(ctx, openai.VideoExtendParams{Prompt: "q", Seconds: "4", Video: openai.VideoExtendParamsVideoUnion{
				OfVideoExtendsVideoVideoReferenceInputParam: &openai.VideoExtendParamsVideoVideoReferenceInputParam{ID: v.ID},
			}})
			return err
		},
	} {
		if e := (*openai.Error)(nil); !errors.As(do(t.Context()), &e) || e.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %v", name, e)
		}
	}
	if _, err := one.Videos.Get(t.Context(), v.ID); err != nil {
		t.Errorf("its owner lost it: %v", err)
	}
}

func TestSDKKeysAndScopes(t *testing.T) {
	f := apitest.New(t)
	bad := sdk(t, f, "kn-wrong")
	_, err := bad.Videos.Get(t.Context(), "video_1")
	if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != 401 || e.Code != "invalid_api_key" {
		t.Errorf("got %v", err)
	}
	read := sdk(t, f, apitest.KeyRead)
	_, err = read.Videos.New(t.Context(), openai.VideoNewParams{Prompt: "p"})
	if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != 403 || e.Code != "insufficient_permissions" {
		t.Errorf("got %v", err)
	}
}
