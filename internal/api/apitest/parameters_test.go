package apitest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/api/minimax"
	"github.com/kinora-video/kinora/internal/api/openai"
	"github.com/kinora-video/kinora/internal/job"
)

// TestRepeatedParameters: a list that is there several times counts whole, with
// commas or without, and what can be there once is refused when it is there
// twice. What a URL asks for is never dropped.
func TestRepeatedParameters(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, append(minimax.New(f), openai.New(f), nativeOn(f))...)
	for _, r := range []struct{ path, body string }{
		{"/v1/jobs", `{"prompt":"a"}`},
		{"/v1/jobs", `{"model":"testcard","prompt":"b"}`},
		{"/v1/videos", `{"model":"sora-2","prompt":"c"}`},
		{"/v2/video_generation", `{"model":"MiniMax-H3","ratio":"16:9","content":[{"type":"text","text":"d"}]}`},
		{"/v2/video_generation", `{"model":"reel","ratio":"16:9","content":[{"type":"text","text":"e"}]}`},
	} {
		if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", r.path, apitest.JSON, r.body); resp.StatusCode >= 300 {
			t.Fatalf("%s: %s", r.path, raw)
		}
	}
	f.Set(f.Order()[0], func(j *job.Job) { j.State = job.Running })
	f.Set(f.Order()[1], func(j *job.Job) { j.State = job.Failed })
	f.Set(f.Order()[3], func(j *job.Job) { j.State = job.Failed })
	for url, want := range map[string]int{
		"/v1/jobs?state=running&state=failed":                                                                      3,
		"/v1/jobs?state=running,failed":                                                                            3,
		"/v1/jobs?state=running&state=queued,failed":                                                               5,
		"/v1/jobs?model=testcard&model=sora-2":                                                                     2,
		"/v1/jobs?api=openai&api=minimax-v2":                                                                       3,
		"/v2/query/video_generation?filter.status=failed":                                                          1,
		"/v2/query/video_generation?filter.status=failed,queued":                                                   2,
		"/v2/query/video_generation?filter.status=failed&filter.status=queued":                                     2,
		"/v2/query/video_generation?filter.model=reel&filter.model=MiniMax-H3":                                     2,
		"/v2/query/video_generation?filter.task_type=generation,regeneration":                                      2,
		"/v2/query/video_generation?filter.task_type=h3_context_ir":                                                0,
		"/v2/query/video_generation?GroupId=1":                                                                     2,
		fmt.Sprint("/v2/query/video_generation?filter.task_ids=", f.Order()[3], "&filter.task_ids=", f.Order()[4]): 2,
	} {
		_, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", url, "", "")
		list, ok := got["data"].([]any)
		if !ok {
			list, ok = got["items"].([]any)
		}
		if !ok || len(list) != want {
			t.Errorf("%s: %d entries, want %d: %s", url, len(list), want, raw)
		}
	}
	for url, param := range map[string]string{
		"/v1/jobs?limit=1&limit=2":                                                               "limit",
		"/v1/jobs?since=2026-01-01T00:00:00Z&since=2027-01-01T00:00:00Z":                         "since",
		"/v1/jobs?kind=video&kind=image":                                                         "kind",
		"/v1/jobs?order=asc&order=desc":                                                          "order",
		"/v1/jobs?state=running&state=done":                                                      "state",
		"/v1/jobs?stat=running":                                                                  "stat",
		"/v1/jobs?limit=1;state=running":                                                         "",
		"/v1/jobs?state=%zz":                                                                     "",
		"/v1/uploads?limit=1&limit=2":                                                            "limit",
		"/v1/videos?limit=1&limit=2":                                                             "limit",
		"/v1/videos?after=" + "video_1" + "&after=video_2":                                       "after",
		"/v1/videos?model=sora-2":                                                                "model",
		"/v1/videos?status=completed":                                                            "status",
		"/v1/videos?limit=1;order=asc":                                                           "",
		fmt.Sprint("/v1/videos/video_", f.Order()[2], "?expand=error"):                           "expand",
		fmt.Sprint("/v1/videos/video_", f.Order()[2], "/content?poster=thumbnail"):               "poster",
		"/v1/query/video_generation?task_id=1&task_id=2":                                         "task_id",
		"/v1/files/list?limit=1&limit=2":                                                         "limit",
		"/v1/files/retrieve?file_id=1&file_id=2":                                                 "file_id",
		"/v2/query/video_generation?page_size=1&page_size=2":                                     "page_size",
		"/v2/query/video_generation?filter.task_type=text_to_video":                              "filter.task_type",
		"/v2/query/video_generation?filter.task_type=generation,dance":                           "filter.task_type",
		"/v2/query/video_generation?filter.status=done":                                          "filter.status",
		"/v2/query/video_generation?filter.state=failed":                                         "filter.state",
		"/v2/query/video_generation?filter.task_ids=x":                                           "filter.task_ids",
		"/v2/query/video_generation?filter.task_ids=5":                                           "filter.task_ids",
		"/v2/query/video_generation?filter.task_ids=" + strings.Repeat("1000000000000001,", 101): "filter.task_ids",
	} {
		resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", url, "", "")
		refused := resp.StatusCode == 400 || strings.Contains(raw, `"status_code":2013`)
		if !refused || got["data"] != nil || got["items"] != nil || !strings.Contains(raw, param) {
			t.Errorf("%s: %d %s", url, resp.StatusCode, raw)
		}
	}
	// Clients that only look whether there is a server.
	if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/models?client_version=1", "", ""); resp.StatusCode != 200 {
		t.Errorf("models: %s", raw)
	}
}
