package kinora

import (
	"strings"

	"github.com/kinora-video/kinora/internal/model/lm"
)

// What models write around their thoughts.
const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// thoughts parts an answer that comes in pieces from what the model thought before.
type thoughts struct {
	emit   func(ChatPiece) error
	failed error // of emit

	state           thinking
	held            string // of the text, not yet given
	text, reasoning strings.Builder
}

// thinking is where an answer is.
type thinking int

const (
	before  thinking = iota // it may begin with a thought
	inside                  // a thought
	between                 // white space behind a thought
	behind                  // the answer itself
)

// newThoughts begins an answer to a prompt, whose end may have opened a thought.
func newThoughts(prompt string, emit func(ChatPiece) error) *thoughts {
	t := &thoughts{emit: emit}
	if strings.HasSuffix(strings.TrimRight(prompt, "\n "), thinkOpen) {
		t.state = inside
	}
	return t
}

// add takes the next piece.
func (t *thoughts) add(p lm.Piece) error {
	t.held += p.Text
	return t.step(false)
}

// end takes what is held as it is: nothing more comes.
func (t *thoughts) end() error { return t.step(true) }

// step gives what is certain.
func (t *thoughts) step(end bool) error {
	for {
		switch t.state {
		case before:
			rest := strings.TrimLeft(t.held, "\n ")
			switch {
			case strings.HasPrefix(rest, thinkOpen):
				t.held, t.state = rest[len(thinkOpen):], inside
			case !end && strings.HasPrefix(thinkOpen, rest):
				return nil // it may become a thought
			default:
				t.state = behind
			}
		case inside:
			i := strings.Index(t.held, thinkClose)
			if i < 0 {
				n := len(t.held)
				if !end {
					n -= overlap(t.held, thinkClose)
				}
				return t.give(n, true)
			}
			if err := t.give(i, true); err != nil {
				return err
			}
			t.held, t.state = t.held[len(thinkClose):], between
		case between:
			t.held = strings.TrimLeft(t.held, "\n ")
			if t.held == "" {
				return nil
			}
			t.state = behind
		case behind:
			return t.give(len(t.held), false)
		}
	}
}

// overlap is how much of the end of a text may be the beginning of a word.
func overlap(text, word string) int {
	for n := min(len(word)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, word[:n]) {
			return n
		}
	}
	return 0
}

// give passes the first n bytes of what is held on.
func (t *thoughts) give(n int, thought bool) error {
	if n == 0 {
		return nil
	}
	piece := ChatPiece{Text: t.held[:n]}
	if thought {
		piece = ChatPiece{Reasoning: t.held[:n]}
	}
	t.held = t.held[n:]
	t.text.WriteString(piece.Text)
	t.reasoning.WriteString(piece.Reasoning)
	if t.emit != nil {
		t.failed = t.emit(piece)
	}
	return t.failed
}
