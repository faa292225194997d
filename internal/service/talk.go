package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
)

// Talker is a language model of this machine: a *kinora.ChatModel.
type Talker interface {
	Info() kinora.ChatInfo
	Count(ctx context.Context, r kinora.ChatRequest) (prompt, most int, err error)
	Answer(ctx context.Context, r kinora.ChatRequest, emit func(kinora.ChatPiece) error) (kinora.ChatAnswer, error)
}

// LocalChat is how the language model of this machine is used. The zero value is a
// server without one.
type LocalChat struct {
	Model Talker
	// Names are those that customers may write beside the model's own, where there is
	// no upstream.
	Names []string
	// Parallel is how many answers the model makes at a time, and Queue how many
	// requests may wait for it.
	Parallel, Queue int
	Timeout         time.Duration // of one answer, with its wait
}

// TalkRequest asks the language model of this machine.
type TalkRequest struct {
	API   job.API
	Model string // as the customer wrote it; "" is the model's own name
	Chat  kinora.ChatRequest
	Body  []byte // the request as it came, whose words are moderated
	// Begin, if it is not nil, is called when nothing more can be refused, before the
	// first piece.
	Begin func(model string) error
	// Emit, if it is not nil, gets the answer as it comes.
	Emit func(kinora.ChatPiece) error
}

// TalkAnswer is an answer.
type TalkAnswer struct {
	kinora.ChatAnswer
	Model string // as the customer wrote it
}

// ChatOffer is a public name of the language model of this machine.
type ChatOffer struct {
	Name    string
	Info    kinora.ChatInfo
	Created time.Time
}

// ChatOffers are the public names of the language model, its own one first; none
// where there is no such model.
func (s *Service) ChatOffers() []ChatOffer {
	if s.Talk.Model == nil {
		return nil
	}
	info := s.Talk.Model.Info()
	names := []string{info.Name}
	if s.Chatter == nil {
		names = append(names, s.Talk.Names...)
	}
	var out []ChatOffer
	for _, name := range names {
		if !slices.ContainsFunc(out, func(o ChatOffer) bool { return o.Name == name }) {
			out = append(out, ChatOffer{Name: name, Info: info, Created: offersSince})
		}
	}
	return out
}

// TalksHere says whether a request that names a model is answered by this machine:
// where there is no upstream, or the request names the local model.
func (s *Service) TalksHere(model string) bool {
	return s.Talk.Model != nil && (s.Chatter == nil || model == s.Talk.Model.Info().Name)
}

// Answer has the language model of this machine answer. All that the request says is
// held against moderation first; what the model answers is not looked at. The answer
// is charged by its tokens, also where who asked has gone before its end: then for
// those that there are. One that fails costs nothing.
func (s *Service) Answer(ctx context.Context, who auth.Principal, t TalkRequest) (TalkAnswer, error) {
	out := TalkAnswer{Model: cmp.Or(t.Model, s.Talk.Model.Info().Name)}
	if err := s.knowsTalker(out.Model); err != nil {
		return out, err
	}
	if err := s.moderateChat(ctx, who, t.Body); err != nil {
		return out, err
	}
	prompt, most, err := s.Talk.Model.Count(ctx, t.Chat)
	if err != nil {
		return out, talkError(err)
	}
	leave, err := s.talks.enter(who.Project.ID, s.Talk.Parallel, s.Talk.Queue)
	if err != nil {
		return out, err
	}
	defer leave()
	hold, err := s.Meter.HoldChat(ctx, meter.Chat{Project: who.Project.ID, Key: who.Key.ID, Model: out.Model, API: t.API, In: prompt, Out: most})
	if err != nil {
		return out, err
	}
	late := context.WithoutCancel(ctx)
	gone := false // who asked
	if t.Begin != nil {
		err = t.Begin(out.Model)
		gone = err != nil
	}
	if err == nil {
		limited, cancel := context.WithTimeout(ctx, s.Talk.Timeout)
		defer cancel()
		t.Chat.Cache = strconv.FormatInt(who.Project.ID, 10)
		out.ChatAnswer, err = s.Talk.Model.Answer(limited, t.Chat, func(p kinora.ChatPiece) error {
			if t.Emit == nil {
				return nil
			}
			failed := t.Emit(p)
			gone = gone || failed != nil
			return failed
		})
		if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = &job.Error{Code: job.Timeout, Message: fmt.Sprintf("the answer took longer than %v: ask for a shorter one (max_tokens)", s.Talk.Timeout), Err: err}
		}
	}
	gone = gone || ctx.Err() != nil
	if err == nil || gone && out.AnswerTokens > 0 {
		return out, errors.Join(talkError(err), hold.SettleChat(late, out.PromptTokens, out.AnswerTokens))
	}
	return out, errors.Join(talkError(err), hold.Refund(late))
}

// knowsTalker refuses a name that nothing stands behind.
func (s *Service) knowsTalker(model string) error {
	var names []string
	for _, o := range s.ChatOffers() {
		if o.Name == model {
			return nil
		}
		names = append(names, o.Name)
	}
	return job.Errorf(job.NotFound, "model", "there is no chat model %.60q: the models are %s", model, strings.Join(names, ", "))
}

// talkError is an error of the language model for the customer.
func talkError(err error) error {
	e, ok := errors.AsType[*kinora.Error](err)
	if !ok || e.Kind != kinora.Invalid {
		return err
	}
	why := fmt.Sprintf("%s: %v", e.What, e.Err)
	if e.Hint != "" {
		why += ": " + e.Hint
	}
	return &job.Error{Code: job.Invalid, Param: strings.ReplaceAll(e.What, " ", "_"), Message: why, Err: e}
}

// talkQueue counts those who are with the language model or wait for it.
type talkQueue struct {
	mu    sync.Mutex
	all   int
	by    map[int64]int // project
	usual time.Duration // that an answer takes
}

// enter takes a place, or says when to come again. No project may have more than half
// of all places.
func (q *talkQueue) enter(project int64, parallel, queue int) (leave func(), err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	places := parallel + queue
	again := min(max(q.usual*time.Duration(q.all)/time.Duration(2*max(parallel, 1)), time.Second), time.Minute)
	switch most := max(1, (places+1)/2); {
	case q.all >= places:
		return nil, &job.Error{Code: job.QueueFull, Message: fmt.Sprintf("the chat model has %d requests already: try again later", q.all), RetryAfter: again}
	case q.by[project] >= most:
		return nil, &job.Error{Code: job.RateLimited, Message: fmt.Sprintf("this project has %d requests with the chat model, and may have no more at a time: wait for an answer", most), RetryAfter: again}
	}
	if q.by == nil {
		q.by = map[int64]int{}
	}
	q.all++
	q.by[project]++
	began := time.Now()
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.all--
		if q.by[project]--; q.by[project] == 0 {
			delete(q.by, project)
		}
		q.usual += (time.Since(began) - q.usual) / 8
	}, nil
}

// Talking is how many requests are with the language model of this machine or wait
// for it.
func (s *Service) Talking() int {
	s.talks.mu.Lock()
	defer s.talks.mu.Unlock()
	return s.talks.all
}
