package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/text"
)

const (
	// maxChatAnswer is how much of an answer is read that is not a stream.
	maxChatAnswer = 16 << 20
	// maxUpstreamError is how much of an upstream's message is repeated, in
	// characters.
	maxUpstreamError = 300
)

// Fail answers in OpenAI's form, with base_resp beside it.
func (a *minimaxChat) Fail(w http.ResponseWriter, r *http.Request, err error) { failBoth(w, r, err) }

// complete passes a request on, and the answer back.
func (a *minimaxChat) complete(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	forwardChat(w, r, who, a.b, a.Fail)
}

// chat does the same in V1's form.
func (a *minimaxV1) chat(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	forwardChat(w, r, who, a.b, a.Fail)
}

func forwardChat(w http.ResponseWriter, r *http.Request, who auth.Principal, b Backend, fail func(http.ResponseWriter, *http.Request, error)) {
	up, err := askChat(r, b, who)
	if err != nil {
		fail(w, r, err)
		return
	}
	defer up.Body.Close()
	if up.Status >= http.StatusBadRequest {
		fail(w, r, chatRefusal(up))
		return
	}
	passChat(w, r, up, fail)
}

func askChat(r *http.Request, b Backend, who auth.Principal) (*Upstream, error) {
	body, err := mmBody(r)
	if err != nil {
		return nil, err
	}
	if _, err := chatForm.read(body); err != nil {
		return nil, err
	}
	if b.HasChat() {
		if err := moderateChat(r.Context(), b, who, body); err != nil {
			return nil, err
		}
	}
	return b.Chat(r.Context(), who, body)
}

// moderateChat holds all that a request says against moderation, as prompts of
// videos are. What the model answers is not looked at.
func moderateChat(ctx context.Context, b Backend, who auth.Principal, body []byte) error {
	words, err := chatWords(body)
	if err != nil || words == "" {
		return err
	}
	err = b.Moderate(ctx, who, words)
	if told := (*job.Error)(nil); errors.As(err, &told) && told.Param == "prompt" {
		refusal := *told
		refusal.Param = "messages"
		return &refusal
	}
	return err
}

// chatRefusal is the error that an upstream's refusal is for the customer. Where
// the upstream does not know the server's own key, that is the operator's to
// mend.
func chatRefusal(up *Upstream) error {
	data, err := io.ReadAll(io.LimitReader(up.Body, maxChatAnswer))
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = text.JSON(data, &answer) // whatever else it is has no message
	message := shorten(answer.Error.Message, maxUpstreamError)
	cause := errors.Join(fmt.Errorf("the chat upstream answered %d: %s", up.Status, message), err)
	switch {
	case up.Status == http.StatusTooManyRequests:
		return &job.Error{Code: job.RateLimited, Message: "the chat model has too much to do: try again later", Err: cause}
	case up.Status == http.StatusUnauthorized, up.Status == http.StatusForbidden, up.Status >= http.StatusInternalServerError:
		return &job.Error{Code: job.Unavailable, Message: "the chat model is not available: try again later", Err: cause}
	case message == "":
		message = fmt.Sprintf("it answered with the status %d", up.Status)
	}
	return &job.Error{Code: job.Invalid, Message: "the chat model refused the request: " + message, Err: cause}
}

// passChat passes an answer on: a stream as it comes, another with base_resp.
func passChat(w http.ResponseWriter, r *http.Request, up *Upstream, fail func(http.ResponseWriter, *http.Request, error)) {
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
	answer["base_resp"], _ = json.Marshal(mmOK) // of two plain fields
	traced(w, r)
	mmWrite(w, up.Status, answer)
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
