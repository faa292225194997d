package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// metadataKey is the one name in a header that is not a tensor's.
const metadataKey = "__metadata__"

// header reads the JSON token by token, so that it detects a name that occurs twice and nesting deeper than the
// format has.
type header struct{ dec *json.Decoder }

func parseHeader(text []byte) (map[string]Info, map[string]string, error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, nil, errors.New("the header is not a JSON object: this is not safetensors")
	}
	if !utf8.Valid(text) {
		return nil, nil, errors.New("the header is not UTF-8: the file is damaged")
	}
	h := header{json.NewDecoder(bytes.NewReader(text))}
	h.dec.UseNumber()
	tensors := map[string]Info{}
	var metadata map[string]string
	err := h.object(func(key string) error {
		if key == metadataKey {
			m, err := h.metadata()
			metadata = m
			return err
		}
		if len(key) > MaxName {
			return fmt.Errorf("a tensor's name is %d bytes long, at most %d are allowed", len(key), MaxName)
		}
		t, err := h.tensor()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		tensors[key] = t
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if _, err := h.dec.Token(); err != io.EOF {
		return nil, nil, errors.New("header: something follows the JSON object: the file is damaged")
	}
	return tensors, metadata, nil
}

// object reads a JSON object and calls f at every value. A key may occur only once.
func (h header) object(f func(key string) error) error {
	if err := h.delim('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for h.dec.More() {
		key, err := h.text()
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("%.40q occurs twice: the file is damaged", key)
		}
		seen[key] = true
		if err := f(key); err != nil {
			return err
		}
	}
	return h.delim('}')
}

func (h header) metadata() (map[string]string, error) {
	m := map[string]string{}
	err := h.object(func(key string) error {
		v, err := h.text()
		m[key] = v
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metadataKey, err)
	}
	return m, nil
}

// tensor reads {"dtype": …, "shape": […], "data_offsets": [begin, end]} and checks that they agree.
func (h header) tensor() (Info, error) {
	var t Info
	var offsets []int
	have := 0
	err := h.object(func(key string) error {
		have++
		var err error
		switch key {
		case "dtype":
			var s string
			s, err = h.text()
			t.DType = DType(s)
		case "shape":
			t.Shape, err = h.numbers(MaxRank)
		case "data_offsets":
			offsets, err = h.numbers(2)
		default:
			err = fmt.Errorf("%.40q is none of dtype, shape and data_offsets", key)
		}
		return err
	})
	switch {
	case err != nil:
		return t, err
	case have != 3:
		return t, errors.New("dtype, shape or data_offsets is missing")
	case t.DType.Size() == 0:
		return t, fmt.Errorf("type %.40q is unknown: a newer Kinora may read it", string(t.DType))
	case len(offsets) != 2 || offsets[0] > offsets[1]:
		return t, fmt.Errorf("data_offsets are %d, want a begin and an end", offsets)
	}
	t.begin, t.Bytes = offsets[0], offsets[1]-offsets[0]
	want, ok := size(t.DType, t.Shape)
	if !ok || want != t.Bytes {
		return t, fmt.Errorf("%s of shape %d does not fill %d bytes: the file is damaged", t.DType, t.Shape, t.Bytes)
	}
	return t, nil
}

// size returns the number of bytes of a tensor. ok is false if it does not fit an int or a dimension is negative.
func size(d DType, shape []int) (n int, ok bool) {
	n = d.Size()
	zero := false
	for _, s := range shape {
		switch {
		case s < 0:
			return 0, false
		case s == 0:
			zero = true
		case n > math.MaxInt/s:
			return 0, false
		default:
			n *= s
		}
	}
	if zero {
		n = 0
	}
	return n, true
}

// numbers reads an array of at most limit whole numbers.
func (h header) numbers(limit int) ([]int, error) {
	if err := h.delim('['); err != nil {
		return nil, err
	}
	out := []int{}
	for h.dec.More() {
		tok, err := h.next()
		if err != nil {
			return nil, err
		}
		num, ok := tok.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%.40q is not a number", fmt.Sprint(tok))
		}
		v, err := strconv.ParseUint(num.String(), 10, strconv.IntSize-1)
		if err != nil {
			return nil, fmt.Errorf("%.40s is not a whole number that fits", num)
		}
		if len(out) == limit {
			return nil, fmt.Errorf("more than %d numbers in a row", limit)
		}
		out = append(out, int(v))
	}
	return out, h.delim(']')
}

func (h header) text() (string, error) {
	tok, err := h.next()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", fmt.Errorf("%.40q where a text should be", fmt.Sprint(tok))
	}
	return s, nil
}

func (h header) delim(want json.Delim) error {
	tok, err := h.next()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("%.40q where %v should be", fmt.Sprint(tok), want)
	}
	return nil
}

func (h header) next() (json.Token, error) {
	tok, err := h.dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return tok, err
}
