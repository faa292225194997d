package token

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// charsmap is SentencePiece's precompiled table of replacements, such as
// nmt_nfkc: a double-array trie (Darts-clone) whose values are places in a list
// of strings that end in a zero byte. Every step of a search is checked, so that
// a damaged table gives wrong text and never an access outside it.
type charsmap struct {
	units []uint32
	text  string
	ascii [utf8.RuneSelf]bool // whether a rule starts with this byte and has no other than ASCII
}

// readCharsmap reads the table: the bytes of the trie, the trie, the strings.
// Empty bytes give nil, which replaces nothing.
func readCharsmap(b []byte) (*charsmap, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) > MaxCharsmapBytes {
		return nil, fmt.Errorf("token: the precompiled table of replacements has %d bytes, more than the %d allowed", len(b), MaxCharsmapBytes)
	}
	if len(b) < 4 {
		return nil, errors.New("token: the precompiled table of replacements is cut short")
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; n%4 != 0 || n == 0 || uint64(n) > uint64(len(b)) {
		return nil, fmt.Errorf("token: the precompiled table of replacements says that its trie has %d bytes, and has %d", n, len(b))
	}
	c := &charsmap{units: make([]uint32, n/4), text: string(b[n:])}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	// The last rule ends in a zero byte too, so every value has an end.
	if !strings.HasSuffix(c.text, "\x00") || !utf8.ValidString(c.text) {
		return nil, errors.New("token: the replacements of the precompiled table are not UTF-8 strings that end in a zero byte")
	}
	for i := range c.ascii {
		if at, ok := c.child(c.root(), byte(i)); ok {
			c.ascii[i] = c.units[at]>>8&1 == 1
			for next := range byte(utf8.RuneSelf) {
				_, more := c.child(at^unitOffset(c.units[at]), next)
				c.ascii[i] = c.ascii[i] || more
			}
		}
	}
	return c, nil
}

func (c *charsmap) root() uint32 { return unitOffset(c.units[0]) }

// child goes from a node by a byte; nodes are places of units, before the byte
// is mixed in.
func (c *charsmap) child(node uint32, b byte) (uint32, bool) {
	at := node ^ uint32(b)
	if int64(at) >= int64(len(c.units)) || c.units[at]&(1<<31|0xff) != uint32(b) {
		return 0, false
	}
	return at, true
}

// unitOffset is how far from a unit its children lie.
func unitOffset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }

// match returns the replacement of the shortest or of the longest rule that s
// starts with, and the rule's bytes; 0 bytes if there is none.
func (c *charsmap) match(s string, longest bool) (to string, n int) {
	node := c.root()
	for i := range len(s) {
		at, ok := c.child(node, s[i])
		if !ok {
			break
		}
		u := c.units[at]
		node = at ^ unitOffset(u)
		if u>>8&1 == 0 || int64(node) >= int64(len(c.units)) {
			continue
		}
		if v := c.units[node] &^ (1 << 31); int64(v) < int64(len(c.text)) && utf8.RuneStart(c.text[v]) {
			to, n = c.text[v:], i+1
			if !longest {
				break
			}
		}
	}
	if n > 0 {
		to = to[:strings.IndexByte(to, 0)]
	}
	return to, n
}

// prefix returns what SentencePiece puts in the place of the first characters
// of s, which is not empty: the replacement of the longest rule, or the first
// character.
func (c *charsmap) prefix(s string) (to string, n int) {
	if c != nil && c.mayMatch(s) {
		if to, n = c.match(s, true); n > 0 {
			return to, n
		}
	}
	_, n = utf8.DecodeRuneInString(s)
	return s[:n], n
}

// maxGrapheme is the bytes up to which Hugging Face's tokenizers looks a
// grapheme cluster up as a whole.
const maxGrapheme = 5

// normalize replaces as Hugging Face's tokenizers does, which differs from
// SentencePiece: it goes from one grapheme cluster to the next, and a rule that
// a short cluster starts with replaces the whole of it. It stops where the text
// has become too long.
func (c *charsmap) normalize(s string) string {
	var sb strings.Builder
	sb.Grow(len(s))
	for it := graphemes.FromString(s); it.Next() && sb.Len() <= MaxTextBytes; {
		cluster := it.Value()
		if len(cluster) <= maxGrapheme && c.replace(&sb, cluster) {
			continue
		}
		for len(cluster) > 0 {
			_, n := utf8.DecodeRuneInString(cluster)
			if !c.replace(&sb, cluster[:n]) {
				sb.WriteString(cluster[:n])
			}
			cluster = cluster[n:]
		}
	}
	return sb.String()
}

// replace writes the replacement of the shortest rule that s starts with, if
// there is one.
func (c *charsmap) replace(sb *strings.Builder, s string) bool {
	if !c.mayMatch(s) {
		return false
	}
	to, n := c.match(s, false)
	sb.WriteString(to)
	return n > 0
}

// mayMatch rules most of ASCII out before a search.
func (c *charsmap) mayMatch(s string) bool {
	return s[0] >= utf8.RuneSelf || c.ascii[s[0]] || len(s) > 1 && s[1] >= utf8.RuneSelf
}
