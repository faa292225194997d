package kinora

import (
	"context"
	"errors"
	"strings"
)

// Kind says what failed, and so who can mend it.
type Kind uint8

const (
	Internal    Kind = iota // a defect of this program or of a model's weights
	Invalid                 // the request cannot be met as it stands
	NotFound                // no such model or file
	Unsupported             // this build or machine cannot do it
	Storage                 // a file could not be read or written whole
)

var kindNames = [...]string{"internal", "invalid", "not found", "unsupported", "storage"}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Error is what failed, on what, and what to do about it.
type Error struct {
	Kind Kind
	Op   string // what was being done, such as "save"
	What string // to what: a path, a model, a field of the request; may be empty
	Err  error  // why it failed
	Hint string // what to do about it; may be empty
}

// Error returns "op what: why (hint)".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.What != "" {
		b.WriteString(" " + e.What)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first *Error in err's chain, and Internal when
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// wrap makes err an *Error, unless it is one already or is the context's own error,
// which callers expect unchanged.
func wrap(kind Kind, op, what string, err error, hint string) error {
	var e *Error
	if err == nil || errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Kind: kind, Op: op, What: what, Err: err, Hint: hint}
}

func invalid(what, why, hint string) error {
	return &Error{Kind: Invalid, Op: "request", What: what, Err: errors.New(why), Hint: hint}
}
