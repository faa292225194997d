package jinja

import (
	"strconv"
	"strings"
)

// tuple reads expressions with commas between them: a tuple, if there is a comma.
func (p *parser) tuple() expr { return p.listOf(p.expression) }

func (p *parser) listOf(one func() expr) expr {
	first := one()
	if !p.is(",") {
		return first
	}
	items := []expr{first}
	for p.take(",") {
		if k := p.peek().kind; k == tokTagEnd || k == tokVarEnd || p.is(")") || p.is("if") {
			break
		}
		items = append(items, one())
	}
	return listExpr{items, true}
}

// expression reads one, a condition included.
func (p *parser) expression() expr {
	defer p.deeper()()
	x := p.or()
	for p.take("if") {
		e := either{yes: x, test: p.or()}
		if p.take("else") {
			e.no = p.expression()
		}
		x = e
	}
	return x
}

// left reads operators of one rank, from the left.
func (p *parser) left(operand func() expr, ops ...string) expr {
	x := operand()
	for {
		op := ""
		for _, o := range ops {
			if p.take(o) {
				op = o
				break
			}
		}
		if op == "" {
			return x
		}
		x = binary{op, x, operand()}
	}
}

func (p *parser) or() expr  { return p.left(p.and, "or") }
func (p *parser) and() expr { return p.left(p.not, "and") }

func (p *parser) not() expr {
	if p.take("not") {
		defer p.deeper()()
		return unary{"not", p.not()}
	}
	return p.comparison()
}

func (p *parser) comparison() expr {
	c := chain{first: p.sum()}
	for {
		op := ""
		switch t := p.peek(); {
		case t.kind == tokOperator && (t.text == "==" || t.text == "!=" || t.text == "<" || t.text == "<=" || t.text == ">" || t.text == ">="):
			op = p.next().text
		case p.take("in"):
			op = "in"
		case p.is("not") && p.tokens[p.at+1].kind == tokName && p.tokens[p.at+1].text == "in":
			p.at += 2
			op = "not in"
		}
		if op == "" {
			break
		}
		c.ops = append(c.ops, op)
		c.rest = append(c.rest, p.sum())
	}
	if len(c.ops) == 0 {
		return c.first
	}
	return c
}

func (p *parser) sum() expr     { return p.left(p.joined, "+", "-") }
func (p *parser) joined() expr  { return p.left(p.product, "~") }
func (p *parser) product() expr { return p.left(p.power, "*", "//", "/", "%") }
func (p *parser) power() expr   { return p.left(p.operand, "**") }
func (p *parser) operand() expr { return p.piped(p.signed()) }

// signed reads a value with its sign, without the filters behind it.
func (p *parser) signed() expr {
	for _, op := range []string{"-", "+"} {
		if p.take(op) {
			defer p.deeper()()
			return unary{op, p.signed()}
		}
	}
	return p.postfix(p.primary())
}

// piped reads filters and tests behind an expression.
func (p *parser) piped(x expr) expr {
	for n := 0; ; n++ {
		if n > MaxDepth {
			panic(fault{errDepth})
		}
		switch {
		case p.take("|"):
			x = filtered{x, p.filter()}
		case p.is("is"):
			p.next()
			x = p.test(x)
		default:
			return x
		}
	}
}

// filter reads a filter's name and arguments.
func (p *parser) filter() filterCall {
	line := p.peek().line
	f := filterCall{name: p.word()}
	if _, ok := filters[f.name]; !ok {
		failf("line %d: the filter %.40q is not understood", line, f.name)
	}
	if p.take("(") {
		f.args = p.arguments()
	}
	return f
}

// test reads what comes after "is".
func (p *parser) test(x expr) expr {
	line := p.peek().line
	t := tested{x: x, not: p.take("not"), test: p.word()}
	if _, ok := tests[t.test]; !ok {
		failf("line %d: the test %.40q is not understood", line, t.test)
	}
	switch k := p.peek(); {
	case p.take("("):
		t.args = p.arguments()
	case k.kind == tokString, k.kind == tokInt, k.kind == tokFloat,
		k.kind == tokName && !isWord[k.text], k.kind == tokOperator && (k.text == "[" || k.text == "{"):
		t.args.list = []expr{p.postfix(p.primary())}
	}
	return t
}

// isWord are the words that end a test without arguments.
var isWord = map[string]bool{"else": true, "or": true, "and": true, "is": true, "if": true, "in": true, "not": true}

// arguments reads those of a call behind its bracket.
func (p *parser) arguments() (a arguments) {
	for !p.take(")") {
		if len(a.list)+len(a.named) > MaxDepth {
			failf("line %d: a call has more than %d arguments", p.peek().line, MaxDepth)
		}
		t := p.peek()
		if after := p.tokens[min(p.at+1, len(p.tokens)-1)]; t.kind == tokName && after.kind == tokOperator && after.text == "=" {
			p.at += 2
			a.named = append(a.named, namedArg{t.text, p.expression()})
		} else {
			if len(a.named) > 0 {
				failf("line %d: an argument without a name comes after one with a name", t.line)
			}
			a.list = append(a.list, p.expression())
		}
		if !p.is(")") {
			p.want(",")
		}
	}
	return a
}

// postfix reads attributes, indices and calls.
func (p *parser) postfix(x expr) expr {
	for n := 0; ; n++ {
		if n > MaxDepth {
			panic(fault{errDepth})
		}
		switch {
		case p.take("."):
			if t := p.peek(); t.kind == tokInt {
				p.next()
				x = index{x, literal{number(t)}}
			} else {
				x = attr{x, p.word()}
			}
		case p.take("["):
			x = p.subscript(x)
		case p.take("("):
			x = call{x, p.arguments()}
		default:
			return x
		}
	}
}

func (p *parser) subscript(x expr) expr {
	var parts [3]expr
	colons := 0
	for !p.take("]") {
		switch {
		case p.take(":"):
			if colons++; colons > 2 {
				failf("line %d: a slice has more than three parts", p.peek().line)
			}
		case parts[colons] != nil:
			failf("line %d: there is %s in an index", p.peek().line, p.peek())
		default:
			parts[colons] = p.expression()
		}
	}
	if colons > 0 {
		return sliced{x, parts[0], parts[1], parts[2]}
	}
	if parts[0] == nil {
		failf("line %d: an index is empty", p.peek().line)
	}
	return index{x, parts[0]}
}

// constants are names that stand for values.
var constants = map[string]any{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

func (p *parser) primary() expr {
	defer p.deeper()()
	switch t := p.next(); t.kind {
	case tokName:
		if v, ok := constants[t.text]; ok {
			return literal{v}
		}
		return name{t.text}
	case tokString:
		parts := []string{t.text}
		for p.peek().kind == tokString { // one after the other are one
			parts = append(parts, p.next().text)
		}
		return literal{strings.Join(parts, "")}
	case tokInt, tokFloat:
		return literal{number(t)}
	case tokOperator:
		switch t.text {
		case "(":
			return p.bracketed()
		case "[":
			return listExpr{items: p.items("]")}
		case "{":
			return p.dict()
		}
		failf("line %d: %q cannot be here", t.line, t.text)
	default:
		failf("line %d: there is %s where a value should be", t.line, t)
	}
	return nil
}

func (p *parser) bracketed() expr {
	if p.take(")") {
		return listExpr{tuple: true}
	}
	x := p.tuple()
	p.want(")")
	return x
}

// items reads values up to a bracket.
func (p *parser) items(end string) (out []expr) {
	for !p.take(end) {
		out = append(out, p.expression())
		if !p.is(end) {
			p.want(",")
		}
	}
	return out
}

func (p *parser) dict() expr {
	var d dictExpr
	for !p.take("}") {
		d.keys = append(d.keys, p.expression())
		p.want(":")
		d.values = append(d.values, p.expression())
		if !p.is("}") {
			p.want(",")
		}
	}
	return d
}

// number is that of a token.
func number(t token) any {
	if t.kind == tokInt {
		n, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			failf("line %d: the number %.30s is too large", t.line, t.text)
		}
		return n
	}
	x, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		failf("line %d: the number %.30s is too large", t.line, t.text)
	}
	return x
}
