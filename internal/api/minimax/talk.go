package minimax

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/text"
	"github.com/kinora-video/kinora/internal/web"
)

// Limits of a request to the local language model.
const (
	maxTemperature = 2
	maxTalkTokens  = 1 << 20
	maxTalkStops   = 16
)

// Why something that other chat models do is refused.
const (
	noTools    = "the local language model calls no functions: leave it out"
	noPictures = "the local language model reads text alone: leave it out"
	noLogprobs = "probabilities of tokens are not given: leave it out"
	noStore    = "answers are not kept: leave it out"
)

// talkForm is a request to the local language model. Where it goes to an upstream,
// only what chatForm has is looked at.
var talkForm = fieldRules{
	{name: "model", kind: aString, most: 200},
	{name: "messages", kind: aList, each: anObject, need: true, most: kinora.MaxMessages, fields: []fieldRule{
		{name: "role", kind: aString, need: true, oneOf: []string{"system", "developer", "user", "assistant"}},
		{name: "content", kind: anyValue},
		{name: "name", kind: aString},
		{name: "tool_calls", kind: aList, each: anObject, refuse: noTools},
		{name: "audio", kind: anObject, refuse: noPictures},
	}},
	{name: "stream", kind: aBool},
	{name: "stream_options", kind: anObject, fields: []fieldRule{{name: "include_usage", kind: aBool}}},
	{name: "max_tokens", kind: aWholeNumber, from: 1, to: maxTalkTokens},
	{name: "max_completion_tokens", kind: aWholeNumber, from: 1, to: maxTalkTokens},
	{name: "temperature", kind: aNumber, from: 0, to: maxTemperature},
	{name: "top_p", kind: aNumber, from: 0, to: 1},
	{name: "top_k", kind: aWholeNumber, from: 0, to: maxTalkTokens},
	{name: "min_p", kind: aNumber, from: 0, to: 1},
	{name: "repetition_penalty", kind: aNumber, from: 0.01, to: 100},
	{name: "seed", kind: aWholeNumber},
	{name: "stop", kind: anyValue},
	{name: "response_format", kind: anObject, fields: []fieldRule{
		{name: "type", kind: aString, need: true, oneOf: []string{"text", "json_object", "json_schema"}},
		{name: "json_schema", kind: anObject, fields: []fieldRule{
			{name: "name", kind: aString},
			{name: "schema", kind: anObject},
			{name: "strict", kind: aBool},
		}},
	}},
	{name: "grammar", kind: aString},
	{name: "n", kind: aWholeNumber, oneOf: []string{"1"}},
	{name: "reasoning_effort", kind: aString, oneOf: []string{"none", "minimal", "low", "medium", "high", "xhigh"}},
	{name: "presence_penalty", kind: aNumber, oneOf: []string{"0", "0.0"}},
	{name: "frequency_penalty", kind: aNumber, oneOf: []string{"0", "0.0"}},
	{name: "tools", kind: aList, each: anObject, refuse: noTools},
	{name: "functions", kind: aList, each: anObject, refuse: noTools},
	{name: "logprobs", kind: aBool, refuse: noLogprobs},
	{name: "logit_bias", kind: anObject, refuse: "tokens cannot be favoured: leave it out"},
	{name: "store", kind: aBool, refuse: noStore},
}

// talkOf is what a request asks the language model.
func talkOf(v fieldValues, body []byte) (r kinora.ChatRequest, err error) {
	for i, m := range v.objects("messages") {
		at := fmt.Sprintf("messages[%d].content", i)
		text, err := contentText(at, m["content"])
		if err != nil {
			return r, err
		}
		role := kinora.Role(m.text("role"))
		if role == "developer" {
			role = kinora.System
		}
		r.Messages = append(r.Messages, kinora.Message{Role: role, Text: text})
	}
	r.Decoding = kinora.DefaultDecoding
	r.Decoding.Temperature = v.number("temperature", r.Decoding.Temperature)
	r.Decoding.TopP = v.number("top_p", r.Decoding.TopP)
	r.Decoding.TopK = int(v.whole("top_k", int64(r.Decoding.TopK)))
	r.Decoding.MinP = v.number("min_p", 0)
	r.Decoding.RepetitionPenalty = v.number("repetition_penalty", 0)
	r.Seed = uint64(v.whole("seed", int64(service.NewSeed())))
	r.MaxTokens = int(v.whole("max_completion_tokens", v.whole("max_tokens", kinora.DefaultAnswerTokens)))
	if both := v.has("max_tokens") && v.has("max_completion_tokens"); both && v.whole("max_tokens", 0) != v.whole("max_completion_tokens", 0) {
		return r, job.Errorf(job.Invalid, "max_tokens", "max_tokens and max_completion_tokens mean the same, and differ: give one")
	}
	switch v.text("reasoning_effort") {
	case "", "none", "minimal":
	default:
		r.Think = true
	}
	if r.Format, err = formatOf(v, body); err != nil {
		return r, err
	}
	r.Stop, err = stopsOf(v["stop"])
	return r, err
}

// formatOf is what an answer has to be. A schema is taken as it is written: its
// properties come in its order.
func formatOf(v fieldValues, body []byte) (f kinora.AnswerFormat, err error) {
	format, gbnf := v.object("response_format"), v.text("grammar")
	switch kind := format.text("type"); {
	case gbnf != "" && kind != "" && kind != "text":
		return f, job.Errorf(job.Invalid, "grammar", "grammar and response_format both say what the answer is: give one")
	case gbnf != "":
		return kinora.GrammarFormat(gbnf), nil
	case kind == "json_object":
		return kinora.JSONFormat(), nil
	case kind == "json_schema":
		var raw struct {
			Format struct {
				JSON struct {
					Schema json.RawMessage `json:"schema"`
				} `json:"json_schema"`
			} `json:"response_format"`
		}
		if err := text.JSON(body, &raw); err != nil || len(raw.Format.JSON.Schema) == 0 {
			return f, job.Errorf(job.Invalid, "response_format.json_schema.schema", "response_format.json_schema.schema is missing: it must be a JSON schema")
		}
		return kinora.SchemaFormat(raw.Format.JSON.Schema), nil
	}
	return f, nil
}

// contentText is the text of a message: a string, or texts in a list of parts.
func contentText(at string, content any) (string, error) {
	switch c := content.(type) {
	case nil:
		return "", nil
	case string:
		return c, nil
	case []any:
		var out []string
		for i, item := range c {
			part, _ := item.(map[string]any)
			text, ok := part["text"].(string)
			if kind, _ := part["type"].(string); kind != "text" || !ok {
				if kind != "" && kind != "text" {
					return "", job.Errorf(job.Unsupported, fmt.Sprintf("%s[%d]", at, i), "%s[%d] is of the type %.40q: %s", at, i, kind, noPictures)
				}
				return "", job.Errorf(job.Invalid, fmt.Sprintf("%s[%d]", at, i), `%s[%d] must be an object with "type": "text" and a text`, at, i)
			}
			out = append(out, text)
		}
		return strings.Join(out, "\n"), nil
	}
	return "", job.Errorf(job.Invalid, at, "%s must be a string or a list of parts, not %s", at, kindOf(content))
}

// stopsOf are the texts at which an answer ends: one, or a list.
func stopsOf(given any) ([]string, error) {
	bad := job.Errorf(job.Invalid, "stop", "stop must be a string, or a list of at most %d", maxTalkStops)
	switch s := given.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{s}, nil
	case []any:
		if len(s) > maxTalkStops {
			return nil, bad
		}
		var out []string
		for _, item := range s {
			text, ok := item.(string)
			if !ok {
				return nil, bad
			}
			out = append(out, text)
		}
		return out, nil
	}
	return nil, bad
}

// talk answers a request by the local language model. whole says that the last event
// of a stream has the whole answer, as MiniMax's own has.
type talk struct {
	w       http.ResponseWriter
	r       *http.Request
	fail    func(http.ResponseWriter, *http.Request, error)
	api     job.API
	whole   bool
	id      string
	created int64
	model   string
	usage   bool // is wanted at the end of a stream
	begun   bool // a stream
}

// talkHere answers a request whose body was read.
func talkHere(w http.ResponseWriter, r *http.Request, who auth.Principal, b Service, body []byte, t talk) {
	v, err := talkForm.read(body)
	var asked kinora.ChatRequest
	if err == nil {
		asked, err = talkOf(v, body)
	}
	if err != nil {
		t.fail(w, r, err)
		return
	}
	t.w, t.r = w, r
	t.id, t.created = "chatcmpl-"+strconv.FormatInt(store.NewID(), 10), time.Now().Unix()
	t.usage = v.object("stream_options").yes("include_usage", false)
	request := service.TalkRequest{API: t.api, Model: v.text("model"), Chat: asked, Body: body}
	if v.yes("stream", false) {
		request.Begin, request.Emit = t.begin, t.piece
	}
	a, err := b.Answer(r.Context(), who, request)
	err = named(err, v)
	if t.begun {
		// The connection may be used again.
		defer func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) }()
	}
	switch {
	case err != nil && t.begun:
		t.broken(err)
	case err != nil:
		t.fail(w, r, err)
	case t.begun:
		t.end(a)
	default:
		t.model = a.Model
		traced(w, r)
		out := t.completion(a)
		out.Base = &success
		writeJSON(w, http.StatusOK, out)
	}
}

// named gives an error about the format the name of its field.
func named(err error, v fieldValues) error {
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e.Param != "format" {
		return err
	}
	out := *e
	if out.Param = "response_format"; v.has("grammar") {
		out.Param = "grammar"
	}
	_, why, _ := strings.Cut(out.Message, ": ")
	out.Message = out.Param + ": " + why
	return &out
}

// completion is OpenAI's object of an answer, or of a piece of one.
type completion struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"` // chat.completion, or chat.completion.chunk
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []talkChoice `json:"choices"`
	Usage   *talkUsage   `json:"usage,omitempty"`
	Base    *baseResp    `json:"base_resp,omitempty"`
}

type talkChoice struct {
	Index    int          `json:"index"`
	Message  *talkMessage `json:"message,omitempty"`
	Delta    *talkMessage `json:"delta,omitempty"` // of a piece
	Logprobs any          `json:"logprobs"`        // null: there are none
	Finish   *string      `json:"finish_reason"`   // stop or length; null before the end
}

type talkMessage struct {
	Role      string  `json:"role,omitempty"`
	Content   *string `json:"content,omitempty"`
	Reasoning string  `json:"reasoning_content,omitempty"` // what the model thought before
}

type talkUsage struct {
	Prompt  int          `json:"prompt_tokens"`
	Answer  int          `json:"completion_tokens"`
	Total   int          `json:"total_tokens"`
	Details talkInDetail `json:"prompt_tokens_details"`
}

type talkInDetail struct {
	Cached int `json:"cached_tokens"`
}

func usageOf(a service.TalkAnswer) *talkUsage {
	return &talkUsage{a.PromptTokens, a.AnswerTokens, a.PromptTokens + a.AnswerTokens, talkInDetail{a.CachedTokens}}
}

// completion is a whole answer.
func (t *talk) completion(a service.TalkAnswer) completion {
	stop := cmp.Or(a.Stop, kinora.StopEnd)
	return completion{
		ID: t.id, Object: "chat.completion", Created: t.created, Model: t.model, Usage: usageOf(a),
		Choices: []talkChoice{{Message: &talkMessage{"assistant", &a.Text, a.Reasoning}, Finish: &stop}},
	}
}

// begin begins a stream.
func (t *talk) begin(model string) error {
	t.model, t.begun = model, true
	traced(t.w, t.r)
	t.w.Header().Set("Content-Type", "text/event-stream")
	t.w.Header().Set("Cache-Control", "no-store")
	t.w.WriteHeader(http.StatusOK)
	empty := ""
	return t.chunk(&talkMessage{Role: "assistant", Content: &empty}, nil)
}

// piece passes a piece on.
func (t *talk) piece(p kinora.ChatPiece) error {
	m := &talkMessage{Reasoning: p.Reasoning}
	if p.Text != "" {
		m.Content = &p.Text
	}
	return t.chunk(m, nil)
}

func (t *talk) chunk(m *talkMessage, finish *string) error {
	return t.event(completion{
		ID: t.id, Object: "chat.completion.chunk", Created: t.created, Model: t.model,
		Choices: []talkChoice{{Delta: m, Finish: finish}},
	})
}

// end ends a stream. What it cannot write any more, nobody waits for.
func (t *talk) end(a service.TalkAnswer) {
	stop := cmp.Or(a.Stop, kinora.StopEnd)
	err := t.chunk(&talkMessage{}, &stop)
	if err == nil && t.usage {
		err = t.event(completion{ID: t.id, Object: "chat.completion.chunk", Created: t.created, Model: t.model, Choices: []talkChoice{}, Usage: usageOf(a)})
	}
	if err == nil && t.whole {
		out := t.completion(a)
		out.Base = &success
		err = t.event(out)
	}
	if err == nil {
		_ = t.write("data: [DONE]\n\n")
	}
}

// broken ends a stream that failed.
func (t *talk) broken(err error) {
	if t.r.Context().Err() != nil {
		return
	}
	e := web.Report(t.r, err)
	var out struct {
		web.OpenAIFailure
		Base baseResp `json:"base_resp"`
	}
	c := web.OpenAICodeOf(e)
	out.Error.Message, out.Error.Type, out.Error.Code = e.Message, c.Kind, c.Code
	out.Base = baseResp{codeFor(t.r, e).number, messageOf(e)}
	_ = t.event(out) // who asked may have gone
}

// talkStall is how long a client may take to read a piece: then the answer ends, as
// others wait for the model.
const talkStall = 30 * time.Second

// event writes one event of the stream.
func (t *talk) event(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.write("data: " + string(data) + "\n\n")
}

func (t *talk) write(s string) error {
	c := http.NewResponseController(t.w)
	_ = c.SetWriteDeadline(time.Now().Add(talkStall)) // a writer of tests has none
	_, err := t.w.Write([]byte(s))
	if err == nil {
		err = c.Flush()
	}
	return err
}
