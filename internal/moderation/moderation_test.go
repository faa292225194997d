package moderation

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

func newFilter(t *testing.T, words ...string) *Filter {
	t.Helper()
	f, err := New(Options{Words: map[string][]string{"en": words}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLists(t *testing.T) {
	f := newFilter(t, "gore", "severed head", "Café", "血腥", "دم")
	for text, bad := range map[string]bool{
		"a red ball":             false,
		"GORE everywhere":        true,
		"a gorecat":              false,
		"the word is gore.":      true,
		"ｇｏｒｅ":                   true, // full width
		"a severed  -  HEAD":     true,
		"severed and a head":     false,
		"cafe\u0301 at night":    true,
		"a cafe":                 true,
		"一个血腥的场面":                true,
		"一个红色的球":                 false,
		"血 腥":                    true, // with a space inside
		"هناك دَم على الشاطئ":    true, // with a vowel sign
		"هناك دمية على الشاطئ":   false,
		"":                       false,
		"gore":                   true,
		"severed":                false,
		strings.Repeat("a ", 99): false,
	} {
		err := f.Prompt(context.Background(), 1, text)
		if (err != nil) != bad || bad && job.CodeOf(err) != job.PromptUnsafe {
			t.Errorf("%q: %v, want refused %v", text, err, bad)
		}
	}
}

func TestInvisible(t *testing.T) {
	f := newFilter(t)
	for text, bad := range map[string]bool{
		"a cat\u200bon a beach": true, // zero-width space
		"a cat\u202e":           true, // override
		"a \U000e0063at":        true, // tag
		"a cat\x00":             true,
		"\ufeffa cat":           true,
		"a\u200dcat":            true, // a joiner between Latin letters
		"\u200e cat":            true, // a direction mark where there is no direction to mark
		"a cat\nand a dog\t.":   false,
		"می\u200cخواهم":         false, // Persian
		"👩\u200d🚀 flies":        false,
		"قطة \u200f(حمراء)":     false,
		"❤\ufe0f on a beach":    false,
		"a c\ufe0fat":           true,
		"bang\u203c\ufe0f \u2049\ufe0f \u2139\ufe0f \u3030\ufe0f \u303d\ufe0f 1\ufe0f\u20e3 \u00a9\ufe0f": false, // marks, a letter and a digit that are emoji
		"\U0001f9d1\u200d\U0001faef\u200d\U0001f9d1":                                                      false, // of Unicode 17
		"\u203c\ufe0f\ufe0f": true, // a selector of nothing
		"\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f bounces": false, // Scotland's flag
		"\U0001f3f4\U000e0067\U000e0062\U000e007f":                                       true,  // no flag
		"ordinary — with dashes, 中文。":                                                    false,
	} {
		err := f.Prompt(context.Background(), 1, text)
		if (err != nil) != bad || bad && job.CodeOf(err) != job.Invisible {
			t.Errorf("%q: %v, want refused %v", text, err, bad)
		}
	}
}

func TestNewChecksLists(t *testing.T) {
	for _, w := range []string{"", " - ", strings.Repeat("x", MaxWordRunes+1)} {
		if _, err := New(Options{Words: map[string][]string{"en": {w}}}); err == nil {
			t.Errorf("the entry %q is accepted", w)
		}
	}
}

type poster func(ctx context.Context, body []byte) (int, []byte, error)

func (p poster) Post(ctx context.Context, body []byte) (int, []byte, error) { return p(ctx, body) }

func TestWebhook(t *testing.T) {
	var got string
	reply := func(status int, answer string, err error) poster {
		return func(_ context.Context, body []byte) (int, []byte, error) {
			got = string(body)
			return status, []byte(answer), err
		}
	}
	for _, tt := range []struct {
		name string
		to   poster
		open bool
		want job.Code
	}{
		{"yes", reply(200, `{"allow":true}`, nil), false, ""},
		{"no", reply(200, `{"allow":false,"reason":"x"}`, nil), false, job.PromptUnsafe},
		{"yes, after a byte order mark", reply(200, "\ufeff"+`{"allow":true}`, nil), false, ""},
		{"no, though open", reply(200, `{"allow":false}`, nil), true, job.PromptUnsafe},
		{"no answer", reply(0, "", errors.New("refused")), false, job.Unavailable},
		{"no answer, open", reply(0, "", errors.New("refused")), true, ""},
		{"an error", reply(500, `{"allow":true}`, nil), false, job.Unavailable},
		{"nonsense", reply(200, `[]`, nil), false, job.Unavailable},
		{"no word of it", reply(200, `{}`, nil), false, job.Unavailable},
	} {
		f, err := New(Options{Hook: &Webhook{To: tt.to, Open: tt.open}})
		if err != nil {
			t.Fatal(err)
		}
		err = f.Prompt(context.Background(), 7, "a cat")
		if (err == nil) != (tt.want == "") || err != nil && job.CodeOf(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if got != `{"type":"prompt","project":7,"prompt":"a cat"}` {
			t.Errorf("%s: posted %s", tt.name, got)
		}
	}
}

func TestWebhookOutputAndTime(t *testing.T) {
	w := &Webhook{Timeout: time.Millisecond, To: poster(func(ctx context.Context, body []byte) (int, []byte, error) {
		if strings.Contains(string(body), `"stills":["AQI="]`) {
			return 200, []byte(`{"allow":false}`), nil
		}
		<-ctx.Done()
		return 0, nil, ctx.Err()
	})}
	f, err := New(Options{Hook: w})
	if err != nil || !f.Watches() {
		t.Fatal(err, f.Watches())
	}
	if err := f.Output(context.Background(), job.Job{ID: job.MinID}, [][]byte{{1, 2}}); job.CodeOf(err) != job.OutputUnsafe {
		t.Errorf("got %v", err)
	}
	if err := f.Prompt(context.Background(), 1, "slow"); job.CodeOf(err) != job.Unavailable {
		t.Errorf("a slow service: %v", err)
	}
}

func FuzzPrompt(f *testing.F) {
	f.Add("gore", "a severed head \u200d 血腥")
	f.Fuzz(func(t *testing.T, word, text string) {
		filter, err := New(Options{Words: map[string][]string{"en": {word}}})
		if err != nil {
			return
		}
		_ = filter.Prompt(context.Background(), 1, text)
		// A text that is an entry itself is always found.
		if _, hidden := Invisible(word); !hidden && filter.Prompt(context.Background(), 1, word) == nil {
			t.Errorf("%q passes its own list", word)
		}
	})
}
