package lm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/engine"
)

// prompt are tokens that a tiny model knows.
func prompt(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(3 + (i*i*7+i)%250)
	}
	return ids
}

// generate answers in a new session.
func generate(t testing.TB, m *Model, ids []int32, o Options) Result {
	t.Helper()
	s := m.NewSession()
	defer s.Close()
	r, err := s.Generate(t.Context(), ids, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// noEnd forbids the tokens that end an answer.
type noEnd []int32

func (n noEnd) Limit(logits []float32) {
	for _, id := range n {
		logits[id] = float32(math.Inf(-1))
	}
}
func (noEnd) Accept(int32) error { return nil }

// TestFiles checks what is read beside the weights, from a folder and from GGUF.
func TestFiles(t *testing.T) {
	for _, name := range []string{"llama", "llama.gguf", "qwen3", "qwen3.gguf"} {
		m := tiny(t, name, nil)
		bos, ok := m.BOS()
		if m.ContextLength() != 64 || m.Vocabulary() != 288 || m.Tokenizer().Size() != 283 || !ok || m.Tokenizer().Token(bos) != "<|im_start|>" {
			t.Errorf("%s: %+v, BOS %d %v", name, m.Info(), bos, ok)
		}
		if got := m.EOS(); !slices.Equal(got, []int32{280, 282}) || !strings.Contains(m.ChatTemplate(), "im_start") {
			t.Errorf("%s ends at %v, template %q", name, got, m.ChatTemplate())
		}
		if i := m.Info(); !strings.HasPrefix(name, i.Architecture) || i.Parameters < 70000 || i.Bytes < 70000 || i.Name == "" {
			t.Errorf("%s: %+v", name, i)
		}
		if few, many := m.Memory(10), m.Memory(60); few < 2*2*4*2*16*10 || many <= few-1 {
			t.Errorf("%s: sessions take %d and %d bytes", name, few, many)
		}
	}
}

// TestReuse: a session that goes on, goes back, or begins anew gives what a new one
// gives, and computes no token twice.
func TestReuse(t *testing.T) {
	m := tiny(t, "llama", nil)
	o := Options{MaxTokens: 6, Mask: noEnd(m.EOS())}
	s := m.NewSession()
	defer s.Close()
	first := prompt(20)
	for _, c := range []struct {
		ids    []int32
		cached int
	}{
		{first, 0},
		{first, 19}, // the last token is computed again, for its logits
		{append(slices.Clone(first), 7, 8, 9), 20},
		{first[:10], 9},
		{append(slices.Clone(first[:5]), 100, 101), 5},
		{prompt(40)[20:], 0},
	} {
		r, err := s.Generate(t.Context(), c.ids, o, nil)
		want := generate(t, m, c.ids, o)
		if err != nil || r.CachedTokens != c.cached || r.Text != want.Text || r.PromptTokens != len(c.ids) || r.AnswerTokens != 6 || r.Reason != Length {
			t.Errorf("%d tokens: %+v, %v; alone %+v", len(c.ids), r, err, want)
		}
		if n := len(s.Tokens()); n != len(c.ids)+5 { // the last token was not fed
			t.Errorf("%d tokens: the session holds %d", len(c.ids), n)
		}
	}
}

// TestTogether: sessions that answer at the same time, on a lease, give what each gives
// alone.
func TestTogether(t *testing.T) {
	m := tiny(t, "qwen3.gguf", nil)
	m.queue.lease = engine.NewLease()
	const n = 5
	var want, got [n]Result
	options := func(i int) Options {
		return Options{MaxTokens: 20, Temperature: float64(i), Seed: uint64(i), Mask: noEnd(m.EOS())}
	}
	for i := range n {
		want[i] = generate(t, m, prompt(10 + 6*i)[i:], options(i))
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			s := m.NewSession()
			defer s.Close()
			var err error
			if got[i], err = s.Generate(t.Context(), prompt(10 + 6*i)[i:], options(i), func(Piece) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range n {
		if got[i].Text != want[i].Text || got[i].AnswerTokens != 20 {
			t.Errorf("session %d: %q together, %q alone", i, got[i].Text, want[i].Text)
		}
	}
	if m.queue.active != 0 || len(m.queue.asked) != 0 {
		t.Errorf("%d sessions are at work afterwards, %d requests wait", m.queue.active, len(m.queue.asked))
	}
}

// TestStops: an answer ends before a stop text, wherever its tokens begin, and no piece
// has a part of it.
func TestStops(t *testing.T) {
	m := tiny(t, "llama", nil)
	o := Options{MaxTokens: 40, Temperature: 1, Seed: 3, Mask: noEnd(m.EOS())}
	whole := generate(t, m, prompt(12), o).Text
	if len(whole) < 30 {
		t.Fatalf("an answer of %q", whole)
	}
	s := m.NewSession()
	defer s.Close()
	runes := []rune(whole)
	for at := 1; at < len(runes)-6; at += 3 {
		stop := string(runes[at : at+4])
		before, _, _ := strings.Cut(whole, stop)
		o.Stop = []string{"never to be found", stop}
		var sb strings.Builder
		r, err := s.Generate(t.Context(), prompt(12), o, func(p Piece) error {
			if !utf8.ValidString(p.Text) || p.Text == "" {
				t.Errorf("a piece is %q", p.Text)
			}
			sb.WriteString(p.Text)
			return nil
		})
		if err != nil || r.Reason != Stop || r.StopString != stop || r.Text != before || sb.String() != before {
			t.Errorf("stop %q: %+v, %v; pieces %q, want %q", stop, r, err, sb.String(), before)
		}
	}
}

// TestText feeds tokens of single bytes: characters come whole, and those that were cut
// are left out.
func TestText(t *testing.T) {
	m := tiny(t, "llama", nil)
	x := newText(m.Tokenizer(), []string{"né!"})
	var pieces []string
	for _, b := range []byte("Zoë né\xc3") {
		id, ok := m.Tokenizer().ID(string([]byte{b}))
		if !ok {
			t.Fatalf("no token for byte %x", b)
		}
		if x.add(id) {
			t.Fatal("stopped")
		}
		if p := x.take(false); p != "" {
			pieces = append(pieces, p)
		}
	}
	if p := x.take(true); p != "" {
		pieces = append(pieces, p)
	}
	if want := []string{"Z", "o", "ë", " ", "né"}; !slices.Equal(pieces, want) || x.all() != "Zoë né" {
		t.Errorf("%q, all %q, want %q", pieces, x.all(), want)
	}
}

// TestEnds: the answer ends by the model's token, when the caller has enough, when the
// mask has, and when the context is full; the session can go on.
func TestEnds(t *testing.T) {
	m := tiny(t, "llama", nil)
	s := m.NewSession()
	defer s.Close()
	enough := errors.New("enough")
	o := Options{Mask: noEnd(m.EOS())}

	r, err := s.Generate(t.Context(), prompt(10), Options{Mask: &only{ids: m.EOS()}}, nil)
	if err != nil || r.Reason != Stop || r.Text != "" || r.AnswerTokens != 1 || r.StopString != "" {
		t.Errorf("an end token: %+v, %v", r, err)
	}
	n := 0
	r, err = s.Generate(t.Context(), prompt(10), o, func(Piece) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || r.Reason != "" || r.Text == "" {
		t.Errorf("a caller who has enough: %+v, %v", r, err)
	}
	r, err = s.Generate(t.Context(), prompt(60), o, nil)
	if err != nil || r.Reason != Length || r.AnswerTokens != 4 {
		t.Errorf("a context that is full: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err = s.Generate(ctx, prompt(10), o, func(p Piece) error {
		if p.Tokens >= 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || r.AnswerTokens < 3 || r.AnswerTokens > 5 {
		t.Errorf("a caller who has left: %+v, %v", r, err)
	}
	if r, err = s.Generate(t.Context(), prompt(10), o, nil); err != nil || r.Text != generate(t, m, prompt(10), o).Text {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}

// TestRefuses: what cannot be answered is refused before anything is computed, with its
// reason.
func TestRefuses(t *testing.T) {
	m := tiny(t, "llama", nil)
	s := m.NewSession()
	defer s.Close()
	for name, c := range map[string]struct {
		ids  []int32
		o    Options
		want string
	}{
		"nothing":       {nil, Options{}, "no tokens"},
		"too much":      {prompt(64), Options{}, "the prompt has 64 tokens, and prompt and answer together may have 64"},
		"a strange one": {[]int32{288}, Options{}, "token 288"},
		"a negative":    {[]int32{-1}, Options{}, "token -1"},
		"temperature":   {prompt(3), Options{Temperature: math.NaN()}, "Temperature is NaN"},
		"top p":         {prompt(3), Options{TopP: 1.5}, "TopP is 1.5"},
		"top k":         {prompt(3), Options{TopK: -1}, "TopK is -1"},
		"length":        {prompt(3), Options{MaxTokens: -5}, "MaxTokens is -5"},
		"stops":         {prompt(3), Options{Stop: make([]string, 17)}, "17 texts"},
		"an empty stop": {prompt(3), Options{Stop: []string{""}}, "0 bytes"},
		"no token":      {prompt(3), Options{Mask: &only{}}, ErrNoToken.Error()},
	} {
		r, err := s.Generate(t.Context(), c.ids, c.o, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || r.Text != "" {
			t.Errorf("%s: %v, want one that says %q", name, err, c.want)
		}
	}
	var tooLong *ContextError
	if _, err := s.Generate(t.Context(), prompt(70), Options{}, nil); !errors.As(err, &tooLong) || tooLong.Prompt != 70 || tooLong.Limit != 64 {
		t.Errorf("%v", err)
	}
	s.Close()
	if _, err := s.Generate(t.Context(), prompt(3), Options{}, nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a closed session: %v", err)
	}
	if _, err := Open("testdata/llama", OpenOptions{Context: 65}); err == nil || !strings.Contains(err.Error(), fmt.Sprint(65)) {
		t.Errorf("a context that the model lacks: %v", err)
	}
}
