package egress

import (
	"encoding/base64"
	"errors"
	"mime"
	"net/url"
	"strings"
)

// isData reports whether a URL is of the data: scheme.
func isData(rawURL string) bool {
	return len(rawURL) >= 5 && strings.EqualFold(rawURL[:5], "data:")
}

// DecodeData returns the contents of a data: URL (RFC 2397) under the limits of a
// fetch, except its time limit. Base64 may lack its padding and may contain line
// ends, as many programs write it. Errors are of type *Error.
func DecodeData(rawURL string, l Limits) (*Content, error) {
	c, err := decodeData(rawURL, l)
	if err == nil {
		return c, nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Kind: ErrURL, Msg: err.Error()}
	}
	e.Op, e.URL = "read", "the data: URL"
	return nil, e
}

func decodeData(rawURL string, l Limits) (*Content, error) {
	if !isData(rawURL) {
		return nil, errors.New("it is no data: URL: write it as data:image/png;base64,…")
	}
	meta, data, ok := strings.Cut(rawURL[len("data:"):], ",")
	if !ok || len(meta) > MaxURL {
		return nil, errors.New("it has no comma after its type: write it as data:image/png;base64,…")
	}
	meta, encoded := cutSuffixFold(meta, ";base64")
	declared, err := mediaType(meta)
	if err != nil {
		return nil, err
	}
	// No encoding takes more than four bytes for one, not even percent-encoded
	// base64. A text that must exceed the limit is not decoded.
	limit := l.bytes()
	if int64(len(data))/4 > limit {
		return nil, tooLarge(limit)
	}
	if strings.Contains(data, "%") {
		if data, err = url.PathUnescape(data); err != nil {
			return nil, errors.New("a % in it is not followed by two hexadecimal digits: write % itself as %25")
		}
	}
	if encoded {
		if data, err = decodeBase64(data, limit); err != nil {
			return nil, err
		}
	}
	return read(strings.NewReader(data), declared, l)
}

// mediaType returns the type that a data: URL declares, without parameters.
func mediaType(meta string) (string, error) {
	if meta == "" || meta[0] == ';' {
		meta = "text/plain" + meta // RFC 2397's type of a URL without one
	}
	meta, err := url.PathUnescape(meta)
	if err != nil {
		return "", errors.New("its type is malformed: write it as data:image/png;base64,…")
	}
	t, _, err := mime.ParseMediaType(meta)
	if err != nil || !strings.Contains(t, "/") {
		return "", errors.New("its type is malformed: write it as data:image/png;base64,…")
	}
	return t, nil
}

func decodeBase64(data string, limit int64) (string, error) {
	data = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n':
			return -1
		}
		return r
	}, data)
	if padded := len(data)%4 == 0; padded {
		data = strings.TrimSuffix(strings.TrimSuffix(data, "="), "=")
	}
	if int64(base64.RawStdEncoding.DecodedLen(len(data))) > limit {
		return "", tooLarge(limit)
	}
	out, err := base64.RawStdEncoding.DecodeString(data)
	if err != nil {
		return "", errors.New("it is not base64 (RFC 4648, with + and /): encode the file again")
	}
	return string(out), nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if i := len(s) - len(suffix); i >= 0 && strings.EqualFold(s[i:], suffix) {
		return s[:i], true
	}
	return s, false
}
