package minimax

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
)

func TestFilesV1(t *testing.T) {
	c := serve(t, apitest.New(t))
	upload := func(path string, fields ...[2]string) (int, map[string]any) {
		t.Helper()
		kind, body := apitest.FormBody(fields...)
		status, _, data := c.ask("POST", path, kind, body)
		return status, apitest.Decode(t, data)
	}
	picture := string(apitest.PNG(320, 320))
	status, a := upload("/v1/files/upload", [2]string{"file", picture}, [2]string{"purpose", "video_generation_input"})
	id, _ := apitest.At(a, "file", "file_id").(float64)
	if status != 200 || id < float64(job.MinID) || apitest.At(a, "file", "bytes") != float64(len(picture)) || apitest.At(a, "file", "filename") != "picture.png" ||
		apitest.At(a, "file", "purpose") != "video_generation_input" || apitest.At(a, "file", "created_at") == 0.0 || apitest.At(a, "base_resp", "status_code") != 0.0 {
		t.Fatalf("%d %v", status, a)
	}
	text := strconv.FormatInt(int64(id), 10)
	for _, purpose := range filePurposes {
		if _, a := upload("/v1/files", [2]string{"purpose", purpose}, [2]string{"file", "x"}); apitest.At(a, "file", "purpose") != purpose {
			t.Errorf("%s: %v", purpose, a)
		}
	}
	for _, tt := range []struct {
		fields [][2]string
		want   string
	}{
		{[][2]string{{"file", "x"}}, "purpose is missing"},
		{[][2]string{{"file", "x"}, {"purpose", "fun"}}, "purpose must be one of voice_clone, prompt_audio"},
		{[][2]string{{"purpose", "vision"}}, "file is missing"},
		{[][2]string{{"purpose", "vision"}, {"file", ""}}, "file is empty"},
		{[][2]string{{"purpose", "vision"}, {"file", "x"}, {"file", "y"}}, "one at a time"},
		{[][2]string{{"purpose", "vision"}, {"file", strings.Repeat("x", 1<<20)}}, "larger than 1048576 bytes"},
	} {
		if status, a := upload("/v1/files/upload", tt.fields...); status != 200 || apitest.At(a, "base_resp", "status_code") != 2013.0 || !strings.Contains(apitest.JSONText(a), tt.want) {
			t.Errorf("%q: %d %v", tt.want, status, a)
		}
	}
	if _, a := c.json("POST", "/v1/files/upload", `{}`); !strings.Contains(apitest.JSONText(a), "multipart") {
		t.Errorf("JSON: %v", a)
	}

	for _, path := range []string{"/v1/files/retrieve?file_id=" + text, "/v1/files/" + text} {
		if _, a := c.json("GET", path, ""); apitest.At(a, "file", "file_id") != id || !strings.Contains(fmt.Sprint(apitest.At(a, "file", "download_url")), "/media/file/") {
			t.Errorf("%s: %v", path, a)
		}
	}
	if status, h, data := c.ask("GET", "/v1/files/retrieve_content?file_id="+text, "", nil); status != 200 || string(data) != picture || h.Get("Content-Disposition") == "" {
		t.Errorf("content: %d, %d bytes", status, len(data))
	}
	for query, want := range map[string]int{"": 7, "?purpose=video_generation_input": 2, "?purpose=vision": 1, "?limit=3": 3, "?purpose=none": 0} {
		_, a := c.json("GET", "/v1/files/list"+query, "")
		list, ok := a["files"].([]any)
		if !ok || len(list) != want || a["has_more"] != (query == "?limit=3") {
			t.Errorf("list %q: %v", query, a)
		}
	}
	if _, a := c.json("GET", "/v1/files", ""); len(a["files"].([]any)) != 7 {
		t.Errorf("the alias lists %v", a)
	}

	for _, bad := range []string{`{}`, `{"file_id":"x"}`, `{"file_id":1.5}`, `{"file_id":1}`, `{"file_id":` + text + `,"purpose":"vision"}`, `[]`} {
		if _, a := c.json("POST", "/v1/files/delete", bad); apitest.At(a, "base_resp", "status_code") != 2013.0 {
			t.Errorf("delete %s: %v", bad, a)
		}
	}
	c.key = apitest.KeyTwo
	for method, path := range map[string]string{"GET": "/v1/files/retrieve?file_id=" + text, "DELETE": "/v1/files/" + text, "POST": "/v1/files/delete"} {
		if _, a := c.json(method, path, `{"file_id":`+text+`}`); apitest.At(a, "base_resp", "status_code") != 2013.0 {
			t.Errorf("another project's %s: %v", method, a)
		}
	}
	c.key = apitest.KeyOne
	if _, a := c.json("POST", "/v1/files/delete", `{"file_id":`+text+`,"purpose":"video_generation_input"}`); a["file_id"] != id || apitest.At(a, "base_resp", "status_code") != 0.0 {
		t.Errorf("delete: %v", a)
	}
	if _, a := c.json("GET", "/v1/files/retrieve?file_id="+text, ""); apitest.At(a, "base_resp", "status_code") != 2013.0 {
		t.Errorf("it is still there: %v", a)
	}
	// The aliases of DELETE: path, parameter, body.
	for i, path := range []string{"/v1/files/%s", "/v1/files?file_id=%s", "/v1/files"} {
		_, a := upload("/v1/files/upload", [2]string{"purpose", "vision"}, [2]string{"file", "x"})
		id := strconv.FormatInt(int64(apitest.At(a, "file", "file_id").(float64)), 10)
		body := ""
		if i == 2 {
			body = `{"file_id":"` + id + `"}`
		} else {
			path = fmt.Sprintf(path, id)
		}
		if _, a := c.json("DELETE", path, body); apitest.At(a, "base_resp", "status_code") != 0.0 {
			t.Errorf("DELETE %s: %v", path, a)
		}
	}
}

// TestLinksForTheCLI: its client rewrites http:// to https://.
func TestLinksForTheCLI(t *testing.T) {
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "/", nil)
	for _, tt := range []struct{ agent, link, want string }{
		{"mmx-cli/1.0.27", "http://127.0.0.1:8080/media/x", "HTTP://127.0.0.1:8080/media/x"},
		{"mmx-cli/1.0.27", "https://video.example.com/media/x", "https://video.example.com/media/x"},
		{"python-requests/2", "http://127.0.0.1:8080/media/x", "http://127.0.0.1:8080/media/x"},
		{"mmx-cli/1.0.27", "", ""},
	} {
		r.Header.Set("User-Agent", tt.agent)
		if got := linkFor(r, tt.link); got != tt.want {
			t.Errorf("%s %s: %s", tt.agent, tt.link, got)
		}
	}
}

// FuzzUpload: no form makes the reader panic or answer in another form.
func FuzzUpload(f *testing.F) {
	kind, body := apitest.FormBody([2]string{"purpose", "vision"}, [2]string{"file", "x"})
	f.Add(kind, body)
	f.Add(kind, bytes.Replace(body, []byte("file"), []byte("fi\x00e"), 1))
	f.Add("multipart/form-data", body)
	f.Add("multipart/form-data; boundary=a", []byte("--a\r\n\r\n--a--"))
	h := handlerOf(apitest.New(f))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		fuzzAsk(t, h, "POST", "/v1/files/upload", kind, body)
	})
}
