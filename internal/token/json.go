package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	format       = "kinora-bpe"
	version      = 1
	maxFileBytes = 4 << 20
)

// file is the JSON form of a vocabulary. The pair at index i makes the token
// FirstMerge+i from two earlier tokens.
type file struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Merges  [][]int32 `json:"merges"`
}

// Bytes returns the vocabulary as JSON that Load reads back; the same
// vocabulary always gives the same bytes.
func (b *BPE) Bytes() []byte {
	f := file{Format: format, Version: version, Merges: make([][]int32, len(b.merges))}
	for i := range b.merges {
		f.Merges[i] = b.merges[i][:]
	}
	out, err := json.Marshal(f)
	if err != nil {
		panic("token: a list of numbers did not marshal: " + err.Error())
	}
	return out
}

// MarshalJSON returns Bytes.
func (b *BPE) MarshalJSON() ([]byte, error) { return b.Bytes(), nil }

// UnmarshalJSON sets b from the output of Bytes, with the checks of Load.
func (b *BPE) UnmarshalJSON(data []byte) error {
	n, err := Load(data)
	if err != nil {
		return err
	}
	*b = *n
	return nil
}

// Load reads a vocabulary that Bytes wrote. It trusts nothing: it checks the
// size of the input, the number of merges, the length of every token, and that
// each merge joins two earlier tokens that no other merge joins. Memory stays
// bounded whatever the input says.
func Load(data []byte) (*BPE, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("token: the vocabulary has %d bytes, more than the %d allowed", len(data), maxFileBytes)
	}
	var f file
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("token: reading the vocabulary: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("token: reading the vocabulary: something follows the JSON object")
	}
	if f.Format != format || f.Version != version {
		return nil, fmt.Errorf("token: the vocabulary says format %.40q version %d; this build reads %q version %d",
			f.Format, f.Version, format, version)
	}
	if n := len(f.Merges); n > MaxVocab-int(FirstMerge) {
		return nil, fmt.Errorf("token: the vocabulary has %d merges, more than the %d allowed", n, MaxVocab-int(FirstMerge))
	}
	b := newBytes(len(f.Merges))
	for i, m := range f.Merges {
		if err := b.check(i, m); err != nil {
			return nil, err
		}
		b.add(m[0], m[1])
	}
	return b, nil
}

// check returns an error unless m may be merge i of b, which has the i merges
// before it.
func (b *BPE) check(i int, m []int32) error {
	if len(m) != 2 {
		return fmt.Errorf("token: merge %d has %d tokens instead of 2", i, len(m))
	}
	for _, id := range m {
		if id < FirstByte || int(id) >= b.Size() {
			return fmt.Errorf("token: merge %d joins token %d, which is not in [%d, %d)", i, id, FirstByte, b.Size())
		}
	}
	if _, _, ok := b.join.get(key(m[0], m[1])); ok {
		return fmt.Errorf("token: merge %d joins %d and %d, as an earlier merge does", i, m[0], m[1])
	}
	if n := len(b.text[m[0]]) + len(b.text[m[1]]); n > MaxTokenBytes {
		return fmt.Errorf("token: merge %d makes a token of %d bytes, more than the %d allowed", i, n, MaxTokenBytes)
	}
	return nil
}
