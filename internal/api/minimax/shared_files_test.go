package minimax

import (
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
)

// TestSharedFiles: an answer has the fields of MiniMax's API beside those of
// OpenAI's, its errors too, and a file's id is taken as either writes it.
func TestSharedFiles(t *testing.T) {
	c := serve(t, apitest.New(t))
	kind, body := apitest.FormBody([2]string{"purpose", "vision"}, [2]string{"file", string(apitest.PNG(320, 320))})
	status, _, data := c.ask("POST", "/v1/files", kind, body)
	a := apitest.Decode(t, data)
	id, _ := a["id"].(string)
	number, _ := apitest.At(a, "file", "file_id").(float64)
	if status != 200 || id != "file_"+job.ID(number).String() || apitest.At(a, "base_resp", "status_code") != 0.0 {
		t.Fatalf("%d %s", status, data)
	}
	digits := strings.TrimPrefix(id, "file_")
	for _, path := range []string{"/v1/files/" + id, "/v1/files/" + digits, "/v1/files/retrieve?file_id=" + id} {
		if _, a := c.json("GET", path, ""); apitest.At(a, "file", "file_id") != number {
			t.Errorf("%s: %v", path, a)
		}
	}
	for _, ref := range []string{"mm_file://" + digits, "mm_file://" + id, "MM_FILE://" + digits} {
		if _, a := c.json("POST", "/v1/video_generation", `{"model":"MiniMax-Hailuo-2.3","prompt":"a red ball","first_frame_image":"`+ref+`"}`); apitest.At(a, "base_resp", "status_code") != 0.0 {
			t.Errorf("%s: %v", ref, a)
		}
	}
	if _, a := c.json("GET", "/v1/files?GroupId=1", ""); len(a["data"].([]any)) != 1 || len(a["files"].([]any)) != 1 || a["object"] != "list" || a["last_id"] != id {
		t.Errorf("list: %v", a)
	}
	for path, want := range map[string]int{"/v1/files/file_1": 404, "/v1/files/x": 404, "/v1/files/x/content": 404, "/v1/files?limit=0": 400, "/v1/files?limit=1&limit=2": 400, "/v1/files?porpoise=vision": 400, "/v1/files?after=file_1": 400} {
		if status, a := c.json("GET", path, ""); status != want || apitest.At(a, "error", "message") == nil || apitest.At(a, "base_resp", "status_code") != 2013.0 {
			t.Errorf("%s: %d %v", path, status, a)
		}
	}
	if status, a := c.json("DELETE", "/v1/files", `{"file_id":"`+id+`"}`); status != 200 || a["deleted"] != true || a["id"] != id || a["file_id"] != number {
		t.Errorf("%d %v", status, a)
	}
}
