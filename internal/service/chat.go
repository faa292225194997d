package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/text"
)

// Limits of chat.
const (
	// maxChatBytes is how much of an answer is read that is looked at here.
	maxChatBytes = 8 << 20
	// maxUpstreamError is how much of an upstream's message is repeated, in
	// characters.
	maxUpstreamError = 300
)

var errNoChat = &job.Error{Code: job.Unsupported, Message: "this server has no chat model: its operator can pull one (kinora pull smollm2), or set upstreams.chat in the configuration"}

// ChatRequest is a request of a customer to the chat model.
type ChatRequest struct {
	Body      []byte // JSON in OpenAI's form, which is passed on
	RequestID string // of the request that it came with
}

// ChatAnswer is the chat model's answer, which is passed on as it comes. Whoever
// gets it closes Body.
type ChatAnswer struct {
	Status      int // below 400
	ContentType string
	Body        io.ReadCloser // may stream
}

// HasChat says whether there is a chat upstream.
func (s *Service) HasChat() bool { return s.Chatter != nil }

// Chat holds all that a request says against moderation, as prompts of videos
// are, and forwards it to the chat upstream. What the model answers is not
// looked at; a refusal of the upstream's is an error.
func (s *Service) Chat(ctx context.Context, who auth.Principal, r ChatRequest) (*ChatAnswer, error) {
	if s.Chatter == nil {
		return nil, errNoChat
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Body, &fields); err != nil || fields == nil {
		return nil, job.Errorf(job.Invalid, "", "the body is no JSON object")
	}
	if err := s.moderateChat(ctx, who, r.Body); err != nil {
		return nil, err
	}
	body := r.Body
	if m := s.ChatModel; m != "" && (fields["model"] == nil || string(fields["model"]) == `""`) {
		fields["model"], _ = json.Marshal(m)
		body, _ = json.Marshal(fields)
	}
	resp, err := s.ask(ctx, s.Chatter, r.RequestID, chatPath, body)
	if err != nil {
		return nil, err
	}
	up := &ChatAnswer{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Body: resp.Body}
	if up.Status >= http.StatusBadRequest {
		defer up.Body.Close()
		return nil, ChatRefusal(up)
	}
	return up, nil
}

// chatPath is where a chat upstream takes requests.
const chatPath = "chat/completions"

func (s *Service) moderateChat(ctx context.Context, who auth.Principal, body []byte) error {
	words, err := chatWords(body)
	if err != nil || words == "" {
		return err
	}
	err = s.moderate(ctx, who, words)
	if told := (*job.Error)(nil); errors.As(err, &told) && told.Param == "prompt" {
		refusal := *told
		refusal.Param = "messages"
		return &refusal
	}
	return err
}

// ChatRefusal is the error that an upstream's refusal is for the customer. Where
// the upstream does not know the server's own key, that is the operator's to
// mend.
func ChatRefusal(up *ChatAnswer) error {
	data, err := io.ReadAll(io.LimitReader(up.Body, maxChatBytes))
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = text.JSON(data, &answer) // whatever else it is has no message
	message := Shorten(answer.Error.Message, maxUpstreamError)
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

// complete asks the chat model to do with a text what an instruction says, and
// returns the words of its answer without space around them; "" where it holds
// none. answered is false where no answer came.
func (s *Service) complete(ctx context.Context, requestID, instruction, words string) (out string, answered bool, err error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	request := map[string]any{"messages": []message{{"system", instruction}, {"user", words}}}
	if s.ChatModel != "" {
		request["model"] = s.ChatModel
	}
	body, err := json.Marshal(request)
	if err != nil {
		return "", false, err
	}
	resp, err := s.ask(ctx, s.Chatter, requestID, chatPath, body)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	data, err := egress.ReadAll(resp.Body, maxChatBytes)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", true, &job.Error{Code: job.Unavailable, Message: "the chat model did not answer: try again later", RetryAfter: 10 * time.Second, Err: errors.Join(fmt.Errorf("the chat upstream answered %d", resp.StatusCode), err)}
	}
	var answer struct {
		Choices []struct {
			Message message `json:"message"`
		} `json:"choices"`
	}
	err = text.JSON(data, &answer)
	if err == nil && len(answer.Choices) == 0 {
		err = errors.New("the chat upstream's answer has no choices")
	}
	if err == nil {
		out = strings.TrimSpace(text.Unmarked(answer.Choices[0].Message.Content))
		if !utf8.ValidString(out) || strings.ContainsRune(out, 0) {
			err = errors.New("the chat upstream's answer is no text")
		}
	}
	if err != nil {
		return "", true, noWords(err)
	}
	return out, true, nil
}

// noWords says that the chat model's answer is of no use.
func noWords(cause error) error {
	return &job.Error{Code: job.Unavailable, Message: "the chat model's answer holds no text: try again later", RetryAfter: 10 * time.Second, Err: cause}
}
