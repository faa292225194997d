package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// MaxWhole is the bound up to which every JSON parser keeps whole numbers exact.
const MaxWhole = 1 << 53

// wholeNumbers rewrites 1.0 and 1e3 as 1 and 1000. They are the same JSON
// numbers, and some programs write each number with a fraction, but Go's decoder
// accepts neither as an integer. body itself is not changed. Positions stay the
// same unless a number grows. Text that is not JSON is left to the decoder: it
// may hold millions of numbers, and checkJSON counts none.
func wholeNumbers(body []byte) []byte {
	var out []byte
	done := 0 // the bytes of body that are in out
	valid := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			i += stringEnd(body[i+1:]) + 1
		case c == '-' || c >= '0' && c <= '9':
			at := i
			i += len(body[at:]) - len(bytes.TrimLeft(body[at:], "+-.0123456789eE")) - 1
			number := body[at : i+1]
			if !bytes.ContainsAny(number, ".eE") {
				continue
			}
			if !valid && !json.Valid(body) {
				return body
			}
			valid = true
			if whole, ok := WholeNumber(number); ok {
				out = append(append(out, body[done:at]...), whole...)
				for k := len(whole); k < len(number); k++ {
					out = append(out, ' ')
				}
				done = i + 1
			}
		}
	}
	if done == 0 {
		return body
	}
	return append(out, body[done:]...)
}

// maxNumber is the length in bytes of the longest number that wholeNumber parses.
// Longer ones are left to the decoder.
const maxNumber = 400

// WholeNumber writes a JSON number whose value is whole but which has a fraction
// or an exponent, such as 1.0 or 1e3, with digits only. For any other text it
// returns false.
func WholeNumber(text []byte) (string, bool) {
	if len(text) > maxNumber || !bytes.ContainsAny(text, ".eE") || !json.Valid(text) {
		return "", false
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || n != math.Trunc(n) || math.Abs(n) >= MaxWhole {
		return "", false
	}
	return strconv.FormatInt(int64(n), 10), true
}

// PlainJSON rewords an error of the JSON decoder without names of Go types. It
// does not repeat the values that were sent.
func PlainJSON(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("the body is no JSON at byte %d", syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the body's JSON ends early")
	case errors.As(err, &kind) && kind.Field == "":
		return errors.New("the body has a number that is out of range")
	case errors.As(err, &kind):
		return fmt.Errorf("the body's field %s may not hold such a value", kind.Field)
	}
	return err
}
