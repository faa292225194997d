package minimax

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/service/servicetest"
	"github.com/kinora-video/kinora/internal/store"
)

// talks is a server with a language model of its own.
func talks(t *testing.T) (*apitest.Service, *servicetest.Talker, *client) {
	t.Helper()
	f := apitest.New(t)
	parrot := &servicetest.Talker{Words: []string{"one", " two", " <three>"}, Thought: "hm"}
	servicetest.UseTalker(&f.Talk, parrot)
	return f, parrot, serve(t, f)
}

var talkPaths = []string{"/v1/text/chatcompletion_v2", "/v1/chat/completions"}

// TestTalk: the local model answers in OpenAI's form, with MiniMax's beside it.
func TestTalk(t *testing.T) {
	f, parrot, c := talks(t)
	for _, path := range talkPaths {
		status, a := c.json("POST", path, `{"model":"parrot","messages":[{"role":"developer","content":"be brief"},{"role":"user","name":"ann","content":[{"type":"text","text":"count"},{"type":"text","text":"now"}]}],`+
			`"max_completion_tokens":9,"temperature":0,"top_p":1,"top_k":3,"min_p":0.1,"repetition_penalty":1.1,"seed":7,"stop":"x","n":1,"presence_penalty":0,"tools":[],"stream":false,"user":"u","logprobs":false}`)
		choices, _ := a["choices"].([]any)
		if status != 200 || len(choices) != 1 || a["model"] != "parrot" || a["object"] != "chat.completion" || apitest.At(a, "base_resp", "status_code") != 0.0 {
			t.Fatalf("%s: %d %v", path, status, a)
		}
		if one := choices[0]; apitest.At(one, "message", "content") != "one two <three>" || apitest.At(one, "message", "role") != "assistant" || apitest.At(one, "finish_reason") != "stop" {
			t.Errorf("%s: %v", path, one)
		}
		if u := apitest.JSONText(a["usage"]); u != `{"completion_tokens":3,"prompt_tokens":4,"prompt_tokens_details":{"cached_tokens":0},"total_tokens":7}` {
			t.Errorf("%s: %s", path, u)
		}
		asked := parrot.Asked()
		r := asked[len(asked)-1]
		want := kinora.Decoding{Temperature: 0, TopP: 1, TopK: 3, MinP: 0.1, RepetitionPenalty: 1.1}
		if fmt.Sprint(r.Messages) != "[{system be brief} {user count\nnow}]" || r.Decoding != want || r.MaxTokens != 9 || r.Seed != 7 || fmt.Sprint(r.Stop) != "[x]" || r.Think || r.Cache == "" {
			t.Errorf("%s asked %+v", path, r)
		}
		if _, a := c.json("POST", path, `{"messages":[{"role":"user","content":"count"}],"max_tokens":2}`); apitest.At(a["choices"].([]any)[0], "finish_reason") != "length" || a["model"] != "parrot" {
			t.Errorf("%s, two tokens: %v", path, a)
		}
		if _, a := c.json("POST", path, `{"model":"MiniMax-Text-01","messages":[{"role":"user","content":"count"}],"reasoning_effort":"high"}`); apitest.At(a["choices"].([]any)[0], "message", "reasoning_content") != "hm" || a["model"] != "MiniMax-Text-01" {
			t.Errorf("%s, with a thought: %v", path, a)
		}
		if r := parrot.Asked()[len(parrot.Asked())-1]; r.Decoding != kinora.DefaultDecoding || !r.Think {
			t.Errorf("%s asked %+v", path, r)
		}
	}
	_, sum, err := f.DB.Jobs(t.Context(), store.JobFilter{Limit: 1})
	if err != nil || sum != 0 {
		t.Errorf("%d jobs, %v", sum, err)
	}
}

// TestTalkFormats: what an answer has to be reaches the model, a schema as written.
func TestTalkFormats(t *testing.T) {
	_, parrot, c := talks(t)
	schema := `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}}}`
	for format, want := range map[string]kinora.AnswerFormat{
		`"response_format":{"type":"text"}`:        {},
		`"response_format":{"type":"json_object"}`: kinora.JSONFormat(),
		`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":` + schema + `}}`: kinora.SchemaFormat([]byte(schema)),
		`"grammar":"root ::= \"x\""`: kinora.GrammarFormat(`root ::= "x"`),
	} {
		status, a := c.json("POST", talkPaths[1], `{"messages":[{"role":"user","content":"count"}],`+format+`}`)
		if asked := parrot.Asked(); status != 200 || asked[len(asked)-1].Format != want {
			t.Errorf("%s: %d %v", format, status, a)
		}
	}
}

// events reads the events of a stream.
func events(t *testing.T, data string) (out []string) {
	t.Helper()
	for line := range strings.Lines(data) {
		if line = strings.TrimSpace(line); line != "" {
			event, ok := strings.CutPrefix(line, "data: ")
			if !ok {
				t.Fatalf("the line %q is no event", line)
			}
			out = append(out, event)
		}
	}
	return out
}

// TestTalkStream: pieces come one by one, then how it ended, what it took if that is
// wanted, and in MiniMax's form the whole.
func TestTalkStream(t *testing.T) {
	_, _, c := talks(t)
	for i, path := range talkPaths {
		status, h, data := c.ask("POST", path, "application/json", []byte(`{"messages":[{"role":"user","content":"count"}],"stream":true,"reasoning_effort":"low","stream_options":{"include_usage":true}}`))
		if status != 200 || h.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%s: %d %v %s", path, status, h, data)
		}
		var text, thought, finish string
		whole, usage := 0, 0
		list := events(t, string(data))
		for _, e := range list[:len(list)-1] {
			var p completion
			if err := json.Unmarshal([]byte(e), &p); err != nil || p.ID == "" || p.Created == 0 || p.Model != "parrot" {
				t.Errorf("%s: %s, %v", path, e, err)
			}
			switch {
			case p.Object == "chat.completion":
				whole++
				if *p.Choices[0].Message.Content != "one two <three>" || p.Choices[0].Message.Reasoning != "hm" || p.Base == nil || p.Usage == nil {
					t.Errorf("%s: the whole is %s", path, e)
				}
			case len(p.Choices) == 0:
				usage += p.Usage.Total
			default:
				d := p.Choices[0].Delta
				thought += d.Reasoning
				if d.Content != nil {
					text += *d.Content
				}
				if p.Choices[0].Finish != nil {
					finish += *p.Choices[0].Finish
				}
			}
		}
		if text != "one two <three>" || thought != "hm" || finish != "stop" || usage != 4 || whole != 1-i || list[len(list)-1] != "[DONE]" {
			t.Errorf("%s: %q, %q, %q, %d tokens, %d times the whole: %s", path, text, thought, finish, usage, whole, data)
		}
		if !strings.Contains(list[0], `"delta":{"role":"assistant","content":""}`) || !strings.Contains(list[0], `"finish_reason":null`) {
			t.Errorf("%s begins with %s", path, list[0])
		}
	}
	_, _, data := c.ask("POST", talkPaths[1], "application/json", []byte(`{"messages":[{"role":"user","content":"count"}],"stream":true}`))
	if strings.Contains(string(data), "usage") {
		t.Errorf("usage comes unasked: %s", data)
	}
}

// TestTalkFails: an error before the first piece is an answer of its own, and one
// after it an event.
func TestTalkFails(t *testing.T) {
	_, parrot, c := talks(t)
	parrot.Before = func(_ context.Context, i int) error {
		if i == 1 {
			return servicetest.ErrTalker
		}
		return nil
	}
	for i, path := range talkPaths {
		status, a := c.json("POST", path, `{"messages":[{"role":"user","content":"count"}]}`)
		if status != []int{200, 500}[i] || apitest.At(a, "base_resp", "status_code") != 1013.0 || strings.Contains(apitest.JSONText(a), "damaged") {
			t.Errorf("%s: %d %v", path, status, a)
		}
		_, _, data := c.ask("POST", path, "application/json", []byte(`{"messages":[{"role":"user","content":"count"}],"stream":true}`))
		list := events(t, string(data))
		if last := list[len(list)-1]; !strings.Contains(last, `"error":{"message":`) || !strings.Contains(last, `"status_code":1013`) || strings.Contains(last, "damaged") {
			t.Errorf("%s ends with %s", path, last)
		}
	}
}

// TestTalkRefusals: what the local model cannot do is refused, with its field.
func TestTalkRefusals(t *testing.T) {
	_, parrot, c := talks(t)
	for body, want := range map[string]string{
		`{"messages":[{"role":"user","content":"x"}],"n":2}`:                                                               "n must be",
		`{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]}`:                                       "tools: the local language model calls no functions",
		`{"messages":[{"role":"tool","content":"x"}]}`:                                                                     "messages[0].role must be",
		`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.example"}}]}]}`:          "messages[0].content[0] is of the type",
		`{"messages":[{"role":"user","content":[{"text":"x"}]}]}`:                                                          "messages[0].content[0] must be",
		`{"messages":[{"role":"user","content":7}]}`:                                                                       "messages[0].content must be",
		`{"messages":[{"role":"user","content":"x"}],"temperature":3}`:                                                     "temperature is 3",
		`{"messages":[{"role":"user","content":"x"}],"max_tokens":0}`:                                                      "max_tokens is 0",
		`{"messages":[{"role":"user","content":"x"}],"max_tokens":1,"max_completion_tokens":2}`:                            "mean the same",
		`{"messages":[{"role":"user","content":"x"}],"presence_penalty":1}`:                                                "presence_penalty must be",
		`{"messages":[{"role":"user","content":"x"}],"stop":7}`:                                                            "stop must be",
		`{"messages":[{"role":"user","content":"x"}],"logprobs":true}`:                                                     "logprobs: ",
		`{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"xml"}}`:                                    "response_format.type must be",
		`{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema"}}`:                            "json_schema.schema is missing",
		`{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"},"grammar":"root ::= \"x\""}`: "give one",
		`{"model":"gpt-9","messages":[{"role":"user","content":"x"}]}`:                                                     "the models are parrot, MiniMax-Text-01",
		`{"messages":[{"role":"user","content":"` + strings.Repeat("x ", 200) + `"}]}`:                                     "shorten the conversation",
	} {
		for i, path := range talkPaths {
			for _, stream := range []string{"", `"stream":true,`} {
				status, a := c.json("POST", path, "{"+stream+body[1:])
				refused := status == 200 && i == 0 || (status == 400 || status == 404) && i == 1
				if !refused || apitest.At(a, "base_resp", "status_code") != 2013.0 || !strings.Contains(apitest.JSONText(a), want) {
					t.Errorf("%s %.100s: %d %v, want %s", path, body, status, a, want)
				}
			}
		}
	}
	if n := len(parrot.Asked()); n != 0 {
		t.Errorf("%d requests reached the model", n)
	}
}

// TestTalkUpstream: an upstream answers where there is one, but for requests that name
// the local model.
func TestTalkUpstream(t *testing.T) {
	f, parrot, c := talks(t)
	f.UseChat()
	f.OnChat = func([]byte) (*service.ChatAnswer, error) {
		return apitest.ChatAnswer(200, "application/json", `{"id":"up"}`), nil
	}
	for model, want := range map[string]bool{"": false, "MiniMax-Text-01": false, "gpt-9": false, "parrot": true} {
		_, a := c.json("POST", talkPaths[1], fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"x"}]}`, model))
		if local := a["id"] != "up"; local != want {
			t.Errorf("%q: %v", model, a)
		}
	}
	if n := len(parrot.Asked()); n != 1 {
		t.Errorf("%d requests reached the local model", n)
	}
}

// TestTalkQueue: who finds the queue full is told when to come again, no project takes
// all of it, and who goes makes room.
func TestTalkQueue(t *testing.T) {
	f, parrot, c := talks(t) // 2 at a time, 4 wait: a project may have 3
	began, held := make(chan struct{}, 10), make(chan struct{})
	parrot.Before = func(ctx context.Context, _ int) error {
		began <- struct{}{}
		select {
		case <-held:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	const body = `{"messages":[{"role":"user","content":"x"}],"stream":true}`
	ask := func(ctx context.Context, key string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, "POST", c.base+talkPaths[1], strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		return http.DefaultClient.Do(r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for _, key := range []string{apitest.KeyOne, apitest.KeyOne, apitest.KeyOne, apitest.KeyTwo, apitest.KeyTwo, apitest.KeyTwo} {
		resp, err := ask(ctx, key)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v, %v", resp, err)
		}
		defer resp.Body.Close()
		if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		<-began
		if key == apitest.KeyOne && f.Talking() == 3 {
			more, err := ask(ctx, key)
			if err != nil || more.StatusCode != 429 || more.Header.Get("Retry-After") == "" {
				t.Errorf("a fourth request of a project: %v, %v", more, err)
			}
			more.Body.Close()
		}
	}
	resp, err := ask(ctx, apitest.KeyOne)
	if err != nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a seventh request: %v, %v", resp, err)
	}
	resp.Body.Close()
	cancel() // all go
	for range 500 {
		if f.Talking() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := f.Talking(); n != 0 {
		t.Fatalf("%d requests are with the model, whose clients have gone", n)
	}
	close(held)
	if resp, err = ask(t.Context(), apitest.KeyOne); err != nil || resp.StatusCode != 200 {
		t.Errorf("after all have gone: %v, %v", resp, err)
	}
	resp.Body.Close()
}
