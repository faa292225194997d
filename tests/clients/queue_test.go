package clients

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// queued is OpenAI's client of a server that takes requests and runs no jobs.
func queued(t *testing.T, more ...option.RequestOption) openai.Client {
	t.Helper()
	address, key := serve(t, "--role", "api")
	return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(address + "/v1"), option.WithAPIKey(key)}, more...)...)
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 640, 400))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestOpenAIQueue: videos wait, are listed page by page, and are deleted.
func TestOpenAIQueue(t *testing.T) {
	ai := queued(t)
	ctx := t.Context()
	var want []string
	for range 7 {
		v, err := ai.Videos.New(ctx, openai.VideoNewParams{Prompt: "a red ball", Seconds: openai.VideoSeconds8, Size: openai.VideoSize1280x720})
		if err != nil {
			t.Fatal(err)
		}
		if v.Status != openai.VideoStatusQueued || v.Model != "sora-2" || v.Seconds != "8" || v.Size != "1280x720" || !strings.Contains(v.RawJSON(), "enlarged") {
			t.Errorf("got %s", v.RawJSON())
		}
		want = append(want, v.ID)
	}
	var got []string
	pages := ai.Videos.ListAutoPaging(ctx, openai.VideoListParams{Limit: openai.Int(3), Order: openai.VideoListParamsOrderAsc})
	for pages.Next() {
		got = append(got, pages.Current().ID)
	}
	if pages.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v: %v", got, want, pages.Err())
	}
	page, err := ai.Videos.List(ctx, openai.VideoListParams{Limit: openai.Int(7)})
	if err != nil || page.HasMore || len(page.Data) != 7 || page.Data[0].ID != want[6] || page.LastID != want[0] {
		t.Errorf("newest first: %v, %v", page.RawJSON(), err)
	}
	if d, err := ai.Videos.Delete(ctx, want[0]); err != nil || !d.Deleted || d.ID != want[0] {
		t.Errorf("deleted %+v, %v", d, err)
	}
	_, err = ai.Videos.Get(ctx, want[0])
	refused(t, err, 404)
}

// TestOpenAIFirstFrame: each way in which the client names a picture is one for the
// server. The client names every file part anonymous_file, of no particular type.
func TestOpenAIFirstFrame(t *testing.T) {
	ai := queued(t)
	ctx := t.Context()
	data := picture(t)
	file, err := ai.Files.New(ctx, openai.FileNewParams{File: openai.File(bytes.NewReader(data), "a.png", "image/png"), Purpose: openai.FilePurposeVision})
	if err != nil {
		t.Fatal(err)
	}
	for name, ref := range map[string]openai.VideoNewParamsInputReferenceUnion{
		"file":    {OfFile: bytes.NewReader(data)},
		"url":     {OfImageInputReference: &openai.ImageInputReferenceParam{ImageURL: openai.String("data:image/png;base64," + base64.StdEncoding.EncodeToString(data))}},
		"file_id": {OfImageInputReference: &openai.ImageInputReferenceParam{FileID: openai.String(file.ID)}},
	} {
		if _, err := ai.Videos.New(ctx, openai.VideoNewParams{Prompt: "it moves", InputReference: ref}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, ref := range map[string]openai.VideoNewParamsInputReferenceUnion{
		"no picture": {OfFile: strings.NewReader("<html>no picture</html>")},
		"no file":    {OfImageInputReference: &openai.ImageInputReferenceParam{FileID: openai.String("file_1")}},
	} {
		_, err := ai.Videos.New(ctx, openai.VideoNewParams{Prompt: "it moves", InputReference: ref})
		if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != 400 || !strings.HasPrefix(e.Param, "input_reference") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOpenAICannot: what the server does not do is an error that the client does not
// try again.
func TestOpenAICannot(t *testing.T) {
	asked := 0
	ai := queued(t, option.WithMiddleware(counting(&asked)))
	ctx := t.Context()
	v, err := ai.Videos.New(ctx, openai.VideoNewParams{Prompt: "p"})
	if err != nil {
		t.Fatal(err)
	}
	video := strings.NewReader("a video")
	for name, tt := range map[string]struct {
		do          func() error
		status      int
		code, param string
	}{
		"edit": {func() error {
			_, err := ai.Videos.Edit(ctx, openai.VideoEditParams{Prompt: "p", Video: openai.VideoEditParamsVideoUnion{OfFile: video}})
			return err
		}, 400, "unsupported_operation", "video"},
		"edit by id": {func() error {
			_, err := ai.Videos.Edit(ctx, openai.VideoEditParams{Prompt: "p", Video: openai.VideoEditParamsVideoUnion{
				OfVideoEditsVideoVideoReferenceInputParam: &openai.VideoEditParamsVideoVideoReferenceInputParam{ID: v.ID},
			}})
			return err
		}, 400, "unsupported_operation", "video"},
		"extend a file": {func() error {
			_, err := ai.Videos.Extend(ctx, openai.VideoExtendParams{Prompt: "p", Seconds: "4", Video: openai.VideoExtendParamsVideoUnion{OfFile: video}})
			return err
		}, 400, "unsupported_value", "video"},
		"extend too early": {func() error {
			_, err := ai.Videos.Extend(ctx, openai.VideoExtendParams{Prompt: "p", Seconds: "4", Video: openai.VideoExtendParamsVideoUnion{
				OfVideoExtendsVideoVideoReferenceInputParam: &openai.VideoExtendParamsVideoVideoReferenceInputParam{ID: v.ID},
			}})
			return err
		}, 409, "conflict", ""},
		"new character": {func() error {
			_, err := ai.Videos.NewCharacter(ctx, openai.VideoNewCharacterParams{Name: "n", Video: video})
			return err
		}, 400, "unsupported_operation", "video"},
		"character": {func() error { _, err := ai.Videos.GetCharacter(ctx, "c_1"); return err }, 404, "not_found", ""},
		"content too early": {func() error {
			_, err := ai.Videos.DownloadContent(ctx, v.ID, openai.VideoDownloadContentParams{})
			return err
		}, 409, "video_not_ready", ""},
		"remix too early": {func() error {
			_, err := ai.Videos.Remix(ctx, v.ID, openai.VideoRemixParams{Prompt: "q"})
			return err
		}, 409, "conflict", ""},
		"no such model": {func() error {
			_, err := ai.Videos.New(ctx, openai.VideoNewParams{Prompt: "p", Model: "sora-9"})
			return err
		}, 404, "model_not_found", "model"},
		"a file for fun": {func() error {
			_, err := ai.Files.New(ctx, openai.FileNewParams{File: bytes.NewReader(picture(t)), Purpose: "fun"})
			return err
		}, 400, "invalid_value", "purpose"},
	} {
		before := asked
		err := tt.do()
		e := (*openai.Error)(nil)
		if !errors.As(err, &e) || e.StatusCode != tt.status || e.Code != tt.code || e.Param != tt.param || e.Type != "invalid_request_error" || e.Message == "" {
			t.Errorf("%s: %v %+v", name, err, e)
		}
		if asked != before+1 {
			t.Errorf("%s: the client asked %d times", name, asked-before)
		}
	}
}

// TestOpenAIKeysOfRequests: with an idempotency key, the client's second request is
// the first one's video.
func TestOpenAIKeysOfRequests(t *testing.T) {
	ai := queued(t, option.WithHeader("Idempotency-Key", "k1"))
	ctx := t.Context()
	a, err := ai.Videos.New(ctx, openai.VideoNewParams{Prompt: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := ai.Videos.New(ctx, openai.VideoNewParams{Prompt: "p"}); err != nil || a.ID != b.ID {
		t.Errorf("the same key and request gave %s and %+v, %v", a.ID, b, err)
	}
	_, err = ai.Videos.New(ctx, openai.VideoNewParams{Prompt: "another"}, option.WithMaxRetries(0))
	refused(t, err, 409)
}

// TestOpenAIModels: the client reads the list, and what a model can do is beside its
// own fields.
func TestOpenAIModels(t *testing.T) {
	ai := queued(t)
	page, err := ai.Models.List(t.Context())
	if err != nil || len(page.Data) == 0 || page.Data[0].ID != "reel" || page.Data[0].OwnedBy != "kinora" || page.Data[0].Created == 0 {
		t.Errorf("got %+v, %v", page, err)
	}
	m, err := ai.Models.Get(t.Context(), "sora-2")
	if err != nil || m.ID != "sora-2" || !strings.Contains(m.RawJSON(), `"first_frame":true`) {
		t.Errorf("got %+v, %v", m, err)
	}
	_, err = ai.Models.Get(t.Context(), "gpt-9")
	if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != 404 || e.Code != "model_not_found" {
		t.Errorf("got %v", err)
	}
}

// TestOpenAIPurposes: files keep the purposes that the client gives them, are found
// by them, and end when it says so.
func TestOpenAIPurposes(t *testing.T) {
	ai := queued(t)
	ctx := t.Context()
	for _, purpose := range []openai.FilePurpose{openai.FilePurposeVision, openai.FilePurposeUserData, openai.FilePurposeAssistants} {
		f, err := ai.Files.New(ctx, openai.FileNewParams{File: openai.File(bytes.NewReader(picture(t)), "a.png", "image/png"), Purpose: purpose})
		if err != nil || string(f.Purpose) != string(purpose) || f.Object != "file" || f.CreatedAt == 0 || !strings.Contains(f.RawJSON(), `"status":"processed"`) {
			t.Errorf("%s: %+v, %v", purpose, f, err)
			continue
		}
		if page, err := ai.Files.List(ctx, openai.FileListParams{Purpose: openai.String(string(purpose))}); err != nil || len(page.Data) != 1 || page.Data[0].ID != f.ID {
			t.Errorf("%s: listed %+v, %v", purpose, page, err)
		}
		if got, err := ai.Files.Get(ctx, f.ID); err != nil || got.ID != f.ID {
			t.Errorf("%s: %+v, %v", purpose, got, err)
		}
	}
	f, err := ai.Files.New(ctx, openai.FileNewParams{File: bytes.NewReader(picture(t)), Purpose: openai.FilePurposeVision, ExpiresAfter: openai.FileNewParamsExpiresAfter{Seconds: 3600}})
	if err != nil || f.ExpiresAt != f.CreatedAt+3600 {
		t.Errorf("expires_after: %+v, %v", f, err)
	}
}
