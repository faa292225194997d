package lm

import (
	"strings"

	"github.com/kinora-video/kinora/internal/token"
)

// text is the text of an answer, as its tokens come.
type text struct {
	decoder *token.Decoder
	stops   []string
	stopped string // the stop text that was found
	sb      strings.Builder
	given   int    // bytes that take has returned
	held    string // text that was not searched to its end, the tail of sb
}

func newText(t *token.Tokenizer, stops []string) *text {
	return &text{decoder: t.NewDecoder(true), stops: stops}
}

// add adds a token. It reports whether the text now ends before a stop text.
func (t *text) add(id int32) bool {
	s := t.decoder.Add(id)
	if s == "" {
		return false
	}
	from := t.sb.Len() - len(t.held)
	t.sb.WriteString(s)
	t.held += s
	found := -1
	for _, stop := range t.stops {
		if at := strings.Index(t.held, stop); at >= 0 && (found < 0 || at < found) {
			found, t.stopped = at, stop
		}
	}
	if found >= 0 {
		whole := t.sb.String()[:from+found]
		t.sb.Reset()
		t.sb.WriteString(whole)
		t.held = ""
		return true
	}
	t.held = t.held[len(t.held)-t.beginning():]
	return false
}

// beginning is the length of the longest end of what is held that a stop text begins
// with.
func (t *text) beginning() int {
	longest := 0
	for _, stop := range t.stops {
		for n := min(len(stop)-1, len(t.held)); n > longest; n-- {
			if strings.HasSuffix(t.held, stop[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// take returns what is certain and was not returned before; at the end all. The rest
// of a character that was cut is left out.
func (t *text) take(end bool) string {
	upTo := t.sb.Len()
	if !end {
		upTo -= len(t.held)
	}
	s := t.sb.String()[t.given:upTo]
	t.given = upTo
	return s
}

// all is the whole text.
func (t *text) all() string { return t.sb.String() }
