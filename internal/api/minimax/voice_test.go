package minimax

import (
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
)

func TestGetVoice(t *testing.T) {
	f := apitest.New(t)
	c := serve(t, f)
	for kind, want := range map[string][2]int{"system": {1, 0}, "voice_cloning": {0, 1}, "voice_generation": {0, 0}, "all": {1, 1}} {
		status, a := c.json("POST", "/v1/get_voice", `{"voice_type":"`+kind+`"}`)
		system, ok1 := a["system_voice"].([]any)
		cloned, ok2 := a["voice_cloning"].([]any)
		generated, ok3 := a["voice_generation"].([]any)
		if status != 200 || !ok1 || !ok2 || !ok3 || len(system) != want[0] || len(cloned) != want[1] || len(generated) != 0 || apitest.At(a, "base_resp", "status_code") != 0.0 {
			t.Errorf("%s: %v", kind, a)
		}
	}
	if _, a := c.json("POST", "/v1/get_voice", `{"voice_type":"new"}`); apitest.At(a, "base_resp", "status_code") != 2013.0 {
		t.Errorf("an unknown kind: %v", a)
	}
	f.OnCall = func(string) error { return &job.Error{Code: job.Unavailable, Message: "install espeak-ng"} }
	if _, a := c.json("POST", "/v1/get_voice", `{"voice_type":"all"}`); apitest.At(a, "base_resp", "status_code") != 1033.0 {
		t.Errorf("without espeak-ng: %v", a)
	}
}
