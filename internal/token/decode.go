package token

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoding says how tokens become text.
type decoding struct {
	stages []func() decodeStage // each makes the state of one text
	spaces bool                 // there is no decoder: tokens stand apart
}

// decodeStage is a step from tokens to text. It may hold text back until it
// knows what follows.
type decodeStage interface {
	// next takes the text of a token and yields what is certain.
	next(s string, yield func(string))
	// end yields what was held back.
	end(yield func(string))
}

// Decoder turns ids into text one by one: the text of an id may come with a later
// one, since a character may be spelled by several tokens. What Add and End
// return is whole characters, and all of it together is what Decode gives.
type Decoder struct {
	t      *Tokenizer
	plain  bool
	begun  bool
	stages []decodeStage
	yields []func(string) // what each stage gives its text to
	out    strings.Builder
}

// NewDecoder returns a decoder for one text. plain leaves out the special tokens.
func (t *Tokenizer) NewDecoder(plain bool) *Decoder {
	d := &Decoder{t: t, plain: plain, yields: make([]func(string), len(t.decoder.stages)+1)}
	for _, stage := range t.decoder.stages {
		d.stages = append(d.stages, stage())
	}
	d.yields[len(d.stages)] = func(s string) { d.out.WriteString(s) }
	for i := len(d.stages) - 1; i >= 0; i-- {
		stage, yield := d.stages[i], d.yields[i+1]
		d.yields[i] = func(s string) { stage.next(s, yield) }
	}
	return d
}

// Add returns the text that is certain once id is known, which may be "".
func (d *Decoder) Add(id int32) string {
	s := d.t.Token(id)
	if s == "" || d.plain && d.t.Special(id) {
		return ""
	}
	if d.t.decoder.spaces && d.begun {
		s = " " + s
	}
	d.begun = true
	d.yields[0](s)
	return d.take()
}

// End returns the text that was held back. What is left of a cut character is
// U+FFFD. The decoder must not be used any more.
func (d *Decoder) End() string {
	for i, stage := range d.stages {
		stage.end(d.yields[i+1])
	}
	return d.take()
}

func (d *Decoder) take() string {
	s := d.out.String()
	d.out.Reset()
	return s
}

// byteStage takes the bytes of tokens as UTF-8.
type byteStage struct {
	held []byte // the start of a character
}

func (b *byteStage) next(s string, yield func(string)) {
	if len(b.held) > 0 {
		s = string(b.held) + s
		b.held = b.held[:0]
	}
	at := validPrefix(s)
	if at < len(s) {
		rest := s[at:]
		for rest != "" {
			n, cut := brokenRune(rest)
			if cut {
				break
			}
			rest = rest[n+validPrefix(rest[n:]):]
		}
		b.held = append(b.held, rest...)
		s = validText(s[:len(s)-len(rest)])
	}
	yield(s)
}

func (b *byteStage) end(yield func(string)) {
	if len(b.held) > 0 {
		yield(validText(string(b.held)))
	}
}

// replaceStage puts a text in the place of another in each token.
type replaceStage struct{ what, with string }

func (r replaceStage) next(s string, yield func(string)) {
	yield(strings.ReplaceAll(s, r.what, r.with))
}

func (replaceStage) end(func(string)) {}

// tokenByte returns the byte that a token like <0x0A> stands for.
func tokenByte(s string) (byte, bool) {
	if len(s) != 6 || s[:3] != "<0x" || s[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(s[3:5], 16, 8)
	return byte(b), err == nil
}

// fallbackStage takes tokens like <0x0A> as bytes: those in a row as UTF-8, or
// each as U+FFFD if they are not.
type fallbackStage struct{ held []byte }

func (f *fallbackStage) next(s string, yield func(string)) {
	if b, ok := tokenByte(s); ok {
		f.held = append(f.held, b)
		return
	}
	f.end(yield)
	yield(s)
}

func (f *fallbackStage) end(yield func(string)) {
	if utf8.Valid(f.held) {
		if len(f.held) > 0 {
			yield(string(f.held))
		}
	} else {
		for range f.held {
			yield(string(utf8.RuneError))
		}
	}
	f.held = f.held[:0]
}

// stripStage removes up to so many of a character from the start and the end of
// each token, or of the whole text if it is fused.
type stripStage struct {
	content     string
	start, stop int
	fused       bool

	begun bool
	gone  int    // removed from the start of the text
	held  string // copies of content that may be the end of the text
}

func (t *stripStage) next(s string, yield func(string)) {
	if !t.fused {
		for n := 0; n < t.start && strings.HasPrefix(s, t.content); n++ {
			s = s[len(t.content):]
		}
		for n := 0; n < t.stop && strings.HasSuffix(s, t.content); n++ {
			s = s[:len(s)-len(t.content)]
		}
		yield(s)
		return
	}
	for !t.begun && s != "" {
		if t.gone == t.start || !strings.HasPrefix(s, t.content) {
			t.begun = true
			break
		}
		s, t.gone = s[len(t.content):], t.gone+1
	}
	s, t.held = t.held+s, ""
	for n := 0; n < t.stop && strings.HasSuffix(s, t.content); n++ {
		s, t.held = s[:len(s)-len(t.content)], t.held+t.content
	}
	yield(s)
}

func (t *stripStage) end(func(string)) {} // what is held is what is to be removed

// metaspaceStage makes spaces of marks; those of the first token go if one was
// put before the text.
type metaspaceStage struct {
	mark  string
	begun bool
	keep  bool // also in the first token
}

func (m *metaspaceStage) next(s string, yield func(string)) {
	with := " "
	if !m.begun && !m.keep {
		with = ""
	}
	m.begun = true
	yield(strings.ReplaceAll(s, m.mark, with))
}

func (*metaspaceStage) end(func(string)) {}

// pieceStage is how SentencePiece itself decodes.
type pieceStage struct {
	unknown  string // how the unknown piece is spelled
	surface  string // and what it is shown as
	dummy    bool   // a space was put before the text
	trimmed  bool   // spaces around the text were removed
	anything bool   // whether there is any text yet
	opened   bool   // whether the last piece was the space before the text
	after    bool   // no space before the text is to be removed any more
	held     []byte // byte pieces of a character that is not complete
}

func (p *pieceStage) next(s string, yield func(string)) {
	if b, ok := tokenByte(s); ok {
		p.held = append(p.held, b)
		p.bytes(false, yield)
		return
	}
	p.bytes(true, yield)
	p.after = p.after || p.opened || p.anything
	p.opened = false
	if s == p.unknown {
		p.give(p.surface, yield)
		return
	}
	if !p.after && (p.dummy || p.trimmed) {
		if rest, ok := strings.CutPrefix(s, spaceMark); ok {
			s, p.opened = rest, !p.trimmed
		}
	}
	p.give(strings.ReplaceAll(s, spaceMark, " "), yield)
}

func (p *pieceStage) give(s string, yield func(string)) {
	p.anything = p.anything || s != ""
	yield(s)
}

// bytes yields the characters that are complete, and U+FFFD for each byte that
// cannot belong to one; with all also for those that wait.
func (p *pieceStage) bytes(all bool, yield func(string)) {
	for len(p.held) > 0 {
		r, n := utf8.DecodeRune(p.held)
		if r == utf8.RuneError && n == 1 {
			if _, cut := brokenRune(string(p.held)); cut && !all {
				return
			}
		}
		p.give(string(r), yield)
		p.held = p.held[n:]
	}
}

func (p *pieceStage) end(yield func(string)) { p.bytes(true, yield) }
