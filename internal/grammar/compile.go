package grammar

import (
	"fmt"
	"strings"
)

// compiler turns expressions into rules.
type compiler struct {
	g      *Grammar
	named  map[string]int32
	owner  []string // by rule: the named rule that it is a part of
	loops  []loop
	setOf  map[byteSet]int32
	build  [][][]int32 // by rule: its alternatives
	symbol int         // how many there are
	err    error
}

// loop is a repetition without end: rule repeats item.
type loop struct{ rule, item int32 }

// rule makes a new rule without alternatives.
func (c *compiler) rule(owner string) int32 {
	c.owner = append(c.owner, owner)
	c.build = append(c.build, nil)
	return int32(len(c.build) - 1)
}

func (c *compiler) alternative(rule int32, syms []int32) {
	c.symbol += len(syms) + 1
	if c.symbol > MaxSymbols {
		c.fail(errTooLarge)
		return
	}
	c.build[rule] = append(c.build[rule], syms)
}

func (c *compiler) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// define gives a rule the alternatives of an expression.
func (c *compiler) define(rule int32, owner string, e Expr) {
	if c.err != nil {
		return
	}
	switch e.op {
	case opOr:
		for _, part := range e.of {
			c.alternative(rule, c.expr(nil, owner, part))
		}
	case opChar:
		for _, alt := range c.chars(e.set) {
			c.alternative(rule, alt)
		}
	default:
		c.alternative(rule, c.expr(nil, owner, e))
	}
	if len(c.build[rule]) == 0 && c.err == nil {
		c.fail(fmt.Errorf("grammar: in the rule %.40q a set of characters or a choice is empty: nothing matches it", owner))
	}
}

// expr appends the symbols of an expression.
func (c *compiler) expr(to []int32, owner string, e Expr) []int32 {
	if c.err != nil {
		return to
	}
	switch e.op {
	case opText:
		if len(e.text) > MaxSymbols {
			c.fail(errTooLarge)
			return to
		}
		for i := range len(e.text) {
			var s byteSet
			s.add(e.text[i])
			to = append(to, c.set(s))
		}
		return to
	case opSeq:
		for _, part := range e.of {
			to = c.expr(to, owner, part)
		}
		return to
	case opRule:
		at, ok := c.named[e.text]
		if !ok {
			c.fail(fmt.Errorf("grammar: the rule %.40q uses %.40q, which is no rule", owner, e.text))
		}
		return append(to, at)
	case opChar:
		if alts := c.chars(e.set); len(alts) == 1 {
			return append(to, alts[0]...)
		}
	case opRepeat:
		return c.repeat(to, owner, e)
	case opWords:
		return append(to, c.words(owner, e.of))
	}
	rule := c.rule(owner)
	c.define(rule, owner, e)
	return append(to, rule)
}

// repeat appends the symbols of a repetition.
func (c *compiler) repeat(to []int32, owner string, e Expr) []int32 {
	if e.min < 0 || e.min > MaxRepeat || e.max > MaxRepeat || e.max >= 0 && e.max < e.min {
		c.fail(fmt.Errorf("grammar: the rule %.40q repeats something %d to %d times: allowed are 0 to %d, the smaller number first", owner, e.min, e.max, MaxRepeat))
		return to
	}
	item := c.expr(nil, owner, e.of[0])
	if len(item) != 1 { // a rule of its own, to be written once
		rule := c.rule(owner)
		c.alternative(rule, item)
		item = []int32{rule}
	}
	for range e.min {
		to = append(to, item[0])
	}
	if e.max < 0 {
		many := c.rule(owner)
		c.alternative(many, []int32{item[0], many})
		c.alternative(many, nil)
		c.loops = append(c.loops, loop{many, item[0]})
		return append(to, many)
	}
	more := int32(-1)
	for range e.max - e.min {
		rule := c.rule(owner)
		syms := []int32{item[0]}
		if more >= 0 {
			syms = append(syms, more)
		}
		c.alternative(rule, syms)
		c.alternative(rule, nil)
		more = rule
	}
	if more >= 0 {
		to = append(to, more)
	}
	return to
}

// set returns the symbol for one byte of a set.
func (c *compiler) set(s byteSet) int32 {
	at, ok := c.setOf[s]
	if !ok {
		at = int32(len(c.g.sets))
		c.setOf[s] = at
		c.g.sets = append(c.g.sets, s)
	}
	return ^at
}

// words makes rules of a list of texts.
func (c *compiler) words(owner string, texts []Expr) int32 {
	if len(texts) == 0 {
		c.fail(fmt.Errorf("grammar: in the rule %.40q a choice is empty: nothing matches it", owner))
		return 0
	}
	list := make([]string, len(texts))
	for i, e := range texts {
		list[i] = e.text
	}
	nodes := factor(list)
	rules := make([]int32, len(nodes))
	for i, all := range nodes { // what one leads to comes before it
		rules[i] = c.rule(owner)
		for _, b := range all {
			syms := c.expr(nil, owner, Text(b.text))
			if b.next >= 0 {
				syms = append(syms, rules[b.next])
			}
			c.alternative(rules[i], syms)
		}
	}
	return rules[len(rules)-1]
}

// check refuses what cannot be followed, and lays the rules out.
func (c *compiler) check() error {
	if c.err != nil {
		return c.err
	}
	ends, empty := c.derives(false), c.derives(true)
	for rule, ok := range ends {
		if !ok {
			return fmt.Errorf("grammar: the rule %.40q never ends: each of its alternatives needs the rule itself again", c.owner[rule])
		}
	}
	for _, l := range c.loops {
		if l.item >= 0 && empty[l.item] {
			return fmt.Errorf("grammar: the rule %.40q repeats without end something that may be empty: let what is repeated have at least one character", c.owner[l.rule])
		}
	}
	if err := c.leftRecursion(empty); err != nil {
		return err
	}
	for _, alts := range c.build {
		var at []int32
		for _, syms := range alts {
			at = append(at, int32(len(c.g.syms)))
			c.g.syms = append(append(c.g.syms, syms...), symEnd)
		}
		c.g.alts = append(c.g.alts, at)
	}
	return nil
}

// derives says of each rule whether it derives a text, or the empty one: for
// each alternative the symbols are counted that are not known to. Time is linear.
func (c *compiler) derives(nothing bool) []bool {
	type alternative struct {
		rule  int32
		lacks int
	}
	var alts []alternative
	users := make([][]int, len(c.build)) // alternatives, once for each use
	can := make([]bool, len(c.build))
	var work []int32
	solve := func(a alternative) {
		if a.lacks == 0 && !can[a.rule] {
			can[a.rule] = true
			work = append(work, a.rule)
		}
	}
	for rule, list := range c.build {
		for _, syms := range list {
			a := alternative{rule: int32(rule)}
			for _, s := range syms {
				switch {
				case s >= 0:
					a.lacks++
					users[s] = append(users[s], len(alts))
				case nothing:
					a.lacks++ // forever: it is a byte
				}
			}
			alts = append(alts, a)
			solve(a)
		}
	}
	for len(work) > 0 {
		rule := work[len(work)-1]
		work = work[:len(work)-1]
		for _, i := range users[rule] {
			alts[i].lacks--
			solve(alts[i])
		}
	}
	return can
}

// leftRecursion looks for a rule that can begin with itself.
func (c *compiler) leftRecursion(empty []bool) error {
	const open, done = 1, 2
	seen := make([]uint8, len(c.build))
	var path []int32
	var visit func(rule int32) error
	visit = func(rule int32) error {
		switch seen[rule] {
		case done:
			return nil
		case open:
			return c.recursion(path, rule)
		}
		seen[rule] = open
		path = append(path, rule)
		for _, syms := range c.build[rule] {
			for _, s := range syms {
				if s < 0 {
					break
				}
				if err := visit(s); err != nil {
					return err
				}
				if !empty[s] {
					break
				}
			}
		}
		path = path[:len(path)-1]
		seen[rule] = done
		return nil
	}
	for rule := range c.build {
		if err := visit(int32(rule)); err != nil {
			return err
		}
	}
	return nil
}

// recursion is the error about a rule that begins with itself, by way of others.
func (c *compiler) recursion(path []int32, rule int32) error {
	var names []string
	for i := len(path) - 1; i >= 0; i-- {
		if name := c.owner[path[i]]; len(names) == 0 || names[0] != name {
			names = append([]string{name}, names...)
		}
		if path[i] == rule {
			break
		}
	}
	names = append(names, c.owner[rule])
	if len(names) > 2 && names[len(names)-1] == names[len(names)-2] {
		names = names[:len(names)-1]
	}
	if len(names) > 6 {
		names = append(append(names[:3:3], "…"), names[len(names)-2:]...)
	}
	return fmt.Errorf("grammar: the rule %.40q begins with itself (%.200s): let something come before it, or write a repetition", c.owner[rule], strings.Join(names, " → "))
}

// classify finds the classes of bytes that no set tells apart.
func (g *Grammar) classify() {
	known := map[string]uint8{}
	var first []byte // of each class
	for b := range 256 {
		var key strings.Builder
		for i := range g.sets {
			if g.sets[i].has(byte(b)) {
				fmt.Fprintf(&key, "%d,", i)
			}
		}
		class, ok := known[key.String()]
		if !ok {
			class = uint8(len(first))
			known[key.String()] = class
			first = append(first, byte(b))
		}
		g.class[b] = class
	}
	g.classes = len(first)
	for i := range g.sets {
		in := make([]uint64, 4)
		for class, b := range first {
			if g.sets[i].has(b) {
				in[class>>6] |= 1 << (class & 63)
			}
		}
		g.inSet = append(g.inSet, in)
	}
}
