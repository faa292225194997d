package grammar

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads a grammar in the form of llama.cpp's GBNF; a text begins at the
// rule root:
//
//	root   ::= "say " (word " ")* word   # a comment
//	word   ::= [a-z]+ | number
//	number ::= [0-9]{1,3}
//
// Texts in quotes and sets in brackets may hold \n \r \t \\ \" \[ \] \- \^ and the
// characters \xHH, \uHHHH and \UHHHHHHHH. A dot is any character. A rule ends with
// its line, but for what stands in parentheses, and after or before a bar. Errors
// say in which line.
func Parse(text string) (*Grammar, error) {
	switch {
	case len(text) > MaxText:
		return nil, fmt.Errorf("grammar: the text has %d bytes, more than the %d allowed", len(text), MaxText)
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("grammar: the text is not valid UTF-8")
	}
	p := &reader{text: text}
	rules := map[string]Expr{}
	for p.space(true); p.at < len(p.text); p.space(true) {
		if err := p.rule(rules); err != nil {
			line := 1 + strings.Count(p.text[:min(p.at, len(p.text))], "\n")
			return nil, fmt.Errorf("grammar: line %d: %w", line, err)
		}
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("grammar: the text has no rules: write at least root ::= …")
	}
	return New("root", rules)
}

// reader reads the text of a grammar.
type reader struct {
	text   string
	at     int
	nested int
}

func (p *reader) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// space skips spaces and comments; with lines also the ends of lines.
func (p *reader) space(lines bool) {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || lines && (c == '\n' || c == '\r'):
			p.at++
		case c == '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

// barNext skips to a bar that follows on another line, if one does.
func (p *reader) barNext() bool {
	from := p.at
	p.space(true)
	if p.peek() == '|' {
		return true
	}
	p.at = from
	return false
}

func (p *reader) name() string {
	from := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			break
		}
		p.at++
	}
	return p.text[from:p.at]
}

// shown is what stands where the reader is, for an error.
func (p *reader) shown() string {
	if p.at >= len(p.text) {
		return "the end"
	}
	rest, _, _ := strings.Cut(p.text[p.at:], "\n")
	if rest = strings.TrimSpace(rest); rest == "" {
		return "the end of the line"
	}
	return fmt.Sprintf("%.20q", rest)
}

func (p *reader) rule(rules map[string]Expr) error {
	name := p.name()
	if name == "" {
		return fmt.Errorf("a rule's name is expected, and there is %s", p.shown())
	}
	p.space(false)
	if !strings.HasPrefix(p.text[p.at:], "::=") {
		return fmt.Errorf("::= is expected after the name %.40q, and there is %s", name, p.shown())
	}
	if _, again := rules[name]; again {
		return fmt.Errorf("the rule %.40q is there twice", name)
	}
	p.at += len("::=")
	p.space(true)
	e, err := p.choice()
	if err != nil {
		return err
	}
	p.space(false)
	if c := p.peek(); c != '\n' && c != '\r' && p.at < len(p.text) {
		return fmt.Errorf("the rule %.40q goes on with %s, which is nothing that a rule has", name, p.shown())
	}
	rules[name] = e
	return nil
}

// choice reads alternatives.
func (p *reader) choice() (Expr, error) {
	if p.nested > MaxNesting {
		return Expr{}, fmt.Errorf("there are more than %d parentheses in each other", MaxNesting)
	}
	var parts []Expr
	for {
		e, err := p.sequence()
		if err != nil {
			return e, err
		}
		parts = append(parts, e)
		if p.peek() != '|' && !p.barNext() {
			break
		}
		p.at++
		p.space(true)
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return Or(parts...), nil
}

func (p *reader) sequence() (Expr, error) {
	var parts []Expr
	for {
		p.space(p.nested > 0)
		e, ok, err := p.item()
		if err != nil {
			return e, err
		}
		if !ok {
			break
		}
		if e, err = p.repeated(e); err != nil {
			return e, err
		}
		parts = append(parts, e)
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return Seq(parts...), nil
}

// item reads one part of a sequence; ok is false where there is none.
func (p *reader) item() (e Expr, ok bool, err error) {
	switch c := p.peek(); {
	case c == '"':
		p.at++
		e, err = p.quoted()
	case c == '[':
		p.at++
		e, err = p.class()
	case c == '.':
		p.at++
		e = Expr{op: opChar, set: inverted(nil)}
	case c == '(':
		p.at++
		p.nested++
		e, err = p.choice()
		if err == nil && p.peek() != ')' {
			err = fmt.Errorf("a parenthesis is not closed: there is %s", p.shown())
		}
		p.nested--
		p.at++
	case c == '<':
		err = fmt.Errorf("%s: tokens by their name are not known here; write the text in quotes", p.shown())
	default:
		name := p.name()
		if name == "" {
			return e, false, nil
		}
		e = Rule(name)
	}
	return e, err == nil, err
}

// repeated reads what says how often an item comes: * + ? {m} {m,} {m,n}.
func (p *reader) repeated(e Expr) (Expr, error) {
	for n := 0; ; n++ {
		p.space(p.nested > 0)
		lo, hi := 0, -1
		switch p.peek() {
		case '*':
		case '+':
			lo = 1
		case '?':
			hi = 1
		case '{':
			var err error
			if lo, hi, err = p.braces(); err != nil {
				return e, err
			}
		default:
			return e, nil
		}
		if n > 8 {
			return e, fmt.Errorf("more than 8 signs of repetition follow each other")
		}
		p.at++
		e = Repeat(e, lo, hi)
	}
}

// braces reads {m}, {m,} and {m,n}, all but the last brace.
func (p *reader) braces() (lo, hi int, err error) {
	inside, _, ok := strings.Cut(p.text[p.at+1:], "}")
	if !ok || len(inside) > 40 {
		return 0, 0, fmt.Errorf("a brace is not closed: write {2}, {2,} or {2,5}")
	}
	p.at += 1 + len(inside)
	from, to, two := strings.Cut(inside, ",")
	from, to = strings.TrimSpace(from), strings.TrimSpace(to)
	lo, err = strconv.Atoi(cmp.Or(from, "0"))
	hi = lo
	if err == nil && two {
		if hi = -1; to != "" {
			hi, err = strconv.Atoi(to)
		}
	}
	switch {
	case err != nil || from == "" && !two || lo < 0 || to != "" && hi < 0:
		return 0, 0, fmt.Errorf("{%s}: write {2}, {2,} or {2,5}", inside)
	case lo > MaxRepeat || hi > MaxRepeat:
		return 0, 0, fmt.Errorf("{%s} repeats too often: at most %d times", inside, MaxRepeat)
	case hi >= 0 && hi < lo:
		return 0, 0, fmt.Errorf("{%s}: the smaller number comes first", inside)
	}
	return lo, hi, nil
}

func (p *reader) quoted() (Expr, error) {
	var sb strings.Builder
	for {
		if p.at >= len(p.text) || p.peek() == '\n' {
			return Expr{}, fmt.Errorf("a quote is not closed: write \\n for the end of a line")
		}
		if p.peek() == '"' {
			p.at++
			return Text(sb.String()), nil
		}
		r, err := p.char()
		if err != nil {
			return Expr{}, err
		}
		sb.WriteRune(r)
	}
}

// class reads a set of characters, from after its bracket.
func (p *reader) class() (Expr, error) {
	not := p.peek() == '^'
	if not {
		p.at++
	}
	var set []span
	for {
		if p.at >= len(p.text) || p.peek() == '\n' {
			return Expr{}, fmt.Errorf("a bracket is not closed: write \\n for the end of a line")
		}
		if p.peek() == ']' {
			p.at++
			break
		}
		lo, err := p.char()
		if err != nil {
			return Expr{}, err
		}
		hi := lo
		if p.peek() == '-' && p.at+1 < len(p.text) && p.text[p.at+1] != ']' {
			p.at++
			if hi, err = p.char(); err != nil {
				return Expr{}, err
			}
		}
		if hi < lo {
			return Expr{}, fmt.Errorf("[%c-%c]: the smaller character comes first", lo, hi)
		}
		set = append(set, span{lo, hi})
	}
	if not {
		set = inverted(set)
	}
	return Expr{op: opChar, set: merged(set)}, nil
}

// char reads one character, which may be escaped.
func (p *reader) char() (rune, error) {
	r, n := utf8.DecodeRuneInString(p.text[p.at:])
	p.at += n
	if r != '\\' || n == 0 {
		return r, nil
	}
	c := p.peek()
	p.at++
	switch c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'x', 'u', 'U':
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		if p.at+digits > len(p.text) {
			return 0, fmt.Errorf("\\%c needs %d hexadecimal digits", c, digits)
		}
		v, err := strconv.ParseUint(p.text[p.at:p.at+digits], 16, 32)
		if err != nil || !utf8.ValidRune(rune(v)) {
			return 0, fmt.Errorf("\\%c%s is no character: it needs %d hexadecimal digits of one", c, p.text[p.at:p.at+digits], digits)
		}
		p.at += digits
		return rune(v), nil
	case '\\', '"', '[', ']', '-', '^':
		return rune(c), nil
	}
	return 0, fmt.Errorf("\\%c is not known: there are \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\x \\u \\U", c)
}

func sortedSpans(set []span) []span {
	return slices.SortedFunc(slices.Values(set), func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
}

// merged returns a set without spans that overlap or touch.
func merged(set []span) (out []span) {
	for _, s := range sortedSpans(set) {
		if n := len(out); n > 0 && s.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}
