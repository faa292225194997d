package jinja

import (
	"maps"
	"strings"
)

// exec runs statements.
func (r *run) exec(body []node, s *scope) flow {
	r.enter()
	defer r.leave()
	for _, n := range body {
		r.spend(1)
		if f := n.exec(r, s); f != next {
			return f
		}
	}
	return next
}

// eval computes an expression.
func (r *run) eval(e expr, s *scope) any {
	r.enter()
	defer r.leave()
	r.spend(1)
	return e.eval(r, s)
}

func (n textNode) exec(r *run, _ *scope) flow {
	r.write(n.text)
	return next
}

func (n printNode) exec(r *run, s *scope) flow {
	r.write(r.str(r.eval(n.value, s)))
	return next
}

func (n groupNode) exec(r *run, s *scope) flow { return r.exec(n.body, s) }

func (n jumpNode) exec(*run, *scope) flow { return n.to }

func (n ifNode) exec(r *run, s *scope) flow {
	for i, test := range n.tests {
		if truth(r.eval(test, s)) {
			return r.exec(n.bodies[i], s)
		}
	}
	return r.exec(n.other, s)
}

func (n setNode) exec(r *run, s *scope) flow {
	var v any
	if n.value != nil {
		v = r.eval(n.value, s)
	} else {
		v = r.captured(n.body, s)
		for _, f := range n.pipe {
			v = r.filter(f, v, s)
		}
	}
	if n.attr != "" {
		at, _ := s.find(n.names[0])
		ns, ok := at.(*space)
		if !ok {
			failf("%s is no namespace: its %s cannot be set", n.names[0], n.attr)
		}
		ns.vars[n.attr] = v
		return next
	}
	r.assign(n.names, v, s)
	return next
}

// assign gives a name a value, or several names the items of one.
func (r *run) assign(names []string, v any, s *scope) {
	if len(names) == 1 {
		s.vars[names[0]] = v
		return
	}
	items := r.items(known(v))
	if len(items) != len(names) {
		failf("%d values are there for %d names", len(items), len(names))
	}
	for i, name := range names {
		s.vars[name] = items[i]
	}
}

// captured runs statements in a scope of their own, and returns what they write.
func (r *run) captured(body []node, s *scope) string {
	out := r.out
	defer func() { r.out = out }()
	r.out = &strings.Builder{}
	r.exec(body, &scope{vars: map[string]any{}, outer: s})
	return r.out.String()
}

func (n forNode) exec(r *run, s *scope) flow {
	items := r.items(r.eval(n.over, s))
	if n.filter != nil {
		var kept []any
		for _, item := range items {
			inner := &scope{vars: map[string]any{}, outer: s}
			r.assign(n.names, item, inner)
			if truth(r.eval(n.filter, inner)) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	if len(items) == 0 {
		return r.exec(n.other, s)
	}
	l := &loop{items: items}
	for i, item := range items {
		l.at = i
		inner := &scope{vars: map[string]any{"loop": l}, outer: s}
		r.assign(n.names, item, inner)
		if r.exec(n.body, inner) == breaks {
			break
		}
	}
	return next
}

// loop is what a template knows of the loop that it is in.
type loop struct {
	items   []any
	at      int
	changed any
	asked   bool // whether changed has a value
}

// get is an attribute of the loop.
func (l *loop) get(attr string) any {
	n := len(l.items)
	switch attr {
	case "index":
		return int64(l.at + 1)
	case "index0":
		return int64(l.at)
	case "revindex":
		return int64(n - l.at)
	case "revindex0":
		return int64(n - l.at - 1)
	case "first":
		return l.at == 0
	case "last":
		return l.at == n-1
	case "length":
		return int64(n)
	case "depth": // of a loop that calls itself, which none does
		return int64(1)
	case "depth0":
		return int64(0)
	case "previtem":
		if l.at > 0 {
			return l.items[l.at-1]
		}
	case "nextitem":
		if l.at+1 < n {
			return l.items[l.at+1]
		}
	case "cycle":
		return function{"cycle", func(_ *run, a args) any {
			if len(a.list) == 0 {
				failf("loop.cycle has nothing to take turns")
			}
			return a.list[l.at%len(a.list)]
		}}
	case "changed":
		return function{"changed", func(r *run, a args) any {
			v := &list{items: a.list}
			same := l.asked && r.equal(l.changed, v)
			l.changed, l.asked = v, true
			return !same
		}}
	}
	return undefined{"loop." + attr}
}

func (n macroNode) exec(_ *run, s *scope) flow {
	s.vars[n.name] = function{n.name, func(r *run, a args) any { return r.expand(n, s, a) }}
	return next
}

// expand calls a macro.
func (r *run) expand(n macroNode, s *scope, a args) any {
	vars := map[string]any{}
	if len(a.list) > len(n.params) {
		failf("the macro %s takes %d arguments, not %d", n.name, len(n.params), len(a.list))
	}
	named := maps.Clone(a.named)
	inner := &scope{vars: vars, outer: s}
	for i, param := range n.params {
		given, ok := named[param]
		delete(named, param)
		switch {
		case i < len(a.list):
			vars[param] = a.list[i]
		case ok:
			vars[param] = given
		case n.defaults[param] != nil:
			vars[param] = r.eval(n.defaults[param], inner)
		default:
			vars[param] = undefined{param}
		}
	}
	for name := range named {
		failf("the macro %s has no argument %.40s", n.name, name)
	}
	return r.captured(n.body, inner)
}
