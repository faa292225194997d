package token

import "math/rand/v2"

// pairTable says which two neighbouring tokens join, when, and into what. It is
// an open table with linear probing: a lookup is most often one cache line.
type pairTable struct {
	slots []pairSlot
	used  int
	shift uint8
	mul   uint64 // random and odd, so that no file can choose pairs that collide
}

type pairSlot struct {
	key  uint64
	rank uint32 // the pair with the lowest rank joins first
	id   int32  // of the token it makes, plus one; 0 marks an empty slot
}

func key(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

func newPairTable(capacity int) pairTable {
	bits := uint8(4)
	for 1<<bits < 2*capacity {
		bits++
	}
	return pairTable{slots: make([]pairSlot, 1<<bits), shift: 64 - bits, mul: rand.Uint64() | 1}
}

// get returns the rank and the token of a pair.
func (t *pairTable) get(k uint64) (rank uint32, id int32, ok bool) {
	mask := uint64(len(t.slots) - 1)
	for i := (k * t.mul) >> t.shift; ; i++ {
		s := &t.slots[i&mask]
		if s.id == 0 {
			return 0, 0, false
		}
		if s.key == k {
			return s.rank, s.id - 1, true
		}
	}
}

// set records a pair, in the place of what was said of it before.
func (t *pairTable) set(k uint64, rank uint32, id int32) {
	if 2*(t.used+1) > len(t.slots) {
		old := t.slots
		*t = newPairTable(len(old))
		for _, s := range old {
			if s.id != 0 {
				t.set(s.key, s.rank, s.id-1)
			}
		}
	}
	mask := uint64(len(t.slots) - 1)
	for i := (k * t.mul) >> t.shift; ; i++ {
		s := &t.slots[i&mask]
		if s.id == 0 {
			t.used++
		} else if s.key != k {
			continue
		}
		*s = pairSlot{k, rank, id + 1}
		return
	}
}

// shortPiece is how many symbols a piece may have to be merged by looking at all
// of its pairs again after each merge, which is quicker than a heap for a word.
const shortPiece = 32

// merger holds the memory of merges. It belongs to one call of Encode.
type merger struct {
	short []pairState
	links []link
	heap  []pairEntry
}

// pairState is a symbol, and what it makes with the next one.
type pairState struct {
	id   int32
	rank uint32 // noRank if the pair does not join
	made int32
}

const noRank = ^uint32(0)

// link is a symbol of a longer piece. A dead one has been joined to its left.
type link struct {
	id, prev, next int32
	dead           bool
}

type pairEntry struct {
	order uint64 // rank, then place
	made  int32
}

// merge joins symbols until no pair joins any more: always the pair with the
// lowest rank, and the leftmost of several. It works in place, in time
// n·log n for n symbols.
func (m *merger) merge(t *pairTable, ids []int32) []int32 {
	if len(ids) <= shortPiece {
		return m.mergeShort(t, ids)
	}
	return m.mergeLong(t, ids)
}

func (m *merger) mergeShort(t *pairTable, ids []int32) []int32 {
	if len(ids) < 2 {
		return ids
	}
	w := m.short[:0]
	for i, id := range ids {
		s := pairState{id: id, rank: noRank}
		if i+1 < len(ids) {
			s.look(t, ids[i+1])
		}
		w = append(w, s)
	}
	for {
		best, at := noRank, 0
		for i := range w {
			if w[i].rank < best {
				best, at = w[i].rank, i
			}
		}
		if best == noRank {
			break
		}
		w[at] = pairState{id: w[at].made, rank: noRank}
		w = append(w[:at+1], w[at+2:]...)
		if at+1 < len(w) {
			w[at].look(t, w[at+1].id)
		}
		if at > 0 {
			w[at-1].look(t, w[at].id)
		}
	}
	m.short = w
	for i := range w {
		ids[i] = w[i].id
	}
	return ids[:len(w)]
}

func (s *pairState) look(t *pairTable, next int32) {
	if rank, made, ok := t.get(key(s.id, next)); ok {
		s.rank, s.made = rank, made
	} else {
		s.rank = noRank
	}
}

func (m *merger) mergeLong(t *pairTable, ids []int32) []int32 {
	w := m.links[:0]
	for i, id := range ids {
		w = append(w, link{id: id, prev: int32(i) - 1, next: int32(i) + 1})
	}
	w[len(w)-1].next = -1
	m.links, m.heap = w, m.heap[:0]
	for i := range len(ids) - 1 {
		m.offer(t, int32(i))
	}
	for len(m.heap) > 0 {
		top := m.pop()
		at := int32(uint32(top.order))
		if w[at].dead || w[at].next < 0 {
			continue
		}
		right := w[at].next
		// The pair may have changed since it was offered.
		if _, made, ok := t.get(key(w[at].id, w[right].id)); !ok || made != top.made {
			continue
		}
		w[at].id, w[at].next = top.made, w[right].next
		w[right].dead = true
		if n := w[at].next; n >= 0 {
			w[n].prev = at
			m.offer(t, at)
		}
		if p := w[at].prev; p >= 0 {
			m.offer(t, p)
		}
	}
	ids = ids[:0]
	for at := int32(0); at >= 0; at = w[at].next {
		ids = append(ids, w[at].id)
	}
	return ids
}

// offer puts the pair at a place on the heap, if it joins.
func (m *merger) offer(t *pairTable, at int32) {
	rank, made, ok := t.get(key(m.links[at].id, m.links[m.links[at].next].id))
	if !ok {
		return
	}
	h := append(m.heap, pairEntry{uint64(rank)<<32 | uint64(uint32(at)), made})
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if h[up].order <= h[i].order {
			break
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
	m.heap = h
}

// pop takes the first pair off the heap.
func (m *merger) pop() pairEntry {
	h := m.heap
	top := h[0]
	last := h[len(h)-1]
	h = h[:len(h)-1]
	for i := 0; len(h) > 0; {
		c := 2*i + 1
		if c+1 < len(h) && h[c+1].order < h[c].order {
			c++
		}
		if c >= len(h) || last.order <= h[c].order {
			h[i] = last
			break
		}
		h[i] = h[c]
		i = c
	}
	m.heap = h
	return top
}
