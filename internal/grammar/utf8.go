package grammar

import "unicode/utf8"

// chars returns the alternatives that one character of a set is: as UTF-8, each a
// sequence of sets of bytes.
func (c *compiler) chars(set []span) [][]int32 {
	var one byteSet // ASCII, together
	any := false
	var alts [][]int32
	for _, s := range set {
		for b := max(s.lo, 0); b <= min(s.hi, 0x7f); b++ {
			one.add(byte(b))
			any = true
		}
		for _, seq := range utf8Ranges(max(s.lo, 0x80), s.hi) {
			syms := make([]int32, len(seq))
			for i, r := range seq {
				var bytes byteSet
				for b := int(r[0]); b <= int(r[1]); b++ {
					bytes.add(byte(b))
				}
				syms[i] = c.set(bytes)
			}
			alts = append(alts, syms)
		}
	}
	if any {
		alts = append([][]int32{{c.set(one)}}, alts...)
	}
	return alts
}

// utf8Ranges returns the characters lo to hi, beyond ASCII, as sequences of
// ranges of bytes. Surrogates have no UTF-8.
func utf8Ranges(lo, hi rune) (out [][][2]byte) {
	const first, last = 0xd800, 0xdfff // surrogates
	if hi = min(hi, utf8.MaxRune); lo > hi {
		return nil
	}
	if lo <= last && hi >= first {
		if lo < first {
			out = append(out, utf8Ranges(lo, first-1)...)
		}
		if hi > last {
			out = append(out, utf8Ranges(last+1, hi)...)
		}
		return out
	}
	for _, end := range []rune{0x7ff, 0xffff} { // as many bytes
		if lo <= end && hi > end {
			return append(utf8Ranges(lo, end), utf8Ranges(end+1, hi)...)
		}
	}
	for i := 1; i < 4; i++ { // all that follows a byte, or all of one byte
		m := rune(1)<<(6*i) - 1
		if lo&^m == hi&^m {
			continue
		}
		if lo&m != 0 {
			return append(utf8Ranges(lo, lo|m), utf8Ranges(lo|m+1, hi)...)
		}
		if hi&m != m {
			return append(utf8Ranges(lo, hi&^m-1), utf8Ranges(hi&^m, hi)...)
		}
	}
	a, b := []byte(string(lo)), []byte(string(hi))
	seq := make([][2]byte, len(a))
	for i := range a {
		seq[i] = [2]byte{a[i], b[i]}
	}
	return [][][2]byte{seq}
}

// inverted returns the characters that are not in a set of spans.
func inverted(set []span) []span {
	var out []span
	next := rune(0)
	for _, s := range sortedSpans(set) {
		if s.lo > next {
			out = append(out, span{next, s.lo - 1})
		}
		next = max(next, s.hi+1)
	}
	if next <= utf8.MaxRune {
		out = append(out, span{next, utf8.MaxRune})
	}
	return out
}
