package text

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

const (
	head  = 64       // bytes at the start of a stream from which its encoding is told
	piece = 32 << 10 // bytes that are read at once
)

// NewReader is Decode for a stream: it returns r's text as it comes, without
// its byte order mark. If r is not UTF-8 text, reading ends with an *Error.
// Errors of r are returned unchanged.
func NewReader(r io.Reader) io.Reader { return &reader{r: r, line: 1} }

type reader struct {
	r    io.Reader
	room []byte // buffer that buf is a part of
	buf  []byte // bytes read but not returned yet
	good int    // bytes of buf that have been checked
	line int    // line number of buf[good]
	err  error  // the error to return once buf is empty
	seen bool   // the start was checked
}

func (t *reader) Read(p []byte) (int, error) {
	for t.good == 0 && t.err == nil && len(p) > 0 {
		t.fill(min(max(len(p), head), piece))
	}
	n := copy(p, t.buf[:t.good])
	t.buf, t.good = t.buf[n:], t.good-n
	if t.good == 0 && t.err != nil {
		return n, t.err
	}
	return n, nil
}

// fill reads once and checks the bytes: whole characters only, and at the start
// enough of them to recognise a mark.
func (t *reader) fill(n int) {
	at := len(t.buf)
	room := t.room
	if cap(room) < at+n {
		room = make([]byte, at+n)
	}
	room = room[:at+n]
	copy(room, t.buf)
	k, err := t.r.Read(room[at:])
	t.room, t.buf, t.err = room, room[:at+k], err
	if !t.seen {
		if len(t.buf) < head && err == nil {
			return
		}
		t.seen = true
		start := t.buf[:min(len(t.buf), head)]
		if _, e := Decode(whole(start)); e != nil {
			var not *Error
			if errors.As(e, &not) && not.Line == 0 {
				t.fail(e)
				return
			}
		}
		t.buf = unmark(t.buf)
	}
	ok := t.buf
	if !errors.Is(err, io.EOF) { // the rest of a character may still come, or the reader's error explains why not
		ok = whole(ok)
	}
	rest := ok[t.good:]
	bad := invalid(rest)
	if z := bytes.IndexByte(rest[:bad], 0); z >= 0 {
		t.good += z
		t.fail(&Error{})
		return
	}
	t.line += bytes.Count(rest[:bad], []byte("\n"))
	t.good += bad
	if bad < len(rest) {
		t.fail(&Error{Line: t.line, Byte: rest[bad]})
	}
}

// fail ends the text after the checked bytes.
func (t *reader) fail(err error) { t.buf, t.err = t.buf[:t.good], err }

// whole drops an incomplete character at the end of b.
func whole(b []byte) []byte {
	for i := len(b) - 1; i >= 0 && len(b)-i < utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}
