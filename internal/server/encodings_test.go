package server

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/text"
)

// TestBodiesAreText: every API accepts a JSON body with a byte order mark. It
// refuses invalid UTF-8 with an error that names it, instead of replacing
// characters.
func TestBodiesAreText(t *testing.T) {
	s, keys := realServer(t, nil)
	const ascii = `{"model":"testcard","prompt":"a red ball"}`
	wide := "\xff\xfe"
	for _, c := range []byte(ascii) {
		wide += string([]byte{c, 0})
	}
	for _, api := range []struct{ path, body, accepted, refused string }{
		{"/v1/jobs", ascii, `"state":"queued"`, `"status":400`},
		{"/v1/videos", `{"prompt":"a red ball"}`, `"status":"queued"`, `"type":"invalid_request_error"`},
		{"/v1/video_generation", `{"model":"MiniMax-Hailuo-2.3","prompt":"a red ball"}`, `"status_code":0`, `"status_code":2013`},
		{"/v2/video_generation", `{"model":"MiniMax-H3","content":[{"type":"text","text":"a red ball"}],"resolution":"768P","ratio":"16:9","duration":5}`, `"task_id"`, "bad_request_error"},
	} {
		for _, kind := range []string{"application/json", "application/json; charset=utf-8"} {
			if _, answer := call(t, s, "POST", api.path, keys.API, text.Mark+api.body, "Content-Type", kind); !strings.Contains(answer, api.accepted) {
				t.Errorf("%s, %s: with a mark: %.300s", api.path, kind, answer)
			}
		}
		for body, want := range map[string]string{
			wide: "UTF-16, little-endian",
			strings.Replace(api.body, "red", "caf\xe9", 1): "byte 0xE9",
		} {
			if _, answer := call(t, s, "POST", api.path, keys.API, body); !strings.Contains(answer, want) || !strings.Contains(answer, api.refused) {
				t.Errorf("%s: %.300s, want %s and %s", api.path, answer, want, api.refused)
			}
		}
	}
	project, err := s.db.ProjectNamed(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	jobs, _, err := s.db.Jobs(t.Context(), store.JobFilter{Project: project.ID, Limit: 100})
	if err != nil || len(jobs) != 8 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	for _, j := range jobs {
		if j.Spec.Prompt != "a red ball" {
			t.Errorf("%s: prompt %q", j.API, j.Spec.Prompt)
		}
	}
}

// TestFormsAreText: the fields of a form are checked as texts too.
func TestFormsAreText(t *testing.T) {
	s, keys := realServer(t, nil)
	for prompt, want := range map[string]string{
		text.Mark + "a red ball": `"prompt":"a red ball"`,
		"caf\xe9":                "prompt cannot be read: it is not UTF-8: line 1 holds the byte 0xE9",
		"\xff\xfea\x00":          "UTF-16",
	} {
		var form strings.Builder
		w := multipart.NewWriter(&form)
		if err := errors.Join(w.WriteField("prompt", prompt), w.Close()); err != nil {
			t.Fatal(err)
		}
		if _, answer := call(t, s, "POST", "/v1/videos", keys.API, form.String(), "Content-Type", w.FormDataContentType()); !strings.Contains(answer, want) {
			t.Errorf("%q: %.300s, want %s", prompt, answer, want)
		}
	}
	// A script may read its prompt from a file with a byte order mark.
	if _, answer := call(t, s, "POST", "/v1/jobs", keys.API, `{"prompt":"\ufeffa red ball"}`); !strings.Contains(answer, `"prompt":"a red ball"`) {
		t.Errorf("a mark within JSON: %.300s", answer)
	}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"a ball that is red"}}],"data":{"audio":"00"}}`)
	}))
	t.Cleanup(up.Close)
	s, keys = realServer(t, func(c *Config) { c.Upstreams.Chat.URL, c.Upstreams.Speech.URL = up.URL, up.URL })
	for path, body := range map[string]string{
		"/v1/videos":           `{"prompt":"\ufeffa red ball"}`,
		"/v1/video_generation": `{"model":"T2V-01","prompt":"\ufeffa red ball"}`,
		"/v2/video_generation": `{"model":"MiniMax-H3","ratio":"16:9","content":[{"type":"text","text":"\ufeffa red ball"}]}`,
		"/v1/t2a_v2":           `{"model":"speech-02-hd","text":"\ufeffgood day"}`,
		"/v1/chat/completions": `{"messages":[{"role":"user","content":"\ufeffgood day"}]}`,
	} {
		resp, answer := call(t, s, "POST", path, keys.API, body)
		if resp.StatusCode != http.StatusOK || strings.Contains(answer, "status_code") && !strings.Contains(answer, `"status_code":0`) {
			t.Errorf("%s: a mark within JSON: %.300s", path, answer)
		}
	}
}

// TestWordFiles: a comment of a word list blocks nothing, even after a byte order
// mark. A list that is not UTF-8 is refused, as it would block nothing.
func TestWordFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "words.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	got, err := wordsOf(write(text.Mark + "# a list of words\r\n gore \r\n\r\n" + text.Mark + "# joined\nmurder most foul\n"))
	if want := []string{"gore", "murder most foul"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for in, want := range map[string]string{"g\x00o\x00r\x00e\x00": "UTF-16, little-endian", "sang\ncrudit\xe9": "line 2 holds the byte 0xE9"} {
		path := write(in)
		if _, err := wordsOf(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
	s, keys := realServer(t, func(c *Config) {
		c.Moderation.WordFiles = map[string]string{"en": write(text.Mark + "# words that are blocked\ngore\n")}
	})
	for prompt, code := range map[string]int{"words that are blocked": 202, "a gore": 422} {
		if resp, answer := call(t, s, "POST", "/v1/jobs", keys.API, `{"prompt":"`+prompt+`"}`); resp.StatusCode != code {
			t.Errorf("%q: %d %.200s, want %d", prompt, resp.StatusCode, answer, code)
		}
	}
}
