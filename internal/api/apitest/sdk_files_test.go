package apitest_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/api/minimax"
	"github.com/kinora-video/kinora/internal/api/openai"
)

// TestSDKFiles: OpenAI's client uploads a picture, begins a video with it, and
// looks after its files, as it would at OpenAI.
func TestSDKFiles(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, append(minimax.New(f), openai.New(f))...)
	c := sdk.NewClient(option.WithBaseURL(s.URL+"/v1"), option.WithAPIKey(apitest.KeyOne))
	ctx := t.Context()
	picture := apitest.PNG(640, 400)
	var ids []string
	for _, purpose := range []sdk.FilePurpose{sdk.FilePurposeVision, sdk.FilePurposeUserData, sdk.FilePurposeAssistants} {
		file, err := c.Files.New(ctx, sdk.FileNewParams{File: sdk.File(bytes.NewReader(picture), "a.png", "image/png"), Purpose: purpose})
		if err != nil {
			t.Fatalf("%s: %v", purpose, err)
		}
		if file.ID == "" || string(file.Purpose) != string(purpose) || file.Filename != "a.png" || file.Bytes != int64(len(picture)) || file.CreatedAt == 0 || file.Object != "file" || !strings.Contains(file.RawJSON(), `"status":"processed"`) {
			t.Errorf("%s: %+v", purpose, file)
		}
		ids = append(ids, file.ID)
	}
	ref := sdk.VideoNewParamsInputReferenceUnion{OfImageInputReference: &sdk.ImageInputReferenceParam{FileID: sdk.String(ids[0])}}
	if _, err := c.Videos.New(ctx, sdk.VideoNewParams{Prompt: "it moves", InputReference: ref}); err != nil {
		t.Fatal(err)
	}
	if s := f.Last(t).Spec; s.FirstFrame == "" {
		t.Errorf("no first frame in %+v", s)
	}
	expiring, err := c.Files.New(ctx, sdk.FileNewParams{File: bytes.NewReader(picture), Purpose: sdk.FilePurposeVision, ExpiresAfter: sdk.FileNewParamsExpiresAfter{Seconds: 3600}})
	if err != nil || expiring.ExpiresAt != expiring.CreatedAt+3600 {
		t.Errorf("expires_after: %+v, %v", expiring, err)
	}
	var seen []string
	pages := c.Files.ListAutoPaging(ctx, sdk.FileListParams{Limit: sdk.Int(1), Order: sdk.FileListParamsOrderAsc})
	for pages.Next() {
		seen = append(seen, pages.Current().ID)
	}
	if want := append(ids, expiring.ID); pages.Err() != nil || strings.Join(seen, " ") != strings.Join(want, " ") {
		t.Errorf("listed %v, %v; want %v", seen, pages.Err(), want)
	}
	if page, err := c.Files.List(ctx, sdk.FileListParams{Purpose: sdk.String("user_data")}); err != nil || len(page.Data) != 1 || page.Data[0].ID != ids[1] {
		t.Errorf("of a purpose: %+v, %v", page, err)
	}
	if file, err := c.Files.Get(ctx, ids[0]); err != nil || file.ID != ids[0] {
		t.Errorf("%+v, %v", file, err)
	}
	content, err := c.Files.Content(ctx, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	defer content.Body.Close()
	if data, err := io.ReadAll(content.Body); err != nil || !bytes.Equal(data, picture) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if gone, err := c.Files.Delete(ctx, ids[0]); err != nil || !gone.Deleted || gone.ID != ids[0] {
		t.Errorf("%+v, %v", gone, err)
	}
	_, err = c.Files.Get(ctx, ids[0])
	wantAPIError(t, err, 404, "not_found")
	_, err = c.Files.New(ctx, sdk.FileNewParams{File: bytes.NewReader(picture), Purpose: "fun"})
	wantAPIError(t, err, 400, "invalid_value")
}

func wantAPIError(t *testing.T, err error, status int, code string) {
	t.Helper()
	if e := (*sdk.Error)(nil); !errors.As(err, &e) || e.StatusCode != status || e.Code != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}
