package server

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// taught makes a server's reel return the embedded model's notes on prompts.
func taught(t *testing.T, s *Server) {
	t.Helper()
	reel, err := kinora.CapabilitiesOf("reel")
	if err != nil {
		t.Fatal(err)
	}
	s.engines["reel"] = reel
}

// TestUnknownWordsAreNoted: if a prompt has words that the model was never
// taught, every API returns the note that the terminal prints, both in the first
// answer and in later queries.
func TestUnknownWordsAreNoted(t *testing.T) {
	s, keys := realServer(t, nil)
	taught(t, s)
	notes := func(body string) []string {
		t.Helper()
		var a struct {
			Notes []string
			Task  struct{ Notes []string }
		}
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return append(a.Notes, a.Task.Notes...)
	}
	post := func(path, body string) (id string, said []string) {
		t.Helper()
		resp, answer := call(t, s, "POST", path, keys.API, body)
		var a struct {
			ID   string `json:"id"`
			Task string `json:"task_id"`
		}
		if err := json.Unmarshal([]byte(answer), &a); err != nil || resp.StatusCode >= 300 || a.ID+a.Task == "" {
			t.Fatalf("%s: %d %s", path, resp.StatusCode, answer)
		}
		return a.ID + a.Task, notes(answer)
	}
	const prompt = `a unicorn eats pizza`
	want := s.engines["reel"].PromptNotes(prompt)
	if len(want) != 2 || !strings.HasPrefix(want[0], "reel was never taught unicorn, eats, pizza:") {
		t.Fatalf("the model says %q", want)
	}
	for path, tt := range map[string]struct{ body, look string }{
		"/v1/videos":           {`{"model":"sora-2","prompt":"` + prompt + `"}`, "/v1/videos/"},
		"/v1/jobs":             {`{"prompt":"` + prompt + `"}`, "/v1/jobs/"},
		"/v1/video_generation": {`{"model":"T2V-01","prompt_optimizer":false,"prompt":"` + prompt + `"}`, "/v1/query/video_generation?task_id="},
		"/v2/video_generation": {`{"model":"MiniMax-H3","ratio":"16:9","content":[{"type":"text","text":"` + prompt + `"}]}`, "/v2/query/video_generation/"},
	} {
		id, said := post(path, tt.body)
		if len(said) < 2 || !slices.Equal(said[:2], want) {
			t.Errorf("%s: notes %q", path, said)
		}
		if _, body := call(t, s, "GET", tt.look+id, keys.API, ""); !slices.Equal(notes(body), said) {
			t.Errorf("%s: notes %q when queried, %q before", path, notes(body), said)
		}
	}
	if _, said := post("/v1/jobs", `{"kind":"image","prompt":"`+prompt+`"}`); !slices.Equal(said, want) {
		t.Errorf("an image: notes %q", said)
	}
	if _, said := post("/v1/jobs", `{"prompt":"a red ball bounces"}`); len(said) > 0 {
		t.Errorf("known words: notes %q", said)
	}
	if _, said := post("/v1/jobs", `{"model":"testcard","prompt":"`+prompt+`"}`); len(said) > 0 {
		t.Errorf("the test card: notes %q", said)
	}
}

// TestNotesOfARemix: notes on the old prompt are replaced with it, other notes
// stay, and none is repeated.
func TestNotesOfARemix(t *testing.T) {
	s, keys := realServer(t, nil)
	taught(t, s)
	who := ownerOf(t, s, keys.API)
	_, body := call(t, s, "POST", "/v1/videos", keys.API, `{"model":"sora-2","prompt":"a unicorn"}`)
	j, ok, err := s.db.Claim(t.Context(), "worker", s.cfg.Jobs.Lease, nil)
	if err != nil || !ok {
		t.Fatalf("claimed %+v, %v, of %s", j, err, body)
	}
	if j, err = s.db.Finish(t.Context(), j.ID, j.Attempt, store.Ending{State: job.Succeeded, Result: &job.Result{Width: 720, Height: 1280, Seconds: 4}}, s.meter.Settle); err != nil {
		t.Fatal(err)
	}
	resp, body := call(t, s, "POST", "/v1/videos/video_"+j.ID.String()+"/remix", keys.API, `{"prompt":"a kite"}`)
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	jobs, _, err := s.service.Jobs(t.Context(), who, store.JobFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := jobs[0].Notes()
	want := s.engines["reel"].PromptNotes("a kite")
	if len(want) == 0 || !strings.Contains(want[0], "never taught kite") {
		t.Fatalf("the model says %q", want)
	}
	if n := len(want); len(got) != n+1 || !slices.Equal(got[:n], want) || !strings.Contains(got[n], "reel draws") {
		t.Errorf("notes %q, want %q and the size", got, want)
	}
}
