package native

import (
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
)

// TestChange: a job is marked, found by its marks, and moved; bad changes are refused
// with the field's name.
func TestChange(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	one, two := submitJob(t, s, apitest.KeyOne), submitJob(t, s, apitest.KeyOne)
	resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "PATCH", "/v1/jobs/"+two, apitest.JSON, `{"starred":true,"tags":["b","a"],"before":"`+one+`"}`)
	if resp.StatusCode != 200 || got["starred"] != true || len(got["tags"].([]any)) != 2 || got["queue_position"] != 0.0 {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	theirs := submitJob(t, s, apitest.KeyTwo)
	for query, want := range map[string]int{"starred=true": 1, "tag=a": 1, "tag=c": 0, "q=P": 2, "q=p+x": 0, "starred=false": 2} {
		if _, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/jobs?"+query, "", ""); len(got["data"].([]any)) != want {
			t.Errorf("%s: %s", query, raw)
		}
	}
	for body, param := range map[string]string{
		`{"tags":["` + strings.Repeat("x", 41) + `"]}`: "tags", `{"tags":"a"}`: "tags", `{"before":"` + two + `"}`: "before", `{"before":"` + theirs + `"}`: "before",
		`{"before":"job_1"}`: "before", `{"priority":9}`: "priority", `{"starred":"yes"}`: "starred",
	} {
		if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "PATCH", "/v1/jobs/"+two, apitest.JSON, body); resp.StatusCode < 400 || resp.StatusCode > 499 || got["param"] != param {
			t.Errorf("%s: %d %s", body, resp.StatusCode, raw)
		}
	}
	if resp, _, _ := apitest.Ask(t, s, apitest.KeyTwo, "PATCH", "/v1/jobs/"+two, apitest.JSON, `{"starred":true}`); resp.StatusCode != 404 {
		t.Errorf("another project's: %d", resp.StatusCode)
	}
	if resp, _, _ := apitest.Ask(t, s, apitest.KeyRead, "PATCH", "/v1/jobs/"+two, apitest.JSON, `{"starred":true}`); resp.StatusCode != 403 {
		t.Errorf("without the scope: %d", resp.StatusCode)
	}
}
