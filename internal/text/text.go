package text

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"
)

// Mark is the byte order mark, U+FEFF. Windows editors and shells write it at
// the start of UTF-8 files; it is not part of the text.
const Mark = "\ufeff"

// Error says that bytes are not UTF-8 text.
type Error struct {
	Is   string // what they seem to be, such as "UTF-16, little-endian"; "" if unknown
	Line int    // line of the first byte that is not UTF-8, from 1; 0 if the whole is something else
	Byte byte   // that byte
}

// Error says what the bytes are and what to do about it.
func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("it is not UTF-8: line %d holds the byte 0x%02X; it may be Latin-1, Windows-1252, GBK or another older encoding: write it in UTF-8", e.Line, e.Byte)
	}
	if e.Is == "" {
		return "it holds zero bytes, so it is not text: write it in UTF-8"
	}
	return fmt.Sprintf("it is %s, not UTF-8: write it in UTF-8", e.Is)
}

// signatures are the marks of other encodings. Longer ones come first because
// UTF-32's little-endian mark begins with that of UTF-16.
var signatures = []struct{ mark, name string }{
	{"\xff\xfe\x00\x00", "UTF-32, little-endian"},
	{"\x00\x00\xfe\xff", "UTF-32, big-endian"},
	{"\xff\xfe", "UTF-16, little-endian"},
	{"\xfe\xff", "UTF-16, big-endian"},
	{"\x84\x31\x95\x33", "GB18030"},
}

// Decode returns b without its byte order mark. If b is not UTF-8 text, the
// error is an *Error. Zero bytes are refused too, as UTF-16 without a mark is
// full of them. The result shares b's memory.
func Decode(b []byte) ([]byte, error) {
	for _, s := range signatures {
		if bytes.HasPrefix(b, []byte(s.mark)) {
			return nil, &Error{Is: s.name}
		}
	}
	if at := bytes.IndexByte(b, 0); at >= 0 {
		return nil, &Error{Is: zeros(b)}
	}
	if !utf8.Valid(b) {
		at := invalid(b)
		return nil, &Error{Line: 1 + bytes.Count(b[:at], []byte("\n")), Byte: b[at]}
	}
	return unmark(b), nil
}

// unmark removes all marks at the start. There are two if a program added its
// own to a text that had one.
func unmark(b []byte) []byte {
	for bytes.HasPrefix(b, []byte(Mark)) {
		b = b[len(Mark):]
	}
	return b
}

// zeros names the likely encoding of bytes with zeros among them: in UTF-16
// every ASCII character has one, always on the same side.
func zeros(b []byte) string {
	var at [2]int
	for i, c := range b {
		if c == 0 {
			at[i%2]++
		}
	}
	switch {
	case at[0] == 0 && at[1] > len(b)/8:
		return "UTF-16, little-endian"
	case at[1] == 0 && at[0] > len(b)/8:
		return "UTF-16, big-endian"
	}
	return ""
}

// invalid is the index of the first byte that is not UTF-8; len(b) if all bytes
// are.
func invalid(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// Unmarked returns s without byte order marks at its start, for example a
// prompt that a shell or a script took from a file.
func Unmarked(s string) string {
	for strings.HasPrefix(s, Mark) {
		s = s[len(Mark):]
	}
	return s
}

// Read reads a whole text of at most most bytes. Errors do not say where it
// comes from.
func Read(r io.Reader, most int64) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return "", err
	}
	if int64(len(b)) > most {
		return "", fmt.Errorf("it is larger than %d bytes", most)
	}
	b, err = Decode(b)
	return string(b), err
}

// Lines returns the lines of a text that are not blank, without surrounding
// space. A mark at the start of any line is removed too: files that were joined
// have one wherever a file began.
func Lines(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(s) {
			line = strings.TrimSpace(Unmarked(strings.TrimSpace(line)))
			if line != "" && !yield(line) {
				return
			}
		}
	}
}

// JSON decodes JSON that another service sent into v.
func JSON(b []byte, v any) error {
	b, err := Decode(b)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
