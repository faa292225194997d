package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonText reads JSON in one pass. Vocabularies have hundreds of thousands of
// strings: encoding/json takes seconds for them; it reads the small parts.
type jsonText struct {
	s string // valid UTF-8
	i int
}

// maxJSONDepth is how deep values may lie in each other; real files reach 6.
const maxJSONDepth = 32

func (j *jsonText) errorf(format string, args ...any) error {
	return fmt.Errorf("token: byte %d of tokenizer.json: "+format, append([]any{j.i}, args...)...)
}

// peek returns the first byte of what comes next, 0 at the end.
func (j *jsonText) peek() byte {
	for ; j.i < len(j.s); j.i++ {
		switch c := j.s[j.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (j *jsonText) take(c byte) error {
	if j.peek() != c {
		return j.errorf("no %q where one has to be", c)
	}
	j.i++
	return nil
}

// list reads what stands between open and end, and calls item before each.
func (j *jsonText) list(open, end byte, item func() error) error {
	if err := j.take(open); err != nil {
		return err
	}
	if j.peek() == end {
		j.i++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if j.peek() == end {
			j.i++
			return nil
		}
		if err := j.take(','); err != nil {
			return err
		}
	}
}

// object calls member for each, which reads its value.
func (j *jsonText) object(member func(name string) error) error {
	return j.list('{', '}', func() error {
		name, err := j.string()
		if err == nil {
			err = j.take(':')
		}
		if err != nil {
			return err
		}
		return member(name)
	})
}

func (j *jsonText) array(item func() error) error { return j.list('[', ']', item) }

// string reads a string; it may share the memory of the file.
func (j *jsonText) string() (string, error) {
	if err := j.take('"'); err != nil {
		return "", err
	}
	from := j.i
	for ; j.i < len(j.s); j.i++ {
		switch c := j.s[j.i]; {
		case c == '"':
			j.i++
			return j.s[from : j.i-1], nil
		case c == '\\':
			return j.escaped(from)
		case c < ' ':
			return "", j.errorf("a control character in a string")
		}
	}
	return "", j.errorf("a string without an end")
}

// escaped reads on in a string that began at from, at its first backslash.
func (j *jsonText) escaped(from int) (string, error) {
	out := []byte(j.s[from:j.i])
	for j.i < len(j.s) {
		c := j.s[j.i]
		j.i++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			return "", j.errorf("a control character in a string")
		case c != '\\':
			out = append(out, c)
			continue
		}
		r, err := j.escape()
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
	}
	return "", j.errorf("a string without an end")
}

// escape reads what follows a backslash.
func (j *jsonText) escape() (rune, error) {
	if j.i >= len(j.s) {
		return 0, j.errorf("a string without an end")
	}
	c := j.s[j.i]
	j.i++
	if c == 'u' {
		r, err := j.hex()
		if err != nil || r < 0xd800 || r > 0xdfff {
			return r, err
		}
		if r < 0xdc00 && strings.HasPrefix(j.s[j.i:], `\u`) {
			j.i += 2
			if low, err := j.hex(); err == nil && low >= 0xdc00 && low <= 0xdfff {
				return 0x10000 + (r-0xd800)<<10 + low - 0xdc00, nil
			}
		}
		return 0, j.errorf("half a surrogate pair")
	}
	if at := strings.IndexByte(`"\/bfnrt`, c); at >= 0 {
		return rune("\"\\/\b\f\n\r\t"[at]), nil
	}
	return 0, j.errorf("an escape that JSON does not have")
}

func (j *jsonText) hex() (rune, error) {
	if len(j.s)-j.i < 4 {
		return 0, j.errorf("a string without an end")
	}
	v, err := strconv.ParseUint(j.s[j.i:j.i+4], 16, 16)
	if err != nil {
		return 0, j.errorf("an escape that JSON does not have")
	}
	j.i += 4
	return rune(v), nil
}

// word reads a number, true, false or null.
func (j *jsonText) word() (string, error) {
	j.peek()
	from := j.i
	for j.i < len(j.s) && strings.IndexByte("+-.0123456789Eaeflnrstu", j.s[j.i]) >= 0 {
		j.i++
	}
	if w := j.s[from:j.i]; w != "" && (w == "true" || w == "false" || w == "null" || w[0] == '-' || w[0] >= '0' && w[0] <= '9') {
		return w, nil
	}
	return "", j.errorf("no value where one has to be")
}

// id reads the number of a token.
func (j *jsonText) id() (int32, error) {
	w, err := j.word()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(w, 10, 32)
	if err != nil || n < 0 || n >= MaxTokens {
		return 0, j.errorf("token %.20s is not a number in [0, %d)", w, MaxTokens)
	}
	return int32(n), nil
}

// raw reads a value of any kind and returns its text.
func (j *jsonText) raw() (string, error) {
	j.peek()
	from := j.i
	err := j.skip(maxJSONDepth)
	return j.s[from:j.i], err
}

func (j *jsonText) skip(depth int) error {
	if depth == 0 {
		return j.errorf("values lie more than %d deep in each other", maxJSONDepth)
	}
	var err error
	switch j.peek() {
	case '"':
		_, err = j.string()
	case '{':
		err = j.object(func(string) error { return j.skip(depth - 1) })
	case '[':
		err = j.array(func() error { return j.skip(depth - 1) })
	default:
		_, err = j.word()
	}
	return err
}

// members returns the raw members of an object, of which none may occur twice.
func members(text string) (map[string]string, error) {
	j := &jsonText{s: text}
	all := map[string]string{}
	err := j.object(func(name string) error {
		if _, twice := all[name]; twice {
			return j.errorf("%.40q occurs twice", name)
		}
		var err error
		all[name], err = j.raw()
		return err
	})
	if err == nil && j.peek() != 0 {
		err = j.errorf("something follows the object")
	}
	return all, err
}

// partOf reads a small part of the file into v. What v has no place for is
// refused: it could change the tokens.
func partOf(text string, what string, v any) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			err = errors.New("this build does not know its field " + name)
		}
		return fmt.Errorf("token: %s of tokenizer.json: %w", what, err)
	}
	return nil
}
