package lm

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits of Options.
const (
	MaxStops       = 16
	MaxStopBytes   = 512
	MaxTemperature = 100
)

// Options say how an answer is made.
type Options struct {
	// MaxTokens is the most tokens of the answer; 0 is as many as the context holds.
	MaxTokens int
	// Temperature divides the logits; 0 takes the likeliest token.
	Temperature float64
	// TopK keeps the likeliest tokens (Fan 2018), TopP the likeliest ones that
	// together have this probability (Holtzman 2020), MinP those that have this part
	// of the likeliest one's (Nguyen 2024). 0 keeps all, and so does a TopP of 1.
	TopK       int
	TopP, MinP float64
	// RepetitionPenalty makes tokens of prompt and answer less likely: their logits
	// are divided by it if they are positive, and multiplied if not (Keskar 2019). 0
	// and 1 leave them.
	RepetitionPenalty float64
	// Seed decides which tokens are drawn.
	Seed uint64
	// Stop are texts at which the answer ends, before them. They are found wherever
	// tokens begin and end.
	Stop []string
	// Mask, if not nil, says which tokens may come next.
	Mask Mask
}

// A Mask says which tokens may come next. Generate calls Limit before each token,
// and then Accept.
type Mask interface {
	// Limit sets the logits of the tokens that must not come next to -Inf; logits
	// has one for each token of the vocabulary. Tokens that end an answer are
	// tokens like others.
	Limit(logits []float32)
	// Accept is told which token was taken. An error ends Generate.
	Accept(id int32) error
}

// A Checker is a Mask that can tell about one token, and agrees with Limit. Generate
// then asks for the token that it would take, and calls Limit only if that one is
// refused and another has to be found.
type Checker interface {
	Mask
	Allows(id int32) bool
}

// An OptionError says which of the Options is wrong.
type OptionError struct{ Field, Problem string }

func (e *OptionError) Error() string { return e.Field + " " + e.Problem }

// Check returns an *OptionError for what cannot be used.
func (o Options) Check() error {
	for _, f := range []struct {
		name      string
		v, lo, hi float64
	}{
		{"MaxTokens", float64(o.MaxTokens), 0, math.MaxInt32},
		{"Temperature", o.Temperature, 0, MaxTemperature},
		{"TopK", float64(o.TopK), 0, math.MaxInt32},
		{"TopP", o.TopP, 0, 1},
		{"MinP", o.MinP, 0, 1},
		{"RepetitionPenalty", o.RepetitionPenalty, 0, 100},
	} {
		if !(f.v >= f.lo && f.v <= f.hi) {
			return &OptionError{f.name, fmt.Sprintf("is %g, must be %g to %g", f.v, f.lo, f.hi)}
		}
	}
	if len(o.Stop) > MaxStops {
		return &OptionError{"Stop", fmt.Sprintf("has %d texts, at most %d are allowed", len(o.Stop), MaxStops)}
	}
	for _, s := range o.Stop {
		if s == "" || len(s) > MaxStopBytes {
			return &OptionError{"Stop", fmt.Sprintf("has a text of %d bytes, must be 1 to %d", len(s), MaxStopBytes)}
		}
	}
	return nil
}

// A Piece is a part of an answer: whole characters.
type Piece struct {
	Text   string
	Tokens int // of the answer so far
}

// Reason says why an answer ended.
type Reason string

// The reasons.
const (
	Stop   Reason = "stop"   // a token that ends an answer, or a stop text
	Length Reason = "length" // MaxTokens, or the context is full
)

// A Result is an answer and what it took.
type Result struct {
	Text       string // without the stop text
	Reason     Reason // "" if an error ended it
	StopString string // which of Options.Stop ended it
	// PromptTokens are those of the prompt, of which CachedTokens were in the
	// session already. AnswerTokens includes the one that ended the answer.
	PromptTokens, CachedTokens, AnswerTokens int
	// PromptTime is the time until the first token, AnswerTime that from there on.
	PromptTime, AnswerTime time.Duration
}

// A ContextError says that a prompt leaves no room for an answer.
type ContextError struct{ Prompt, Limit int }

func (e *ContextError) Error() string {
	return fmt.Sprintf("the prompt has %d tokens, and prompt and answer together may have %d: shorten the conversation", e.Prompt, e.Limit)
}

// ErrNoToken says that the mask refused every token.
var ErrNoToken = errors.New("the grammar allows no token here")
