package web

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/text"
)

// Every text of a request is checked here before it is used: path, parameters and
// headers of all requests (checkRequest), forms where they are read (parseForm,
// nextPart), JSON where it is decoded (checkJSON). A text is UTF-8 without NUL.
// Postgres stores no other. SQLite would, and encoding/json silently replaces
// invalid bytes with U+FFFD.

// textHeaders are the headers whose values are stored or compared. Other headers
// may have any value.
var textHeaders = []string{"Idempotency-Key", "Last-Event-Id"}

// CheckText refuses a string that is not UTF-8 or contains NUL. what names the
// string in the message.
func CheckText(param, what, s string) error {
	switch {
	case !utf8.ValidString(s):
		_, err := text.Decode([]byte(s)) // its error names the likely encoding
		return job.Errorf(job.Invalid, param, "%s cannot be read: %v", what, err)
	case strings.ContainsRune(s, 0):
		return job.Errorf(job.Invalid, param, "%s holds a NUL character: remove it", what)
	}
	return nil
}

// checkRequest checks a request's path, parameters and headers.
func checkRequest(r *http.Request) error {
	if err := CheckText("", "the path", r.URL.Path); err != nil {
		return err
	}
	query, err := Parameters(r)
	if err != nil {
		return err
	}
	for name, values := range query {
		if err := CheckText("", "the name of a parameter", name); err != nil {
			return err
		}
		for _, v := range values {
			if err := CheckText(FieldName(name), "the parameter "+FieldName(name), v); err != nil {
				return err
			}
		}
	}
	for _, name := range textHeaders {
		for _, v := range r.Header.Values(name) {
			if err := CheckText(name, "the header "+name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckJSON prepares a request's JSON for a decoder. It refuses invalid strings
// and more than maxValues values, and rewrites whole numbers such as 1.0 as
// integers. Text that is not JSON is left to the decoder.
func CheckJSON(body []byte) ([]byte, error) {
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 { // without a conversion to string, which would copy the body
		return nil, CheckText("", "the body", string(body))
	}
	n := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '[', '{', ',':
			if n++; n > MaxValues {
				return nil, job.Errorf(job.TooLarge, "", "the body's JSON has more than %d values", MaxValues)
			}
		case '"':
			end := i + 1 + stringEnd(body[i+1:])
			if err := checkEscapes(body[i+1 : end]); err != nil {
				return nil, err
			}
			i = end
		}
	}
	return wholeNumbers(body), nil
}

// checkEscapes refuses a JSON string, given without its quotes, whose escapes
// mean NUL or half a character: a character beyond U+FFFF is two consecutive
// escapes, a high and a low surrogate.
func checkEscapes(s []byte) error {
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(s[i:])
		i++ // past the escaped character
		switch {
		case !ok:
			continue
		case unit == 0:
			return job.Errorf(job.Invalid, "", "the body's JSON holds a NUL character, written \\u0000: remove it")
		case utf16.IsSurrogate(unit):
			if low, _ := escapedUnit(s[i+5:]); utf16.DecodeRune(unit, low) == utf8.RuneError {
				return job.Errorf(job.Invalid, "", "the body's JSON holds \\u%04x, which is half a character: the text was cut within one", unit)
			}
			i += 6
		}
	}
	return nil
}

// escapedUnit returns the UTF-16 unit of an escape \uXXXX at the beginning of s.
func escapedUnit(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var unit [2]byte
	if _, err := hex.Decode(unit[:], s[2:6]); err != nil {
		return 0, false
	}
	return rune(binary.BigEndian.Uint16(unit[:])), true
}

// FieldName is a field's name for messages: with dots instead of brackets, and
// shortened.
func FieldName(name string) string {
	name = strings.ReplaceAll(strings.ReplaceAll(name, "[", "."), "]", "")
	return fmt.Sprintf("%.60s", strings.ToValidUTF8(name, "?"))
}
