package english

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
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
	raw    string // empty until it is used, or if the block is damaged
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
	b.once.Do(func() { b.raw, _ = b.unpack() })
	var buf [64]byte
	now := buf[:0]
	for rest := b.raw; rest != ""; {
		var value string
		var ok bool
		if now, value, rest, ok = entry(now, rest); !ok {
			break
		}
		switch strings.Compare(string(now), key) { // which copies nothing
		case 0:
			return value, true
		case 1:
			return "", false
		}
	}
	return "", false
}

// entry reads the entry after the key last.
func entry(last []byte, raw string) (key []byte, value, rest string, ok bool) {
	shared, rest, ok := length8(raw, len(last))
	if !ok {
		return nil, "", "", false
	}
	tail, rest, ok := piece(rest)
	if !ok {
		return nil, "", "", false
	}
	value, rest, ok = piece(rest)
	return append(last[:shared], tail...), value, rest, ok
}

// length8 and piece are number and field for a string whose numbers have mostly one
// byte.
func length8(s string, most int) (n int, rest string, ok bool) {
	if s != "" && s[0] < 0x80 {
		return int(s[0]), s[1:], int(s[0]) <= most
	}
	var b [binary.MaxVarintLen64]byte
	v, used := binary.Uvarint(b[:copy(b[:], s)])
	if used <= 0 || v > uint64(most) {
		return 0, "", false
	}
	return int(v), s[used:], true
}

func piece(s string) (part, rest string, ok bool) {
	n, rest, ok := length8(s, len(s))
	if !ok || n > len(rest) {
		return "", "", false
	}
	return rest[:n], rest[n:], true
}

// check unpacks every block and reads its entries. A program's own files need it in a
// test alone.
func (d *dictionary) check() error {
	for i := range d.blocks {
		raw, err := d.blocks[i].unpack()
		if err != nil {
			return err
		}
		last := ""
		for n := 0; raw != ""; n++ {
			key, _, rest, ok := entry([]byte(last), raw)
			if !ok || n == 0 && string(key) != d.blocks[i].first || n > 0 && string(key) <= last {
				return errDictionary
			}
			last, raw = string(key), rest
		}
	}
	return nil
}

func (b *block) unpack() (string, error) {
	raw := make([]byte, b.size)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(b.packed)), raw); err != nil {
		return "", fmt.Errorf("%w: %w", errDictionary, err)
	}
	return string(raw), nil
}
