package kinora

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kinora-video/kinora/internal/model/lm"
)

// Count is how many tokens a conversation has, and the most that its answer can have.
func (c *ChatModel) Count(ctx context.Context, r ChatRequest) (prompt, most int, err error) {
	if err := c.Check(r); err != nil {
		return 0, 0, err
	}
	ids, _, err := c.tokens(ctx, r)
	if err != nil {
		return 0, 0, err
	}
	most, err = c.room(len(ids), r.MaxTokens)
	return len(ids), most, err
}

// room is how many tokens an answer to so many may have, of which most are wanted.
func (c *ChatModel) room(prompt, most int) (int, error) {
	room := c.context - prompt
	if room < 1 {
		return 0, &Error{
			Kind: Invalid, Op: "request", What: "messages", Err: fmt.Errorf("they are %d tokens, and conversation and answer together may have %d", prompt, c.context),
			Hint: "shorten the conversation",
		}
	}
	if most == 0 {
		return room, nil
	}
	return min(room, most), nil
}

// Answer answers a conversation. emit, if it is not nil, gets the answer as it comes;
// its error ends the answer, and is returned. So does the end of ctx. In both cases
// the answer is what there was.
//
// Errors are *Error, of kind Invalid where the request cannot be met, or the
// context's own, or emit's.
func (c *ChatModel) Answer(ctx context.Context, r ChatRequest, emit func(ChatPiece) error) (ChatAnswer, error) {
	if err := c.Check(r); err != nil {
		return ChatAnswer{}, err
	}
	mask, err := c.mask(r.Format)
	if err != nil {
		return ChatAnswer{}, err
	}
	prompt, text, err := c.tokens(ctx, r)
	if err != nil {
		return ChatAnswer{}, err
	}
	o := r.options(mask.lm())
	if o.MaxTokens, err = c.room(len(prompt), r.MaxTokens); err != nil {
		return ChatAnswer{}, err
	}
	s, err := c.seat(ctx, r.Cache, prompt)
	if err != nil {
		return ChatAnswer{}, err
	}
	defer c.leave(s)
	parts := newThoughts(text, emit)
	got, err := s.s.Generate(ctx, prompt, o, parts.add)
	if err == nil {
		err = parts.end()
	} else {
		err = mask.explain(err)
	}
	a := ChatAnswer{
		Text: parts.text.String(), Reasoning: strings.TrimSpace(parts.reasoning.String()), Stop: string(got.Reason),
		PromptTokens: got.PromptTokens, CachedTokens: got.CachedTokens, AnswerTokens: got.AnswerTokens,
		PromptTime: got.PromptTime, AnswerTime: got.AnswerTime,
	}
	switch {
	case err == nil || parts.failed != nil || ctx.Err() != nil:
		return a, err
	case errors.Is(err, lm.ErrNoToken):
		return a, wrap(Invalid, "answer", c.info.Name, err, "the format asks for a character that the model cannot write")
	}
	return a, wrap(Internal, "answer", c.info.Name, err, "")
}

// Close waits for answers in the making, and gives back the model's memory. Later
// calls fail. A second Close does nothing.
func (c *ChatModel) Close() error {
	var err error
	c.close.Do(func() {
		_ = c.turns.Acquire(context.Background(), int64(c.parallel)) // this context never ends, so Acquire cannot fail
		defer c.turns.Release(int64(c.parallel))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closed = true
		for _, s := range c.sessions {
			s.s.Close()
		}
		c.sessions = nil
		err = wrap(Internal, "close language model", c.info.Name, c.m.Close(), "")
	})
	return err
}

// chatSession is what was computed of a conversation. There are at most as many as
// answers may be made at a time.
type chatSession struct {
	s      *lm.Session
	cache  string  // whose it is
	tokens []int32 // that it holds
	busy   bool
	used   int // when it was last used, counted
}

// seat waits for a turn, and gives the session that has the most of a prompt already
// among those of the same cache; else a new one.
func (c *ChatModel) seat(ctx context.Context, cache string, prompt []int32) (*chatSession, error) {
	if err := c.turns.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.turns.Release(1)
		return nil, &Error{Kind: Invalid, Op: "use language model", What: c.info.Name, Err: errClosed}
	}
	var best *chatSession
	most, clock := 0, 0
	for _, s := range c.sessions {
		clock = max(clock, s.used)
		if s.busy || cache == "" || s.cache != cache {
			continue
		}
		if n := alike(s.tokens, prompt); n > most {
			best, most = s, n
		}
	}
	if best == nil {
		best = c.fresh()
		best.cache = cache
	}
	best.busy, best.used = true, clock+1
	return best, nil
}

// fresh is a new session, in place of the one that was used longest ago if there are
// as many as there may be.
func (c *ChatModel) fresh() *chatSession {
	if len(c.sessions) >= c.parallel {
		oldest := -1
		for i, s := range c.sessions {
			if !s.busy && (oldest < 0 || s.used < c.sessions[oldest].used) {
				oldest = i
			}
		}
		c.sessions[oldest].s.Close() // one is idle, as this caller has a turn
		c.sessions = append(c.sessions[:oldest], c.sessions[oldest+1:]...)
	}
	s := &chatSession{s: c.m.NewSession()}
	c.sessions = append(c.sessions, s)
	return s
}

// leave gives a session and the turn back. What nobody may use again is forgotten.
func (c *ChatModel) leave(s *chatSession) {
	c.mu.Lock()
	s.busy, s.tokens = false, s.s.Tokens()
	if s.cache == "" {
		for i, other := range c.sessions {
			if other == s {
				c.sessions = append(c.sessions[:i], c.sessions[i+1:]...)
				break
			}
		}
		s.s.Close()
	}
	c.mu.Unlock()
	c.turns.Release(1)
}

// alike is how many tokens two prompts begin with alike.
func alike(a, b []int32) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
