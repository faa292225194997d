package token

import "math/rand/v2"

// trie finds the pieces that a text starts with, byte by byte. Its edges lie in
// one open table, so that it is built in any order and a step is most often
// one cache line. It never changes once built.
type trie struct {
	slots []edge
	nodes uint32 // the root included
	shift uint8
	mul   uint32 // random and odd, so that no file can choose edges that collide
}

// edge leads from a node by a byte to a child.
type edge struct {
	key   uint32 // node<<8 | byte
	child uint32 // 0, the root, marks an empty slot
	id    int32  // of the piece that ends at the child, or -1
}

// maxTrieNodes bounds the prefixes that pieces may have; the vocabulary of UMT5
// has 256,300 pieces and about 1.1 million.
const maxTrieNodes = 1 << 23

// newTrie returns an empty trie, with room for pieces of so many bytes in all as
// they usually share beginnings.
func newTrie(size int) *trie {
	bits := uint8(4)
	for 2<<bits < min(size, 2*maxTrieNodes) {
		bits++
	}
	return &trie{slots: make([]edge, 1<<bits), nodes: 1, shift: 32 - bits, mul: rand.Uint32() | 1}
}

// step goes from a node by a byte. ok is false where no piece goes on so.
func (t *trie) step(node uint32, b byte) (child uint32, id int32, ok bool) {
	k, mask := node<<8|uint32(b), uint32(len(t.slots)-1)
	for i := (k * t.mul) >> t.shift; ; i++ {
		e := &t.slots[i&mask]
		if e.child == 0 {
			return 0, -1, false
		}
		if e.key == k {
			return e.child, e.id, true
		}
	}
}

// add enters a piece, which is not empty, and returns the id that it had before,
// or -1. It returns false when there is no room for its prefixes.
func (t *trie) add(piece string, id int32) (old int32, ok bool) {
	node := uint32(0)
	for i := range len(piece) {
		e := t.edge(node<<8 | uint32(piece[i]))
		if e.child == 0 {
			if t.nodes >= maxTrieNodes {
				return -1, false
			}
			*e = edge{node<<8 | uint32(piece[i]), t.nodes, -1}
			t.nodes++
			if 4*int(t.nodes) > 3*len(t.slots) {
				t.grow()
				e = t.edge(node<<8 | uint32(piece[i]))
			}
		}
		if i == len(piece)-1 {
			old, e.id = e.id, id
		}
		node = e.child
	}
	return old, true
}

// edge returns the slot of a key, or the empty one where it belongs.
func (t *trie) edge(k uint32) *edge {
	mask := uint32(len(t.slots) - 1)
	for i := (k * t.mul) >> t.shift; ; i++ {
		if e := &t.slots[i&mask]; e.child == 0 || e.key == k {
			return e
		}
	}
}

func (t *trie) grow() {
	old := t.slots
	t.slots = make([]edge, 2*len(old))
	t.shift--
	for _, e := range old {
		if e.child != 0 {
			*t.edge(e.key) = e
		}
	}
}

// find returns the id of a piece, or -1.
func (t *trie) find(piece string) int32 {
	node, id := uint32(0), int32(-1)
	for i := range len(piece) {
		var ok bool
		if node, id, ok = t.step(node, piece[i]); !ok {
			return -1
		}
	}
	return id
}

// longest returns the longest piece that s starts with: its bytes and its id, or
// 0 and -1.
func (t *trie) longest(s string) (n int, id int32) {
	id = -1
	node := uint32(0)
	for i := range len(s) {
		child, end, ok := t.step(node, s[i])
		if !ok {
			break
		}
		if end >= 0 {
			n, id = i+1, end
		}
		node = child
	}
	return n, id
}
