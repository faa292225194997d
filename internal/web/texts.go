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

// Every text of a request is checked here, before anything is done with it:
// path, parameters and headers for all requests at once (checkRequest), forms
// where they are read (parseForm, nextPart), JSON where it is decoded
// (checkJSON). A text is UTF-8 without NUL. Postgres stores no other; SQLite
// would, and encoding/json silently replaces invalid bytes with U+FFFD.

// textHeaders are the headers whose values are stored or compared. Other headers
// may hold anything.
var textHeaders = []string{"Idempotency-Key", "Last-Event-Id"}

// CheckText refuses a string that is not UTF-8 or holds NUL. what names the string
// in the message.
func CheckText(param, what, s string) error {
	switch {
	case !utf8.ValidString(s):
		_, err := text.Decode([]byte(s)) // which names what it seems to be
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

// CheckJSON readies the JSON of a request for a decoder: it refuses strings
// that are no text, and more than maxValues values, and writes whole numbers as
// whole numbers. What is no JSON is left to the decoder.
func CheckJSON(body []byte) ([]byte, error) {
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 { // a string of all bodies would be a copy of each
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
// stand for NUL or for half a character: characters beyond U+FFFF are two
// escapes in a row, a high and a low surrogate.
func checkEscapes(s []byte) error {
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(s[i:])
		i++ // past what is escaped
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

// escapedUnit is the UTF-16 unit that s begins with, if it begins with \uXXXX.
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

// FieldName is a field's name for a message: dots for brackets, and not longer
// than is sensible.
func FieldName(name string) string {
	name = strings.ReplaceAll(strings.ReplaceAll(name, "[", "."), "]", "")
	return fmt.Sprintf("%.60s", strings.ToValidUTF8(name, "?"))
}
