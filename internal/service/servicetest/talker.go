package servicetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/service"
)

// Talker stands for a language model: it answers with the words that it is given, a
// token each, and counts the words of a conversation.
type Talker struct {
	Words   []string // each with the space before it
	Thought string   // that comes first, where the request lets it think
	Context int      // 0 is 100
	// Before, if it is not nil, is called before each word: it may wait.
	Before func(ctx context.Context, i int) error

	mu    sync.Mutex
	asked []kinora.ChatRequest
}

// Asked are the requests that it answered or answers.
func (t *Talker) Asked() []kinora.ChatRequest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]kinora.ChatRequest(nil), t.asked...)
}

// Info says what it is.
func (t *Talker) Info() kinora.ChatInfo {
	return kinora.ChatInfo{Name: "parrot", Architecture: "llama", Parameters: 1000, Context: t.context(), Thinks: true}
}

func (t *Talker) context() int {
	if t.Context == 0 {
		return 100
	}
	return t.Context
}

// Count counts words.
func (t *Talker) Count(_ context.Context, r kinora.ChatRequest) (prompt, most int, err error) {
	for _, m := range r.Messages {
		prompt += len(strings.Fields(m.Text))
	}
	most = t.context() - prompt
	if most < 1 {
		return 0, 0, &kinora.Error{Kind: kinora.Invalid, Op: "request", What: "messages", Err: fmt.Errorf("they are %d tokens", prompt), Hint: "shorten the conversation"}
	}
	if r.MaxTokens > 0 {
		most = min(most, r.MaxTokens)
	}
	return prompt, most, nil
}

// Answer says the words.
func (t *Talker) Answer(ctx context.Context, r kinora.ChatRequest, emit func(kinora.ChatPiece) error) (a kinora.ChatAnswer, err error) {
	if emit == nil {
		emit = func(kinora.ChatPiece) error { return nil }
	}
	t.mu.Lock()
	t.asked = append(t.asked, r)
	t.mu.Unlock()
	var most int
	if a.PromptTokens, most, err = t.Count(ctx, r); err != nil {
		return a, err
	}
	a.Stop, a.PromptTime = kinora.StopEnd, time.Millisecond
	if r.Think && t.Thought != "" {
		a.Reasoning = t.Thought
		if err := emit(kinora.ChatPiece{Reasoning: t.Thought}); err != nil {
			return a, err
		}
	}
	for i, word := range t.Words {
		if i == most {
			a.Stop = kinora.StopLength
			break
		}
		if t.Before != nil {
			if err := t.Before(ctx, i); err != nil {
				return a, err
			}
		}
		if err := ctx.Err(); err != nil {
			return a, err
		}
		a.AnswerTokens++
		a.Text += word
		if err := emit(kinora.ChatPiece{Text: word}); err != nil {
			return a, err
		}
	}
	return a, nil
}

// ErrTalker is a fault of a language model, for tests.
var ErrTalker = errors.New("the weights are damaged")

// UseTalker gives a service a language model.
func UseTalker(o *service.LocalChat, t *Talker) {
	*o = service.LocalChat{Model: t, Names: []string{"MiniMax-Text-01"}, Parallel: 2, Queue: 4, Timeout: time.Minute}
}
