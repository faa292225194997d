package clients

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// TestOpenAI: OpenAI's client makes a video, waits for it, downloads it, lists
// it and deletes it, as it would at OpenAI.
func TestOpenAI(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("MP4 needs ffmpeg")
	}
	address, key := serve(t)
	ai := openai.NewClient(option.WithBaseURL(address+"/v1"), option.WithAPIKey(key))
	ctx := t.Context()
	v, err := ai.Videos.NewAndPoll(ctx, openai.VideoNewParams{
		Prompt: "a red ball bounces on a beach", Model: "reel", Seconds: "1", Size: "256x160",
	}, 100)
	if err != nil {
		t.Fatal(err)
	}
	if v.Status != openai.VideoStatusCompleted || v.Progress != 100 || v.Model != "reel" || v.Seconds != "1" || v.Error.Code != "" {
		t.Fatalf("got %s", v.RawJSON())
	}
	for variant, want := range map[openai.VideoDownloadContentParamsVariant]string{"": "ftyp", "thumbnail": "RIFF", "spritesheet": "\xff\xd8"} {
		r, err := ai.Videos.DownloadContent(ctx, v.ID, openai.VideoDownloadContentParams{Variant: variant})
		if err != nil {
			t.Fatalf("%s: %v", variant, err)
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || len(got) < 1000 || !bytes.Contains(got[:12], []byte(want)) {
			t.Errorf("%q: %d bytes that begin with %q, %v", variant, len(got), got[:min(12, len(got))], err)
		}
	}
	page, err := ai.Videos.List(ctx, openai.VideoListParams{})
	if err != nil || len(page.Data) != 1 || page.Data[0].ID != v.ID {
		t.Errorf("listed %+v, %v", page, err)
	}
	remix, err := ai.Videos.Remix(ctx, v.ID, openai.VideoRemixParams{Prompt: "a blue ball bounces on a beach"})
	if err != nil || remix.RemixedFromVideoID != v.ID || remix.Seconds != "1" || remix.Size != "256x160" {
		t.Errorf("a remix: %+v, %v", remix, err)
	}
	longer, err := ai.Videos.Extend(ctx, openai.VideoExtendParams{
		Prompt: "it rolls away", Seconds: "1",
		Video: openai.VideoExtendParamsVideoUnion{OfVideoExtendsVideoVideoReferenceInputParam: &openai.VideoExtendParamsVideoVideoReferenceInputParam{ID: v.ID}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if longer, err = ai.Videos.PollStatus(ctx, longer.ID, 100); err != nil || longer.Status != openai.VideoStatusCompleted || longer.Seconds != "2" || longer.Size != "256x160" {
		t.Errorf("an extension: %+v, %v", longer, err)
	}
	if _, err := ai.Videos.Delete(ctx, v.ID); err != nil {
		t.Error(err)
	}
	_, err = ai.Videos.Get(ctx, v.ID)
	refused(t, err, 404)
}

// TestOpenAIFiles: it uploads a picture, finds it again, and deletes it.
func TestOpenAIFiles(t *testing.T) {
	address, key := serve(t)
	ai := openai.NewClient(option.WithBaseURL(address+"/v1"), option.WithAPIKey(key))
	ctx := t.Context()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 640, 400))); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, name := range []string{"a.png", "b.png"} {
		f, err := ai.Files.New(ctx, openai.FileNewParams{File: openai.File(bytes.NewReader(picture.Bytes()), name, "image/png"), Purpose: openai.FilePurposeVision})
		if err != nil {
			t.Fatal(err)
		}
		if f.Filename != name || f.Bytes != int64(picture.Len()) || f.Purpose != "vision" {
			t.Errorf("uploaded %+v", f)
		}
		ids = append(ids, f.ID)
	}
	var seen []string
	pages := ai.Files.ListAutoPaging(ctx, openai.FileListParams{Limit: openai.Int(1), Order: openai.FileListParamsOrderAsc})
	for pages.Next() {
		seen = append(seen, pages.Current().ID)
	}
	if pages.Err() != nil || !slices.Equal(seen, ids) {
		t.Errorf("listed %q, %v, want %q", seen, pages.Err(), ids)
	}
	r, err := ai.Files.Content(ctx, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r.Body)
	r.Body.Close()
	if c, e := png.DecodeConfig(bytes.NewReader(got)); err != nil || e != nil || c.Width != 640 || c.Height != 400 {
		t.Errorf("its content is a picture of %d×%d in %d bytes, %v, %v", c.Width, c.Height, len(got), err, e)
	}
	if d, err := ai.Files.Delete(ctx, ids[0]); err != nil || !d.Deleted {
		t.Errorf("deleted: %+v, %v", d, err)
	}
	_, err = ai.Files.Get(ctx, ids[0])
	refused(t, err, 404)
}

// TestOpenAIRefusals: what the server refuses arrives as the client's own error.
func TestOpenAIRefusals(t *testing.T) {
	address, key := serve(t)
	good := openai.NewClient(option.WithBaseURL(address+"/v1"), option.WithAPIKey(key))
	ctx := t.Context()
	stranger := openai.NewClient(option.WithBaseURL(address+"/v1"), option.WithAPIKey("kn-"+strings.Repeat("x", 50)))
	_, err := stranger.Videos.List(ctx, openai.VideoListParams{})
	refused(t, err, 401)
	for _, p := range []openai.VideoNewParams{
		{Prompt: "", Model: "reel"}, {Prompt: "a cat", Model: "reel", Size: "7x7"}, {Prompt: "a cat", Model: "reel", Seconds: "-1"},
	} {
		_, err := good.Videos.New(ctx, p)
		refused(t, err, 400)
	}
}

// refused checks that an error is the client's own, with a status and words.
func refused(t *testing.T, err error, status int) {
	t.Helper()
	if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != status || e.Message == "" {
		t.Errorf("error %v, want one of status %d", err, status)
	}
}

// counting is a middleware of the client that counts its requests.
func counting(n *int) option.Middleware {
	return func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		*n++
		return next(r)
	}
}
