package service

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
)

func TestChatWords(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: "",
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"n":1,"stop":null}`: "hi",
		`{"messages":[{"role":"system","content":"be kind"},{"role":"user","name":"ann","content":[{"type":"text","text":"look"},` +
			`{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"input_audio","input_audio":{"data":"BBBB","format":"wav"}}]}]}`: "be kind\nann\nlook",
		`{"messages":[{"content":["one",{"text":"two"},["three"]]}]}`:                                                                      "one\ntwo\nthree",
		`{"messages":[{"content":"good","Content":"twice","content":"again"}],"Messages":[{"content":"hidden"}]}`:                          "good\ntwice\nagain\nhidden",
		`{"messages":[{"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}],"stop":["x","y"]}`:   "f\n{\"a\":1}\nx\ny",
		`{"tools":[{"type":"function","function":{"description":"draws","parameters":{"type":"object"}}}],"messages":[],"role":["a","b"]}`: "draws",
		`{"image_url":["https://a.example/"],"a":{"url":"b"},"c":"d"}`:                                                                     "d",
	} {
		if got, err := chatWords([]byte(body)); err != nil || got != want {
			t.Errorf("%s:\n%q, %v, want %q", body, got, err, want)
		}
	}
	long := strings.Repeat("word ", maxChatWords/10)
	if _, err := chatWords([]byte(`{"messages":[{"content":"` + long + `"}]}`)); err != nil {
		t.Errorf("half of what there may be: %v", err)
	}
	if _, err := chatWords([]byte(`{"a":"` + long + `","b":"` + long + `xxxxxxxxxx"}`)); job.CodeOf(err) != job.TooLarge {
		t.Errorf("more than there may be: %v", err)
	}
	for _, body := range []string{`{"a":`, `{"a" "b"}`, `]`} {
		if _, err := chatWords([]byte(body)); job.CodeOf(err) != job.Invalid {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// FuzzChatWords: whatever JSON there is, no word of its own is missed in a
// message beside it.
func FuzzChatWords(f *testing.F) {
	for _, s := range []string{`{"a":"b"}`, `[1,"x",{"c":[]}]`, `"s"`, `{"content":{"url":{"text":"t"}}}`, `null`, `{"a":{"b":[{"c":"d"}]},"a":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) {
			_, _ = chatWords([]byte(s)) // it ends
			return
		}
		got, err := chatWords([]byte(`{"before":` + s + `,"messages":[{"role":"user","content":"the words"}]}`))
		if err != nil || got != "the words" && !strings.HasSuffix(got, "\nthe words") {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	})
}
