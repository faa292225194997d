//go:build unix

package e2e_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/store"
)

func pngOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// form is a multipart form with a file.
func form(t testing.TB, file []byte, fields ...string) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", "a.png")
	if err == nil {
		_, err = part.Write(file)
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

// owned are the ids of a project's objects.
type owned struct {
	job, waits, video, v1, v2, file, hook, delivery string
	videos                                          shownJob
}

// fill creates one object of each kind.
func fill(t *testing.T, p *platform, c *client) (o owned) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	o.hook = must[shownJob](c, http.StatusCreated, "POST", "/v1/webhooks", map[string]any{"url": receiver.URL, "events": []string{"job.succeeded"}}).ID
	o.job = c.submit("name=a").ID
	o.videos = c.final(o.job, 20*time.Second)
	o.video = must[shownJob](c, http.StatusOK, "POST", "/v1/videos", map[string]any{"model": "sora-2", "prompt": "name=video"}).ID
	type task struct {
		ID string `json:"task_id"`
	}
	o.v1 = must[task](c, http.StatusOK, "POST", "/v1/video_generation", map[string]any{"model": "T2V-01", "prompt": "name=v1"}).ID
	o.v2 = must[task](c, http.StatusOK, "POST", "/v2/video_generation", map[string]any{
		"model": "MiniMax-H3", "content": []any{map[string]any{"type": "text", "text": "name=v2"}}, "resolution": "768P", "duration": 4, "ratio": "16:9",
	}).ID
	body, kind := form(t, pngOf(t, 400, 400), "purpose", "video_generation_input")
	o.file = string(must[struct {
		File struct {
			ID json.Number `json:"file_id"`
		}
	}](c, http.StatusOK, "POST", "/v1/files/upload", body, "Content-Type", kind).File.ID)
	eventually(t, 20*time.Second, "all of the first project's jobs are done", func() bool { return p.idle(c) })
	eventually(t, 20*time.Second, "a delivery was made", func() bool {
		log := must[struct{ Data []struct{ ID string } }](c, http.StatusOK, "GET", "/v1/webhooks/"+o.hook+"/deliveries?state=delivered", nil)
		if len(log.Data) > 0 {
			o.delivery = log.Data[0].ID
		}
		return o.delivery != ""
	})
	c.submit("name=busy hold=sample")
	o.waits = c.submit("name=waits").ID
	if o.video == "" || o.v1 == "" || o.v2 == "" || o.file == "" {
		t.Fatalf("made %+v", o)
	}
	return o
}

// intrusion is a request that names another project's object; ID in it stands for
// the object's id.
type intrusion struct {
	method, path string
	body         any
	id           string
	mine         int // the status that its owner gets
}

func intrusions(o owned) []intrusion {
	prompt := func(more ...any) map[string]any {
		m := map[string]any{"prompt": "name=b"}
		for i := 0; i+1 < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	frame := []any{
		map[string]any{"type": "text", "text": "name=b"},
		map[string]any{"type": "image_url", "role": "first_frame", "image_url": map[string]any{"url": "mm_file://ID"}},
	}
	h3 := map[string]any{"model": "MiniMax-H3", "content": frame, "resolution": "768P", "duration": 4}
	return []intrusion{
		{"GET", "/v1/jobs/ID", nil, o.job, 200},
		{"GET", "/v1/jobs/ID?wait=1", nil, o.job, 200},
		{"GET", "/v1/jobs/ID/events", nil, o.job, 200},
		{"GET", "/v1/jobs?after=ID", nil, o.job, 200},
		{"POST", "/v1/jobs", prompt("after", "ID"), o.job, 202},
		{"POST", "/v1/jobs", prompt("image", map[string]any{"file_id": "ID"}), "file_" + o.file, 202},
		{"GET", "/v1/uploads/ID", nil, "file_" + o.file, 200},
		{"GET", "/v1/webhooks/ID", nil, o.hook, 200},
		{"PATCH", "/v1/webhooks/ID", map[string]any{"description": "x"}, o.hook, 200},
		{"POST", "/v1/webhooks/ID/rotate", nil, o.hook, 200},
		{"GET", "/v1/webhooks/ID/deliveries", nil, o.hook, 200},
		{"POST", "/v1/webhooks/deliveries/ID/replay", nil, o.delivery, 200},

		{"GET", "/v1/videos/ID", nil, o.video, 200},
		{"GET", "/v1/videos/ID/content", nil, o.video, 200},
		{"GET", "/v1/videos/ID/content?variant=thumbnail", nil, o.video, 200},
		{"GET", "/v1/videos?after=ID", nil, o.video, 200},
		{"POST", "/v1/videos/ID/remix", prompt(), o.video, 200},
		{"POST", "/v1/videos/extensions", prompt("seconds", "4", "video", map[string]any{"id": "ID"}), o.video, 200},
		{"POST", "/v1/videos", prompt("model", "sora-2", "input_reference", map[string]any{"file_id": "ID"}), "file_" + o.file, 200},

		{"GET", "/v1/query/video_generation?task_id=ID", nil, o.v1, 200},
		{"GET", "/v1/files/retrieve?file_id=ID", nil, o.file, 200},
		{"GET", "/v1/files/retrieve_content?file_id=ID", nil, o.file, 200},
		{"GET", "/v1/files/ID", nil, o.file, 200},
		{"GET", "/v2/query/video_generation/ID", nil, o.v2, 200},
		{"GET", "/v2/query/video_generation?page_num=1&page_size=10&filter.task_ids=ID", nil, o.v2, 200},
		{"POST", "/v2/video_generation", h3, o.file, 200},
		{"POST", "/v2/video_regeneration", map[string]any{"model": "MiniMax-H3", "source_task_id": "ID", "resolution": "2K"}, o.v2, 200},

		// Requests that the owner can make only once come last.
		{"POST", "/v1/jobs/ID/cancel", nil, o.waits, 200},
		{"DELETE", "/v2/video_generation/ID", nil, o.v2, 200},
		{"DELETE", "/v1/videos/ID", nil, o.video, 200},
		{"DELETE", "/v1/jobs/ID", nil, o.job, 204},
		{"POST", "/v1/files/delete", map[string]any{"file_id": "ID"}, o.file, 200},
		{"DELETE", "/v1/webhooks/ID", nil, o.hook, 204},
	}
}

// ask sends the request with an id, and returns the answer with the id removed.
func (i intrusion) ask(c *client, id string) (status int, answer string) {
	c.t.Helper()
	var body any
	if i.body != nil {
		text, err := json.Marshal(i.body)
		if err != nil {
			c.t.Fatal(err)
		}
		body = bytes.ReplaceAll(text, []byte("ID"), []byte(id))
	}
	status, got, err := c.try(i.method, strings.ReplaceAll(i.path, "ID", url.QueryEscape(id)), body, "X-Request-Id", "same")
	if err != nil {
		c.t.Fatalf("%s %s: %v", i.method, i.path, err)
	}
	digits := id[len(id)-16:]
	return status, strings.ReplaceAll(string(got), digits, "0000000000000000")
}

// TestTenantIsolation: for another project's object a project gets exactly the
// same answer as for an id that does not exist.
func TestTenantIsolation(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, "limits: {free_space: 0}\negress: {allow: [127.0.0.0/8]}\n")
	a, b := p.tenant("a", 1000), p.tenant("b", 1000)
	p.start()
	p.ready()
	o := fill(t, p, a)
	cases := intrusions(o)
	for _, i := range cases {
		name := i.method + " " + i.path
		nobody := i.id[:len(i.id)-16] + "4503599627370496"
		wantStatus, want := i.ask(b, nobody)
		status, got := i.ask(b, i.id)
		if status != wantStatus || got != want {
			t.Errorf("%s of another project: %d %s\nof none: %d %s", name, status, got, wantStatus, want)
		}
		if strings.HasPrefix(i.path, "/v1/jobs") && status != http.StatusNotFound && status != http.StatusBadRequest {
			t.Errorf("%s: status %d: %s", name, status, got)
		}
	}
	// The attempts changed nothing, and the owner can make each of the requests.
	if j := a.job(o.waits); j.State != "queued" {
		t.Errorf("the waiting job: %+v", j)
	}
	if f := a.job(o.job); f.State != "succeeded" || f.Result.Files[0].SHA256 != o.videos.Result.Files[0].SHA256 {
		t.Errorf("the job: %+v", f)
	}
	refused := regexp.MustCompile(`\b2013\b`) // MiniMax's code; an id may have its digits
	for _, i := range cases {
		status, got := i.ask(a, i.id)
		_, others := i.ask(b, i.id)
		if status != i.mine || got == others || refused.MatchString(got) {
			t.Errorf("%s %s by its owner: %d %s", i.method, i.path, status, got)
		}
	}
	// No list contains any of the objects.
	for _, path := range []string{
		"/v1/jobs", "/v1/videos", "/v1/files/list?purpose=video_generation_input", "/v1/files", "/v1/uploads", "/v1/webhooks",
		"/v2/query/video_generation?page_num=1&page_size=10", "/v1/usage?format=json",
	} {
		status, got, err := b.try("GET", path, nil)
		if err != nil || status != http.StatusOK {
			t.Errorf("%s: status %d, %v: %s", path, status, err, got)
		}
		for _, id := range []string{o.job, o.waits, o.video, o.v1, o.v2, o.file, o.hook} {
			if strings.Contains(string(got), id[len(id)-16:]) {
				t.Errorf("%s lists %s of another project", path, id)
			}
		}
	}
}

// TestLinks: a signed link works without a key, and a changed one does not.
func TestLinks(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, store.SQLite, "limits: {free_space: 0}\n")
	c := p.tenant("a", 100)
	p.start()
	p.ready()
	videos := c.final(c.submit("name=a").ID, 20*time.Second).Result.Files
	other := c.final(c.submit("name=b").ID, 20*time.Second).Result.Files
	u, err := url.Parse(videos[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	stranger := &client{t: t, base: c.base}
	if status, video, err := stranger.try("GET", u.String(), nil); err != nil || status != http.StatusOK || !strings.Contains(string(video), "video of a") {
		t.Fatalf("the link: status %d, %v", status, err)
	}
	if status, part, err := stranger.try("GET", u.String(), nil, "Range", "bytes=6-7"); err != nil || status != http.StatusPartialContent || string(part) != "of" {
		t.Errorf("a part: status %d, %q, %v", status, part, err)
	}
	second, err := url.Parse(other[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	swapped := *u
	swapped.Path = second.Path
	changed := map[string]string{"another video": swapped.String(), "no signature": "http://" + u.Host + u.Path}
	for name := range u.Query() {
		q := u.Query()
		v := q.Get(name)
		last := byte('0')
		if v[len(v)-1] == last {
			last = '1'
		}
		q.Set(name, v[:len(v)-1]+string(last))
		with := *u
		with.RawQuery = q.Encode()
		changed[name+" changed"] = with.String()
		q.Del(name)
		with.RawQuery = q.Encode()
		changed[name+" left out"] = with.String()
	}
	for what, link := range changed {
		for _, who := range []*client{stranger, c} { // a key does not help either
			status, got, err := who.try("GET", link, nil)
			if err != nil || status != http.StatusForbidden && status != http.StatusGone || strings.Contains(string(got), "video of") {
				t.Errorf("%s: status %d, %v: %.80s", what, status, err, got)
			}
		}
	}
	if status, got, err := c.try("PUT", u.String(), []byte("x")); err != nil || status < 400 {
		t.Errorf("PUT: status %d, %v: %s", status, err, got)
	}
}
