package server

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"

	"github.com/kinora-video/kinora/internal/job"
)

// TestSDKFiles: OpenAI's client uploads a picture, begins a video with it, and
// looks after its files, as it would at OpenAI.
func TestSDKFiles(t *testing.T) {
	f := newFake()
	c := sdk(t, f, keyOne)
	ctx := t.Context()
	picture := testPicture(640, 400)
	var ids []string
	for _, purpose := range []openai.FilePurpose{openai.FilePurposeVision, openai.FilePurposeUserData, openai.FilePurposeAssistants} {
		file, err := c.Files.New(ctx, openai.FileNewParams{File: openai.File(bytes.NewReader(picture), "a.png", "image/png"), Purpose: purpose})
		if err != nil {
			t.Fatalf("%s: %v", purpose, err)
		}
		if file.ID == "" || string(file.Purpose) != string(purpose) || file.Filename != "a.png" || file.Bytes != int64(len(picture)) || file.CreatedAt == 0 || file.Object != "file" || !strings.Contains(file.RawJSON(), `"status":"processed"`) {
			t.Errorf("%s: %+v", purpose, file)
		}
		ids = append(ids, file.ID)
	}
	ref := openai.VideoNewParamsInputReferenceUnion{OfImageInputReference: &openai.ImageInputReferenceParam{FileID: openai.String(ids[0])}}
	if _, err := c.Videos.New(ctx, openai.VideoNewParams{Prompt: "it moves", InputReference: ref}); err != nil {
		t.Fatal(err)
	}
	if s := f.last(t).Spec; s.FirstFrame == "" {
		t.Errorf("no first frame in %+v", s)
	}
	expiring, err := c.Files.New(ctx, openai.FileNewParams{File: bytes.NewReader(picture), Purpose: openai.FilePurposeVision, ExpiresAfter: openai.FileNewParamsExpiresAfter{Seconds: 3600}})
	if err != nil || expiring.ExpiresAt != expiring.CreatedAt+3600 {
		t.Errorf("expires_after: %+v, %v", expiring, err)
	}
	var seen []string
	pages := c.Files.ListAutoPaging(ctx, openai.FileListParams{Limit: openai.Int(1), Order: openai.FileListParamsOrderAsc})
	for pages.Next() {
		seen = append(seen, pages.Current().ID)
	}
	if want := append(ids, expiring.ID); pages.Err() != nil || strings.Join(seen, " ") != strings.Join(want, " ") {
		t.Errorf("listed %v, %v; want %v", seen, pages.Err(), want)
	}
	if page, err := c.Files.List(ctx, openai.FileListParams{Purpose: openai.String("user_data")}); err != nil || len(page.Data) != 1 || page.Data[0].ID != ids[1] {
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
	_, err = c.Files.New(ctx, openai.FileNewParams{File: bytes.NewReader(picture), Purpose: "fun"})
	wantAPIError(t, err, 400, "invalid_value")
}

func wantAPIError(t *testing.T, err error, status int, code string) {
	t.Helper()
	if e := (*openai.Error)(nil); !errors.As(err, &e) || e.StatusCode != status || e.Code != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

// TestSharedFiles: an answer has the fields of MiniMax's API beside those of
// OpenAI's, its errors too, and a file's id is taken as either writes it.
func TestSharedFiles(t *testing.T) {
	c := mmServe(t, newFake())
	kind, body := formBody([2]string{"purpose", "vision"}, [2]string{"file", string(testPicture(320, 320))})
	status, _, data := c.ask("POST", "/v1/files", kind, body)
	a := decode(t, data)
	id, _ := a["id"].(string)
	number, _ := at(a, "file", "file_id").(float64)
	if status != 200 || id != "file_"+job.ID(number).String() || at(a, "base_resp", "status_code") != 0.0 {
		t.Fatalf("%d %s", status, data)
	}
	digits := strings.TrimPrefix(id, "file_")
	for _, path := range []string{"/v1/files/" + id, "/v1/files/" + digits, "/v1/files/retrieve?file_id=" + id} {
		if _, a := c.json("GET", path, ""); at(a, "file", "file_id") != number {
			t.Errorf("%s: %v", path, a)
		}
	}
	for _, ref := range []string{"mm_file://" + digits, "mm_file://" + id, "MM_FILE://" + digits} {
		if _, a := c.json("POST", "/v1/video_generation", `{"model":"MiniMax-Hailuo-2.3","prompt":"a red ball","first_frame_image":"`+ref+`"}`); at(a, "base_resp", "status_code") != 0.0 {
			t.Errorf("%s: %v", ref, a)
		}
	}
	if _, a := c.json("GET", "/v1/files?GroupId=1", ""); len(a["data"].([]any)) != 1 || len(a["files"].([]any)) != 1 || a["object"] != "list" || a["last_id"] != id {
		t.Errorf("list: %v", a)
	}
	for path, want := range map[string]int{"/v1/files/file_1": 404, "/v1/files/x": 404, "/v1/files/x/content": 404, "/v1/files?limit=0": 400, "/v1/files?limit=1&limit=2": 400, "/v1/files?porpoise=vision": 400, "/v1/files?after=file_1": 400} {
		if status, a := c.json("GET", path, ""); status != want || at(a, "error", "message") == nil || at(a, "base_resp", "status_code") != 2013.0 {
			t.Errorf("%s: %d %v", path, status, a)
		}
	}
	if status, a := c.json("DELETE", "/v1/files", `{"file_id":"`+id+`"}`); status != 200 || a["deleted"] != true || a["id"] != id || a["file_id"] != number {
		t.Errorf("%d %v", status, a)
	}
}
