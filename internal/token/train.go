package token

import (
	"container/heap"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Train learns a vocabulary of at most vocab tokens from captions: it
// repeatedly joins the most frequent pair of neighbours. It stops early when no
// pair occurs twice. vocab is clamped to [259, MaxVocab]; at 259 there are no
// merges.
//
// The result depends on how often each piece of text occurs, not on the order
// of the captions. Among equally frequent pairs the lowest ids win.
// Memory grows with the number of distinct pieces, not with the text.
func Train(captions iter.Seq[string], vocab int) *BPE {
	vocab = min(max(vocab, int(FirstMerge)), MaxVocab)
	counts := map[string]int{}
	for s := range captions {
		for len(s) > 0 {
			n := nextPiece(s)
			if c, ok := counts[s[:n]]; ok {
				counts[s[:n]] = c + 1
			} else {
				counts[strings.Clone(s[:n])] = 1 // do not keep the caption alive
			}
			s = s[n:]
		}
	}
	t := newTrainer(counts)
	b := newBytes(vocab - int(FirstMerge))
	for b.Size() < vocab {
		pair, ok := t.next()
		if !ok {
			break
		}
		if len(b.text[pair[0]])+len(b.text[pair[1]]) > MaxTokenBytes {
			continue
		}
		t.merge(pair, b.add(pair[0], pair[1]))
	}
	return b
}

// trainer holds each distinct piece as its current tokens. For each pair of
// neighbours it holds how often the pair occurs and in which pieces.
type trainer struct {
	pieces []trainPiece
	count  map[uint64]int
	where  map[uint64]map[int]struct{} // may name pieces that no longer have the pair
	queue  pairHeap                    // may hold outdated counts
}

type trainPiece struct {
	ids   []int32
	count int
}

func newTrainer(counts map[string]int) *trainer {
	t := &trainer{
		count: map[uint64]int{},
		where: map[uint64]map[int]struct{}{},
	}
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		ids := make([]int32, len(s))
		for i := range len(s) {
			ids[i] = FirstByte + int32(s[i])
		}
		t.pieces = append(t.pieces, trainPiece{ids, counts[s]})
		t.tally(len(t.pieces)-1, counts[s], nil)
	}
	for k, n := range t.count {
		t.queue = append(t.queue, pairCount{k, n})
	}
	heap.Init(&t.queue)
	return t
}

// tally adds n (which may be negative) to the count of every pair of a piece,
// and records the pairs in changed.
func (t *trainer) tally(piece, n int, changed map[uint64]struct{}) {
	ids := t.pieces[piece].ids
	for i := range len(ids) - 1 {
		k := key(ids[i], ids[i+1])
		t.count[k] += n
		if n > 0 {
			set := t.where[k]
			if set == nil {
				set = map[int]struct{}{}
				t.where[k] = set
			}
			set[piece] = struct{}{}
		}
		if changed != nil {
			changed[k] = struct{}{}
		}
	}
}

// next takes the most frequent pair, if one occurs at least twice.
func (t *trainer) next() ([2]int32, bool) {
	for t.queue.Len() > 0 {
		top := heap.Pop(&t.queue).(pairCount)
		if t.count[top.pair] != top.count {
			continue // another entry of the queue has the current count
		}
		if top.count < 2 {
			break
		}
		return [2]int32{int32(top.pair >> 32), int32(uint32(top.pair))}, true
	}
	return [2]int32{}, false
}

// merge rewrites every piece that has the pair, and queues the changed counts.
func (t *trainer) merge(pair [2]int32, id int32) {
	k := key(pair[0], pair[1])
	changed := map[uint64]struct{}{}
	for piece := range t.where[k] {
		p := &t.pieces[piece]
		t.tally(piece, -p.count, changed)
		p.ids = replacePair(p.ids, pair, id)
		t.tally(piece, p.count, changed)
	}
	delete(t.where, k)
	for c := range changed {
		if n := t.count[c]; n > 0 {
			heap.Push(&t.queue, pairCount{c, n})
		} else {
			delete(t.count, c)
			delete(t.where, c)
		}
	}
}

type pairCount struct {
	pair  uint64
	count int
}

// pairHeap has the highest count first, and the lowest pair on a tie.
type pairHeap []pairCount

func (h pairHeap) Len() int { return len(h) }

func (h pairHeap) Less(i, j int) bool {
	if h[i].count != h[j].count {
		return h[i].count > h[j].count
	}
	return h[i].pair < h[j].pair
}

func (h pairHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *pairHeap) Push(x any) { *h = append(*h, x.(pairCount)) }

func (h *pairHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// replacePair rewrites every pair in ids as id, in place.
func replacePair(ids []int32, pair [2]int32, id int32) []int32 {
	w := 0
	for r := 0; r < len(ids); r++ {
		if r+1 < len(ids) && ids[r] == pair[0] && ids[r+1] == pair[1] {
			ids[w] = id
			r++
		} else {
			ids[w] = ids[r]
		}
		w++
	}
	return ids[:w]
}
