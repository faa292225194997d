package text

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

const (
	head  = 64       // bytes of a stream that are looked at to tell what it is
	piece = 32 << 10 // bytes of it that are held at a time
)

// NewReader is Decode for a stream: it reads r's text as it comes, without its
// byte order mark. Where r is not UTF-8 text, reading ends with an *Error. Errors
// of r itself are returned as they are.
func NewReader(r io.Reader) io.Reader { return &reader{r: r, line: 1} }

type reader struct {
	r    io.Reader
	room []byte // what buf is a part of
	buf  []byte // read, and not given yet
	good int    // bytes of buf that have been checked
	line int    // of buf[good]
	err  error  // why there is no more, once buf is given
	seen bool   // the start was looked at
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

// fill reads once more and checks what came: whole characters, and at the start
// enough of them to tell a mark.
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
	if !errors.Is(err, io.EOF) { // the rest of a character may come, or the reader's own error says why not
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

// fail ends the text at what was checked.
func (t *reader) fail(err error) { t.buf, t.err = t.buf[:t.good], err }

// whole leaves out the character at the end of b of which only the first bytes
// are there.
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
