package english

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
)

// dictionary is bytes by text, in blocks that are decompressed when they are
// first used. The file has a mark, the number of blocks, for each its first key and
// its sizes, and then the blocks, deflated (RFC 1951). In a block follow one
// another: how many bytes a key shares with the one before, the rest of it with its
// length, the value with its length. Numbers are those of encoding/binary's
// Uvarint; keys are sorted by their bytes.
type dictionary struct {
	blocks []block
}

type block struct {
	first  string
	packed []byte
	size   int
	once   sync.Once
	keys   []string
	values []string
}

const (
	dictionaryMark = "KDIC1\n"
	maxBlocks      = 1 << 12
	maxBlock       = 1 << 18 // bytes of an unpacked block
)

var errDictionary = errors.New("a dictionary inside the program is damaged")

// field reads a number and as many bytes.
func field(b []byte) (value, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	return b[used : used+int(n)], b[used+int(n):], true
}

func number(b []byte, most int) (n int, rest []byte, ok bool) {
	v, used := binary.Uvarint(b)
	if used <= 0 || v > uint64(most) {
		return 0, nil, false
	}
	return int(v), b[used:], true
}

// openDictionary reads what is before the blocks, and checks that they are there
// and in order.
func openDictionary(data []byte) (*dictionary, error) {
	rest, ok := bytes.CutPrefix(data, []byte(dictionaryMark))
	count := 0
	if ok {
		count, rest, ok = number(rest, maxBlocks)
	}
	if !ok {
		return nil, errDictionary
	}
	d := &dictionary{blocks: make([]block, count)}
	packed := make([]int, count)
	for i := range d.blocks {
		var first []byte
		if first, rest, ok = field(rest); ok {
			if d.blocks[i].size, rest, ok = number(rest, maxBlock); ok {
				packed[i], rest, ok = number(rest, maxBlock)
			}
		}
		d.blocks[i].first = string(first)
		if !ok || i > 0 && d.blocks[i-1].first >= d.blocks[i].first {
			return nil, errDictionary
		}
	}
	for i, n := range packed {
		if n > len(rest) {
			return nil, errDictionary
		}
		d.blocks[i].packed, rest = rest[:n], rest[n:]
	}
	if len(rest) > 0 {
		return nil, errDictionary
	}
	return d, nil
}

// get returns the value of a key. A damaged block has no keys: check sees it.
func (d *dictionary) get(key string) (string, bool) {
	i := sort.Search(len(d.blocks), func(i int) bool { return d.blocks[i].first > key }) - 1
	if i < 0 {
		return "", false
	}
	b := &d.blocks[i]
	b.once.Do(func() { _ = b.unpack() })
	if j := sort.SearchStrings(b.keys, key); j < len(b.keys) && b.keys[j] == key {
		return b.values[j], true
	}
	return "", false
}

// check unpacks every block. A program's own files need it in a test alone.
func (d *dictionary) check() error {
	for i := range d.blocks {
		b := block{first: d.blocks[i].first, packed: d.blocks[i].packed, size: d.blocks[i].size}
		if err := b.unpack(); err != nil {
			return err
		}
	}
	return nil
}

// unpack fills keys and values, or neither.
func (b *block) unpack() error {
	raw := make([]byte, b.size)
	z := flate.NewReader(bytes.NewReader(b.packed))
	if _, err := io.ReadFull(z, raw); err != nil {
		return fmt.Errorf("%w: %w", errDictionary, err)
	}
	all := string(raw) // keys and values are parts of it
	var keys, values []string
	last := ""
	for off := 0; off < len(raw); {
		shared, rest, ok := number(raw[off:], len(last))
		var tail, value []byte
		if ok {
			if tail, rest, ok = field(rest); ok {
				value, rest, ok = field(rest)
			}
		}
		if !ok {
			return errDictionary
		}
		end := len(raw) - len(rest)
		key := last[:shared] + string(tail)
		if len(keys) > 0 && key <= last || len(keys) == 0 && key != b.first {
			return errDictionary
		}
		keys, values = append(keys, key), append(values, all[end-len(value):end])
		last, off = key, end
	}
	b.keys, b.values = keys, values
	return nil
}
