package service_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/moderation"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/service/servicetest"
	"github.com/kinora-video/kinora/internal/store"
)

// parrot is a service whose language model answers with three words, for a project
// that pays in advance and has a dollar.
func parrot(t *testing.T, change func(*service.Options)) (*service.Service, *servicetest.Talker, auth.Principal) {
	t.Helper()
	o := servicetest.Options(t, nil)
	model := &servicetest.Talker{Words: []string{"one", " two", " three"}}
	servicetest.UseTalker(&o.Talk, model)
	dear := meter.Dollars(100_000 * store.Micro) // a million tokens: 0.1 a token
	var err error
	if o.Meter, err = meter.New(o.DB, meter.Config{Prices: map[string]meter.Rates{"parrot": {TokensIn: &dear, TokensOut: &dear}}}); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	p, err := o.Meter.NewProject("payer", "payg")
	if err == nil {
		p, err = o.DB.CreateProject(t.Context(), p)
	}
	if err == nil {
		_, _, err = o.DB.Deposit(t.Context(), p.ID, 1*store.Micro, "first", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return service.New(o), model, auth.Principal{Project: p, Key: store.Key{ID: 5, Project: p.ID}}
}

func count(most int) service.TalkRequest {
	return service.TalkRequest{
		API: job.OpenAI, Body: []byte(`{"messages":[{"content":"please count"}]}`),
		Chat: kinora.ChatRequest{Messages: []kinora.Message{{Role: kinora.User, Text: "please count"}}, MaxTokens: most},
	}
}

// charges are what the project was charged for, as a report has it.
func charges(t *testing.T, s *service.Service) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Meter.Export(t.Context(), &b, meter.CSV, store.UsageFilter{}); err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if c := strings.Split(line, ","); i > 0 {
			out = append(out, strings.Join(append(c[6:8], c[10:]...), " "))
		}
	}
	return strings.Join(out, "; ")
}

// TestTalkIsMetered: an answer is reserved for at its longest, and charged by its
// tokens.
func TestTalkIsMetered(t *testing.T) {
	s, _, who := parrot(t, nil)
	held := int64(0)
	r := count(8) // 2 tokens in, at most 8 out
	r.Begin = func(model string) error {
		u, err := s.Usage(t.Context(), who)
		held = u.Held
		if model != "parrot" {
			t.Errorf("the model is %q", model)
		}
		return err
	}
	a, err := s.Answer(t.Context(), who, r)
	if err != nil || a.Text != "one two three" || a.Model != "parrot" || held != 1*store.Micro {
		t.Errorf("%+v, %v; %d were held", a, err, held)
	}
	if got := charges(t, s); got != "chat parrot 5 0.50 succeeded 0.50" {
		t.Errorf("charged %q", got)
	}
	if _, err := s.Answer(t.Context(), who, count(4)); job.CodeOf(err) != job.Balance {
		t.Errorf("with half of the money: %v", err)
	}
	if a, err := s.Answer(t.Context(), who, count(2)); err != nil || a.Stop != kinora.StopLength {
		t.Errorf("%+v, %v", a, err)
	}
	if u, err := s.Usage(t.Context(), who); err != nil || u.Balance != 100_000 || u.Held != 0 {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestTalkThatFails: what fails costs nothing, and who goes pays for what there was.
func TestTalkThatFails(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fails   func(cancel func()) error // before the second word
		charged string
		code    job.Code
	}{
		{"a fault", func(func()) error { return servicetest.ErrTalker }, "chat parrot 10 1.00 failed 0.00", job.Internal},
		{"who asked has gone", func(cancel func()) error { cancel(); return context.Canceled }, "chat parrot 3 0.30 succeeded 0.30", job.Internal},
	} {
		s, model, who := parrot(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		model.Before = func(_ context.Context, i int) error {
			if i == 1 {
				return tt.fails(cancel)
			}
			return nil
		}
		_, err := s.Answer(ctx, who, count(8))
		cancel()
		if got := charges(t, s); err == nil || job.CodeOf(err) != tt.code || got != tt.charged {
			t.Errorf("%s: %v (%v), charged %q", tt.name, err, job.CodeOf(err), got)
		}
		if n := s.Talking(); n != 0 {
			t.Errorf("%s: %d requests are with the model", tt.name, n)
		}
	}
	s, _, who := parrot(t, nil)
	r, mine := count(8), errors.New("the connection is closed")
	r.Emit = func(kinora.ChatPiece) error { return mine }
	if _, err := s.Answer(t.Context(), who, r); !errors.Is(err, mine) || charges(t, s) != "chat parrot 3 0.30 succeeded 0.30" {
		t.Errorf("%v, charged %q", err, charges(t, s))
	}
	r = count(2)
	r.Begin = func(string) error { return mine }
	if _, err := s.Answer(t.Context(), who, r); !errors.Is(err, mine) || !strings.HasSuffix(charges(t, s), "failed 0.00") {
		t.Errorf("%v, charged %q", err, charges(t, s))
	}
}

// TestTalkTakesTooLong: an answer ends with its time.
func TestTalkTakesTooLong(t *testing.T) {
	s, model, who := parrot(t, func(o *service.Options) { o.Talk.Timeout = 20 * time.Millisecond })
	model.Before = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
	if _, err := s.Answer(t.Context(), who, count(8)); job.CodeOf(err) != job.Timeout || !strings.Contains(err.Error(), "longer than 20ms") {
		t.Errorf("%v", err)
	}
}

// TestTalkIsModerated: what the word lists refuse never reaches the model, and costs
// nothing.
func TestTalkIsModerated(t *testing.T) {
	s, model, who := parrot(t, func(o *service.Options) {
		var err error
		if o.Filter, err = moderation.New(moderation.Options{Words: map[string][]string{"en": {"gore"}}}); err != nil {
			t.Fatal(err)
		}
	})
	r := count(8)
	r.Body = []byte(`{"messages":[{"role":"user","content":"about GORE"}]}`)
	_, err := s.Answer(t.Context(), who, r)
	if e := job.AsError(err); e.Code != job.PromptUnsafe || e.Param != "messages" || len(model.Asked()) != 0 || charges(t, s) != "" {
		t.Errorf("%v, asked %d times, charged %q", err, len(model.Asked()), charges(t, s))
	}
}
