package lm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kinora-video/kinora/internal/tensor"
)

// chunkRows is how many tokens of a prompt a pass takes at most.
const chunkRows = 256

// A Session is one conversation: the keys and values of its tokens, so that no token
// is computed twice. One goroutine uses it at a time.
type Session struct {
	m      *Model
	caches []*tensor.Cache
	tokens []int32 // that the caches hold
}

// NewSession begins a conversation. Its memory grows with it, see Model.Memory.
func (m *Model) NewSession() *Session {
	s := &Session{m: m}
	m.queue.alone(func(b tensor.Backend) { s.caches = m.decoder.newCaches(b) })
	return s
}

// Close gives the memory back. The session must not be used any more.
func (s *Session) Close() {
	s.m.queue.alone(func(b tensor.Backend) {
		for _, c := range s.caches {
			b.FreeCache(c)
		}
	})
	s.caches, s.tokens = nil, nil
}

// Tokens are those whose keys and values the session holds.
func (s *Session) Tokens() []int32 { return slices.Clone(s.tokens) }

// keep forgets all but the first n tokens.
func (s *Session) keep(n int) {
	s.tokens = s.tokens[:n]
	for _, c := range s.caches {
		c.Len = n
	}
}

// feed computes tokens, and the logits after the last.
func (s *Session) feed(ctx context.Context, ids []int32, logits []float32) error {
	for at := 0; at < len(ids); at += chunkRows {
		part := ids[at:min(at+chunkRows, len(ids))]
		r := run{caches: s.caches, ids: part}
		if at+len(part) == len(ids) {
			r.logits = logits
		}
		if err := s.m.queue.do(ctx, r); err != nil {
			s.keep(len(s.tokens)) // some layers may have seen them
			return err
		}
		s.tokens = append(s.tokens, part...)
	}
	return nil
}

// check refuses a prompt that cannot be answered.
func (s *Session) check(prompt []int32, o Options) error {
	switch {
	case s.caches == nil:
		return errors.New("the session was closed")
	case len(prompt) == 0:
		return errors.New("the prompt has no tokens")
	case len(prompt) >= s.m.context:
		return &ContextError{len(prompt), s.m.context}
	}
	for _, id := range prompt {
		if id < 0 || int(id) >= s.m.decoder.Vocabulary {
			return fmt.Errorf("token %d of the prompt is not among the model's %d", id, s.m.decoder.Vocabulary)
		}
	}
	return o.Check()
}

// Generate answers a prompt, which is the whole conversation. What the session holds
// of its beginning already is not computed again. emit, if not nil, gets the text as
// soon as it is certain. Its error, an error of the mask, or the end of ctx, ends the
// answer: the Result then has what there is, and the session can go on.
//
// The same prompt, options and seed give the same answer in a new session, for any
// number of threads. What a session holds may have been computed in other parts, and
// then numbers may differ in their last digits.
func (s *Session) Generate(ctx context.Context, prompt []int32, o Options, emit func(Piece) error) (Result, error) {
	if err := s.check(prompt, o); err != nil {
		return Result{}, err
	}
	same := 0
	for same < len(prompt)-1 && same < len(s.tokens) && prompt[same] == s.tokens[same] {
		same++
	}
	s.keep(same)
	a := &answer{s: s, o: o, emit: emit, pick: newPicker(s.m.decoder.Vocabulary, o, prompt), text: newText(s.m.about.tokens, o.Stop)}
	a.result = Result{PromptTokens: len(prompt), CachedTokens: same}
	a.limit = s.m.context - len(prompt)
	if o.MaxTokens > 0 {
		a.limit = min(a.limit, o.MaxTokens)
	}
	s.m.queue.work(1)
	defer s.m.queue.work(-1)
	err := a.run(ctx, prompt[same:])
	a.result.Text = a.text.all()
	return a.result, err
}

// answer is an answer in the making.
type answer struct {
	s      *Session
	o      Options
	emit   func(Piece) error
	pick   *picker
	text   *text
	limit  int // tokens
	result Result
}

// run feeds tokens and takes others until the answer ends.
func (a *answer) run(ctx context.Context, next []int32) error {
	began := time.Now()
	var first time.Time
	defer func() {
		if first.IsZero() {
			a.result.PromptTime = time.Since(began)
			return
		}
		a.result.PromptTime, a.result.AnswerTime = first.Sub(began), time.Since(first)
	}()
	for {
		if err := a.s.feed(ctx, next, a.pick.logits); err != nil {
			return err
		}
		id, err := a.take()
		if err != nil {
			return err
		}
		if first.IsZero() {
			first = time.Now()
		}
		a.result.AnswerTokens++
		done, err := a.say(id)
		if done || err != nil {
			return err
		}
		next = []int32{id}
	}
}

// take chooses the next token.
func (a *answer) take() (int32, error) {
	id, err := a.pick.next(a.o.Mask)
	if errors.Is(err, errNotFinite) {
		err = a.s.m.damaged()
	}
	if err == nil && a.o.Mask != nil {
		err = a.o.Mask.Accept(id)
	}
	return id, err
}

// say gives the text of a token out. done says that the answer has ended.
func (a *answer) say(id int32) (done bool, err error) {
	if slices.Contains(a.s.m.about.eos, id) {
		a.result.Reason = Stop
	} else if a.text.add(id) {
		a.result.Reason, a.result.StopString = Stop, a.text.stopped
	} else if a.result.AnswerTokens >= a.limit {
		a.result.Reason = Length
	}
	done = a.result.Reason != ""
	if piece := a.text.take(done); piece != "" && a.emit != nil {
		a.s.m.queue.work(-1)
		err = a.emit(Piece{piece, a.result.AnswerTokens})
		a.s.m.queue.work(1)
	}
	return done, err
}
