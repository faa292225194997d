package grammar

import (
	"encoding/binary"
	"slices"
)

// Limits of following a text.
const (
	// MaxDepth is how many rules may be open at once: what nests deeper is not
	// allowed.
	MaxDepth = 1000
	// maxStacks is how many ways there may be to read a text so far.
	maxStacks = 1 << 14
	// keepBytes is what an automaton keeps from one token to the next, and
	// mostBytes what it may take to look at all tokens.
	keepBytes, mostBytes = 16 << 20, 96 << 20
)

// automaton follows a grammar byte by byte. A way to read a text is a stack: the
// place in a rule where the next byte is read, under it the places where the
// rules that wait for this one go on. Equal stacks are one, and so are equal sets
// of stacks, which are the states; what a byte leads to is found out once.
type automaton struct {
	g      *Grammar
	frames []frame
	known  map[uint64]int32 // frames by place and the frame under it
	states []state
	byKey  map[string]int32
	depths []int32 // by frame: how many are under it
	bytes  int     // about what all this takes
	err    error

	seen map[uint64]struct{} // scratch of closure
	work []frame
	list []int32
	key  []byte
}

// frame is a place in syms with the frame under it. Frame 0 is the bottom.
type frame struct{ pos, under int32 }

type state struct {
	stacks []int32 // their top frames, in order
	next   []int32 // by class: a state, dead, or 0 if it is not known yet
	end    bool    // the text may end here
}

const dead = int32(-1)

func newAutomaton(g *Grammar) *automaton {
	a := &automaton{g: g, seen: map[uint64]struct{}{}}
	a.clear()
	return a
}

// clear forgets all states.
func (a *automaton) clear() {
	a.frames = append(a.frames[:0], frame{-1, -1})
	a.known, a.byKey = map[uint64]int32{}, map[string]int32{}
	a.states = append(a.states[:0], state{}) // 0 is none
	a.bytes = 0
	a.depths = append(a.depths[:0], 0)
}

// start returns the state before the first byte.
func (a *automaton) start() int32 {
	a.begin()
	for _, at := range a.g.alts[a.g.root] {
		a.close(at, 0)
	}
	return a.finish()
}

func (a *automaton) begin() {
	clear(a.seen)
	a.list = a.list[:0]
}

// step returns the state that a byte leads to, or dead.
func (a *automaton) step(from int32, b byte) int32 {
	class := a.g.class[b]
	if to := a.states[from].next[class]; to != 0 {
		return to
	}
	a.begin()
	for _, top := range a.states[from].stacks {
		if top == 0 {
			continue
		}
		f := a.frames[top]
		if a.g.inSet[^a.g.syms[f.pos]][class>>6]>>(class&63)&1 == 1 {
			a.close(f.pos+1, f.under)
		}
	}
	to := a.finish()
	a.states[from].next[class] = to
	return to
}

// push returns the frame of a place over another one; ok is false beyond
// MaxDepth.
func (a *automaton) push(pos, under int32) (at int32, ok bool) {
	key := uint64(uint32(pos))<<32 | uint64(uint32(under))
	at, ok = a.known[key]
	if ok {
		return at, true
	}
	depth := a.depths[under] + 1
	if depth > MaxDepth {
		return 0, false
	}
	at = int32(len(a.frames))
	a.frames, a.depths = append(a.frames, frame{pos, under}), append(a.depths, depth)
	a.known[key] = at
	a.bytes += 48
	return at, true
}

// close adds to list the stacks that a place stands for: it opens rules until a
// byte is to be read, and closes those that have ended.
func (a *automaton) close(pos, under int32) {
	a.work = append(a.work[:0], frame{pos, under})
	for len(a.work) > 0 {
		f := a.work[len(a.work)-1]
		a.work = a.work[:len(a.work)-1]
		key := uint64(uint32(f.pos))<<32 | uint64(uint32(f.under))
		if _, ok := a.seen[key]; ok {
			continue
		}
		a.seen[key] = struct{}{}
		if len(a.seen) > 8*maxStacks {
			a.fail()
			return
		}
		switch sym := a.g.syms[f.pos]; {
		case sym == symEnd && f.under == 0:
			a.list = append(a.list, 0)
		case sym == symEnd:
			a.work = append(a.work, a.frames[f.under])
		case sym < 0:
			if top, ok := a.push(f.pos, f.under); ok {
				a.list = append(a.list, top)
			}
		default:
			back := f.under
			if a.g.syms[f.pos+1] != symEnd { // else there is nothing to come back to
				var ok bool
				if back, ok = a.push(f.pos+1, f.under); !ok {
					continue
				}
			}
			for _, at := range a.g.alts[sym] {
				a.work = append(a.work, frame{at, back})
			}
		}
	}
}

func (a *automaton) fail() {
	a.err = errNoMemory
	a.work, a.list = a.work[:0], a.list[:0]
}

// finish returns the state of the stacks in list.
func (a *automaton) finish() int32 {
	if len(a.list) > maxStacks || a.bytes > mostBytes {
		a.fail()
	}
	if a.err != nil || len(a.list) == 0 {
		return dead
	}
	slices.Sort(a.list)
	a.list = slices.Compact(a.list)
	a.key = a.key[:0]
	for _, top := range a.list {
		a.key = binary.LittleEndian.AppendUint32(a.key, uint32(top))
	}
	if at, ok := a.byKey[string(a.key)]; ok {
		return at
	}
	at := int32(len(a.states))
	a.states = append(a.states, state{stacks: slices.Clone(a.list), next: make([]int32, a.g.classes), end: a.list[0] == 0})
	a.byKey[string(a.key)] = at
	a.bytes += 8*len(a.list) + 4*a.g.classes + 120
	return at
}

// trim forgets all states but one, if there are many, and returns it; trimmed
// says whether states have other numbers now.
func (a *automaton) trim(at int32) (to int32, trimmed bool) {
	if a.bytes <= keepBytes || at == dead {
		return at, false
	}
	type stack []int32 // places, top first
	var stacks []stack
	for _, top := range a.states[at].stacks {
		var s stack
		for ; top != 0; top = a.frames[top].under {
			s = append(s, a.frames[top].pos)
		}
		stacks = append(stacks, s)
	}
	a.clear()
	a.begin()
	for _, s := range stacks {
		under := int32(0)
		for i := len(s) - 1; i >= 0; i-- {
			under, _ = a.push(s[i], under)
		}
		a.list = append(a.list, under)
	}
	return a.finish(), true
}
