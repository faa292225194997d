// Package jinja runs the templates of Jinja in which language models say how a
// conversation is written for them (https://jinja.palletsprojects.com, version 3.1,
// with trim_blocks, lstrip_blocks and the additions of Hugging Face's transformers:
// raise_exception, strftime_now, break and continue, {% generation %}).
//
// A template comes with a model's weights and is not trusted: it reaches nothing
// but the values that it is given, and its nesting, its work and what it writes are
// bounded. What the package does not know is refused when the template is read:
// include, import, extends and block, call and filter blocks, loops that call
// themselves, autoescape. Values never change: methods such as append are not there.
//
// The package never reads files, never looks at the environment, and knows nothing of
// models.
package jinja

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a template and of a run of it.
const (
	MaxSource = 1 << 20 // bytes of a template
	MaxOutput = 8 << 20 // bytes that a run writes
	MaxDepth  = 100     // nested blocks, brackets and calls of macros
	// MaxWork bounds a run: each operation counts one, and each 32 bytes of a text
	// that is made count one more. A conversation of a hundred messages takes tens of
	// thousands.
	MaxWork = 1_000_000

	// maxRunDepth bounds nested statements, expressions and calls of a run.
	maxRunDepth = 2000
)

// Template is a template that was read. It never changes, so several goroutines may
// run it.
type Template struct{ body []node }

// Raised is the error of a template that refuses its input, by raise_exception.
type Raised struct{ Message string }

// Error is the template's own words.
func (e *Raised) Error() string { return e.Message }

// errWork, errOutput and errDepth are the limits of a run.
var (
	errWork   = errors.New("the template takes too long")
	errOutput = fmt.Errorf("the template writes more than %d bytes", MaxOutput)
	errDepth  = fmt.Errorf("the template is nested more than %d deep", MaxDepth)
)

// fault carries an error out of the depth of a parser or a run. It never leaves the
// package.
type fault struct{ err error }

// failf ends reading or running a template.
func failf(format string, args ...any) { panic(fault{fmt.Errorf(format, args...)}) }

// catch makes an error of a fault.
func catch(err *error) {
	switch f := recover().(type) {
	case nil:
	case fault:
		*err = f.err
	default:
		panic(f)
	}
}

// Parse reads a template.
func Parse(source string) (t *Template, err error) {
	switch {
	case len(source) > MaxSource:
		return nil, fmt.Errorf("the template has %d bytes, more than %d", len(source), MaxSource)
	case !utf8.ValidString(source):
		return nil, errors.New("the template is not UTF-8")
	}
	defer catch(&err)
	source = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(source)
	p := &parser{tokens: lex(strings.TrimSuffix(source, "\n"))}
	return &Template{body: p.blocks()}, nil
}

// Run writes the template with values by name: nil, bools, strings, int, int64,
// float64, []any, map[string]any, whose keys come in their sorted order, and *Dict.
// now is what strftime_now tells. A refusal of the template's own is a *Raised.
func (t *Template) Run(ctx context.Context, values map[string]any, now time.Time) (out string, err error) {
	defer catch(&err)
	r := &run{ctx: ctx, now: now, work: MaxWork, out: &strings.Builder{}}
	top := &scope{vars: map[string]any{}}
	for name, v := range values {
		top.vars[name] = from(v)
	}
	r.exec(t.body, &scope{vars: map[string]any{}, outer: top})
	return r.out.String(), nil
}

// run is one run of a template.
type run struct {
	ctx   context.Context
	now   time.Time
	out   *strings.Builder
	work  int // that is left
	depth int // of blocks, expressions and calls
}

// spend counts work.
func (r *run) spend(n int) {
	before := r.work
	r.work -= n
	if r.work < 0 {
		panic(fault{errWork})
	}
	if before>>12 != r.work>>12 && r.ctx.Err() != nil {
		panic(fault{r.ctx.Err()})
	}
}

// text counts a text that was made.
func (r *run) text(s string) string {
	r.spend(1 + len(s)/32)
	return s
}

// write adds to the output.
func (r *run) write(s string) {
	if r.out.Len()+len(s) > MaxOutput {
		panic(fault{errOutput})
	}
	r.spend(1 + len(s)/32)
	r.out.WriteString(s)
}

// enter goes one level deeper, and leave comes back.
func (r *run) enter() {
	if r.depth++; r.depth > maxRunDepth {
		panic(fault{errDepth})
	}
}

func (r *run) leave() { r.depth-- }

// scope is the names that a block sees.
type scope struct {
	vars  map[string]any
	outer *scope
}

// find looks a name up.
func (s *scope) find(name string) (any, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}
