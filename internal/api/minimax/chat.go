package minimax

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/text"
	"github.com/kinora-video/kinora/internal/web"
)

// maxChatAnswer is how much of an answer is read that is not a stream, in bytes.
const maxChatAnswer = 16 << 20

// Fail answers in OpenAI's form, with base_resp beside it.
func (a *chatAPI) Fail(w http.ResponseWriter, r *http.Request, err error) { failBoth(w, r, err) }

// complete has the local language model answer, or passes the request on and the
// answer back.
func (a *chatAPI) complete(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	answerChat(w, r, who, a.service, talk{fail: a.Fail, api: job.OpenAI})
}

// chat does the same in V1's form.
func (a *V1) chat(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	answerChat(w, r, who, a.service, talk{fail: a.Fail, api: job.MiniMaxV1, whole: true})
}

// answerChat answers by the local language model, or by the upstream.
func answerChat(w http.ResponseWriter, r *http.Request, who auth.Principal, b Service, t talk) {
	body, err := readBody(r)
	var v fieldValues
	if err == nil {
		v, err = chatForm.read(body)
	}
	if err == nil && b.TalksHere(v.text("model")) {
		talkHere(w, r, who, b, body, t)
		return
	}
	var up *service.ChatAnswer
	if err == nil {
		up, err = b.Chat(r.Context(), who, service.ChatRequest{Body: body, RequestID: web.RequestID(r.Context())})
	}
	if err != nil {
		t.fail(w, r, err)
		return
	}
	defer up.Body.Close()
	passChat(w, r, up, t.fail)
}

// passChat passes an answer on: a stream as it comes, another with base_resp.
func passChat(w http.ResponseWriter, r *http.Request, up *service.ChatAnswer, fail func(http.ResponseWriter, *http.Request, error)) {
	kind, _, _ := mime.ParseMediaType(up.ContentType)
	if kind == "text/event-stream" {
		traced(w, r)
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(up.Status)
		copyFlushed(w, up.Body)
		return
	}
	data, err := io.ReadAll(io.LimitReader(up.Body, maxChatAnswer+1))
	var answer map[string]json.RawMessage
	if err == nil && len(data) <= maxChatAnswer {
		err = text.JSON(data, &answer)
	}
	if err != nil || answer == nil {
		fail(w, r, &job.Error{Code: job.Unavailable, Message: "the chat model's answer cannot be read: try again later", Err: errors.Join(errors.New("the chat upstream's answer is no JSON object"), err)})
		return
	}
	answer["base_resp"], _ = json.Marshal(success) // of two plain fields
	traced(w, r)
	writeJSON(w, up.Status, answer)
}

// copyFlushed passes each piece on as soon as it is there.
func copyFlushed(w http.ResponseWriter, body io.Reader) {
	flush := http.NewResponseController(w)
	buf := make([]byte, 16<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil || flush.Flush() != nil {
				return // who asked has gone
			}
		}
		if err != nil {
			return
		}
	}
}
