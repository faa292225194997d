package jinja

import (
	"slices"
	"strings"
)

// parser reads tokens.
type parser struct {
	tokens []token
	at     int
	depth  int
	loops  int // that the parser is in
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

// is says whether the next token is an operator or a word.
func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == tokOperator || t.kind == tokName) && t.text == text
}

// take passes an operator or a word, if it is there.
func (p *parser) take(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) want(text string) {
	if !p.take(text) {
		failf("line %d: there is %s where %q should be", p.peek().line, p.peek(), text)
	}
}

// word passes a name.
func (p *parser) word() string {
	t := p.next()
	if t.kind != tokName {
		failf("line %d: there is %s where a name should be", t.line, t)
	}
	return t.text
}

// deeper counts nesting; the result ends it.
func (p *parser) deeper() func() {
	if p.depth++; p.depth > MaxDepth {
		panic(fault{errDepth})
	}
	return func() { p.depth-- }
}

// String describes a token in errors.
func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "the end of the template"
	case tokTagEnd, tokVarEnd:
		return "the end of the tag"
	case tokString:
		return "a string"
	case tokText:
		return "text"
	}
	if len(t.text) > 20 {
		return `"` + t.text[:20] + `…"`
	}
	return `"` + t.text + `"`
}

// blocks reads up to a tag whose first word is one of some, which it leaves behind
// its {%, or to the end of the template if there are none.
func (p *parser) blocks(until ...string) (out []node) {
	defer p.deeper()()
	for {
		switch t := p.next(); t.kind {
		case tokEOF:
			if len(until) > 0 {
				failf("the template ends where {%% %s %%} should be", strings.Join(until, " or "))
			}
			return out
		case tokText:
			out = append(out, textNode{t.text})
		case tokVarOpen:
			out = append(out, printNode{p.tuple()})
			p.end(tokVarEnd)
		default:
			if slices.ContainsFunc(until, p.is) {
				return out
			}
			out = append(out, p.statement())
		}
	}
}

func (p *parser) end(kind tokenKind) {
	if t := p.next(); t.kind != kind {
		failf("line %d: there is %s where the tag should end", t.line, t)
	}
}

// statement reads a tag behind its {%, with what belongs to it.
func (p *parser) statement() node {
	t := p.peek()
	switch word := p.word(); word {
	case "if":
		return p.ifs()
	case "for":
		return p.fors()
	case "set":
		return p.set()
	case "macro":
		return p.macro()
	case "break", "continue":
		p.end(tokTagEnd)
		if p.loops == 0 {
			failf("line %d: {%% %s %%} is in no loop", t.line, word)
		}
		return jumpNode{map[string]flow{"break": breaks, "continue": goesOn}[word]}
	case "generation":
		p.end(tokTagEnd)
		return groupNode{p.body("endgeneration")}
	default:
		failf("line %d: {%% %.20s %%} is not understood here", t.line, word)
		return nil
	}
}

// body reads blocks up to an end tag, and that.
func (p *parser) body(end string) []node {
	body := p.blocks(end)
	p.want(end)
	p.end(tokTagEnd)
	return body
}

func (p *parser) ifs() node {
	var n ifNode
	for {
		n.tests = append(n.tests, p.expression())
		p.end(tokTagEnd)
		n.bodies = append(n.bodies, p.blocks("elif", "else", "endif"))
		if p.take("elif") {
			continue
		}
		if p.take("else") {
			p.end(tokTagEnd)
			n.other = p.blocks("endif")
		}
		p.want("endif")
		p.end(tokTagEnd)
		return n
	}
}

// targets reads names with commas between them.
func (p *parser) targets() []string {
	bracket := p.take("(")
	names := []string{p.word()}
	for p.take(",") {
		if p.peek().kind != tokName || p.is("in") {
			break
		}
		names = append(names, p.word())
	}
	if bracket {
		p.want(")")
	}
	return names
}

func (p *parser) fors() node {
	n := forNode{names: p.targets()}
	p.want("in")
	// Without a condition of its own: an "if" here filters.
	n.over = p.listOf(p.or)
	if p.take("if") {
		n.filter = p.expression()
	}
	if p.is("recursive") {
		failf("line %d: loops that call themselves are not understood", p.peek().line)
	}
	p.end(tokTagEnd)
	p.loops++
	n.body = p.blocks("else", "endfor")
	p.loops--
	if p.take("else") {
		p.end(tokTagEnd)
		n.other = p.blocks("endfor")
	}
	p.want("endfor")
	p.end(tokTagEnd)
	return n
}

func (p *parser) set() node {
	n := setNode{names: p.targets()}
	if len(n.names) == 1 && p.take(".") {
		n.attr = p.word()
	}
	if p.take("=") {
		n.value = p.tuple()
		p.end(tokTagEnd)
		return n
	}
	if len(n.names) > 1 {
		failf("line %d: a block is set to one name", p.peek().line)
	}
	for p.take("|") {
		n.pipe = append(n.pipe, p.filter())
	}
	p.end(tokTagEnd)
	n.body = p.body("endset")
	return n
}

func (p *parser) macro() node {
	n := macroNode{name: p.word(), defaults: map[string]expr{}}
	p.want("(")
	for !p.take(")") {
		param := p.word()
		n.params = append(n.params, param)
		if p.take("=") {
			n.defaults[param] = p.expression()
		} else if len(n.defaults) > 0 {
			failf("line %d: the argument %s of a macro comes after one with a default", p.peek().line, param)
		}
		if !p.is(")") {
			p.want(",")
		}
	}
	p.end(tokTagEnd)
	loops := p.loops
	p.loops = 0
	n.body = p.body("endmacro")
	p.loops = loops
	return n
}
