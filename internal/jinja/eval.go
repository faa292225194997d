package jinja

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// args are those of a call.
type args struct {
	list  []any
	named map[string]any
}

func (r *run) args(a arguments, s *scope) args {
	out := args{named: map[string]any{}}
	for _, e := range a.list {
		out.list = append(out.list, r.eval(e, s))
	}
	for _, n := range a.named {
		if _, twice := out.named[n.name]; twice {
			failf("the argument %.40s is given twice", n.name)
		}
		out.named[n.name] = r.eval(n.value, s)
	}
	return out
}

// fit puts arguments under the names of parameters; what is not given is not there.
func (a args) fit(what string, params ...string) map[string]any {
	if len(a.list) > len(params) {
		failf("%s takes %d arguments, not %d", what, len(params), len(a.list))
	}
	out := map[string]any{}
	for i, v := range a.list {
		out[params[i]] = v
	}
	for name, v := range a.named {
		_, twice := out[name]
		if twice || !slices.Contains(params, name) {
			failf("%s does not take the argument %.40s", what, name)
		}
		out[name] = v
	}
	return out
}

func (e literal) eval(*run, *scope) any { return e.value }

func (e name) eval(_ *run, s *scope) any {
	if v, ok := s.find(e.name); ok {
		return v
	}
	if f, ok := globals[e.name]; ok {
		return f
	}
	return undefined{e.name}
}

func (e listExpr) eval(r *run, s *scope) any {
	l := &list{tuple: e.tuple, items: make([]any, len(e.items))}
	for i, item := range e.items {
		l.items[i] = r.eval(item, s)
	}
	return l
}

func (e dictExpr) eval(r *run, s *scope) any {
	d := NewDict()
	for i, k := range e.keys {
		name := key(r.eval(k, s))
		d.put(name, r.eval(e.values[i], s))
	}
	return d
}

func key(v any) string {
	k, ok := v.(string)
	if !ok {
		failf("a %s is the key of an object: only texts are understood", typeName(v))
	}
	return k
}

func (e unary) eval(r *run, s *scope) any {
	v := r.eval(e.x, s)
	if e.op == "not" {
		return !truth(v)
	}
	switch v := known(v).(type) {
	case int64:
		if e.op == "-" {
			return -v
		}
		return v
	case float64:
		if e.op == "-" {
			return -v
		}
		return v
	}
	failf("%s is not for a %s", e.op, typeName(v))
	return nil
}

func (e either) eval(r *run, s *scope) any {
	switch {
	case truth(r.eval(e.test, s)):
		return r.eval(e.yes, s)
	case e.no == nil:
		return undefined{"the other branch of an if"}
	}
	return r.eval(e.no, s)
}

func (e chain) eval(r *run, s *scope) any {
	x := r.eval(e.first, s)
	for i, op := range e.ops {
		y := r.eval(e.rest[i], s)
		if !r.holds(op, x, y) {
			return false
		}
		x = y
	}
	return true
}

// holds compares two values.
func (r *run) holds(op string, x, y any) bool {
	switch op {
	case "==":
		return r.equal(x, y)
	case "!=":
		return !r.equal(x, y)
	case "in":
		return r.contains(y, x)
	case "not in":
		return !r.contains(y, x)
	}
	if a, b, ok := numbers(x, y); ok && (math.IsNaN(a) || math.IsNaN(b)) {
		return false
	}
	n := r.compare(x, y)
	return op == "<" && n < 0 || op == "<=" && n <= 0 || op == ">" && n > 0 || op == ">=" && n >= 0
}

func (e binary) eval(r *run, s *scope) any {
	x := r.eval(e.x, s)
	switch e.op {
	case "and":
		if !truth(x) {
			return x
		}
		return r.eval(e.y, s)
	case "or":
		if truth(x) {
			return x
		}
		return r.eval(e.y, s)
	}
	y := r.eval(e.y, s)
	if e.op == "~" {
		return r.text(r.str(x) + r.str(y))
	}
	return r.arithmetic(e.op, known(x), known(y))
}

// arithmetic computes with numbers, and adds and repeats texts and lists.
func (r *run) arithmetic(op string, x, y any) any {
	switch a := x.(type) {
	case string:
		if b, ok := y.(string); ok && op == "+" {
			return r.text(a + b)
		}
		if n, ok := y.(int64); ok && op == "*" {
			return r.repeat(a, n)
		}
	case *list:
		if b, ok := y.(*list); ok && op == "+" && a.tuple == b.tuple {
			r.spend(len(a.items) + len(b.items))
			return &list{slices.Concat(a.items, b.items), a.tuple}
		}
	}
	if n, ok := x.(int64); ok && op == "*" {
		if s, ok := y.(string); ok {
			return r.repeat(s, n)
		}
	}
	if _, _, ok := numbers(x, y); !ok {
		failf("%s is not for a %s and a %s", op, typeName(x), typeName(y))
	}
	_, floatX := x.(float64)
	_, floatY := y.(float64)
	if !floatX && !floatY && op != "/" {
		return whole(op, asInt(x, op), asInt(y, op))
	}
	a, b, _ := numbers(x, y)
	return broken(op, a, b)
}

func (r *run) repeat(s string, n int64) any {
	n = max(n, 0)
	if n > 0 && int64(len(s)) > MaxOutput/n {
		panic(fault{errOutput})
	}
	r.spend(1 + len(s)*int(n)/32)
	return strings.Repeat(s, int(n))
}

var errNumber = "the number is too large"

// whole computes with whole numbers, as Python rounds: down.
func whole(op string, a, b int64) any {
	switch op {
	case "+":
		if c := a + b; (c > a) == (b > 0) {
			return c
		}
	case "-":
		if c := a - b; (c < a) == (b > 0) {
			return c
		}
	case "*":
		if a == 0 || b == 0 {
			return int64(0)
		}
		if c := a * b; c/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64) {
			return c
		}
	case "//", "%":
		if b == 0 {
			failf("%s by zero", op)
		}
		if a == math.MinInt64 && b == -1 {
			break
		}
		q, m := a/b, a%b
		if m != 0 && (m < 0) != (b < 0) {
			q, m = q-1, m+b
		}
		if op == "//" {
			return q
		}
		return m
	case "**":
		if b < 0 {
			return broken(op, float64(a), float64(b))
		}
		if x := math.Pow(float64(a), float64(b)); math.Abs(x) < 1<<53 {
			return int64(x)
		}
	}
	failf("%s", errNumber)
	return nil
}

// broken computes with floats.
func broken(op string, a, b float64) any {
	if b == 0 && (op == "/" || op == "//" || op == "%") {
		failf("%s by zero", op)
	}
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "//":
		return math.Floor(a / b)
	case "%":
		m := math.Mod(a, b)
		if m != 0 && (m < 0) != (b < 0) {
			m += b
		}
		return m
	}
	x := math.Pow(a, b)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		failf("%s", errNumber)
	}
	return x
}

func (e attr) eval(r *run, s *scope) any { return r.attribute(r.eval(e.x, s), e.name) }

// attribute is x.name: of an object its value of that key, unless a method is called
// so.
func (r *run) attribute(x any, name string) any {
	switch x := known(x).(type) {
	case *Dict:
		if m := dictMethod(x, name); m != nil {
			return m
		}
		if v, ok := x.values[name]; ok {
			return v
		}
	case *space:
		if v, ok := x.vars[name]; ok {
			return v
		}
	case *loop:
		return x.get(name)
	case string:
		if m := stringMethod(x, name); m != nil {
			return m
		}
	case *list:
		if m := listMethod(x, name); m != nil {
			return m
		}
	}
	return undefined{"the attribute " + name + " of a " + typeName(x)}
}

func (e index) eval(r *run, s *scope) any { return r.item(r.eval(e.x, s), r.eval(e.i, s)) }

// item is x[i]. What is not there is undefined, as Jinja has it.
func (r *run) item(x, i any) any {
	none := undefined{"an item of a " + typeName(x)}
	switch x := known(x).(type) {
	case *Dict:
		if k, ok := i.(string); ok {
			if v, ok := x.values[k]; ok {
				return v
			}
			return r.attribute(x, k)
		}
	case *list:
		if n, ok := i.(int64); ok {
			if n < 0 {
				n += int64(len(x.items))
			}
			if n >= 0 && n < int64(len(x.items)) {
				return x.items[n]
			}
		}
	case string:
		if n, ok := i.(int64); ok {
			r.text(x)
			c := []rune(x)
			if n < 0 {
				n += int64(len(c))
			}
			if n >= 0 && n < int64(len(c)) {
				return string(c[n])
			}
		}
	}
	if k, ok := i.(string); ok {
		return r.attribute(x, k)
	}
	return none
}

func (e sliced) eval(r *run, s *scope) any {
	x := known(r.eval(e.x, s))
	bound := func(e expr) (int64, bool) {
		if e == nil {
			return 0, false
		}
		v := r.eval(e, s)
		if v == nil {
			return 0, false
		}
		return asInt(v, "a part of a slice"), true
	}
	from, hasFrom := bound(e.from)
	to, hasTo := bound(e.to)
	step, hasStep := bound(e.step)
	if !hasStep {
		step = 1
	}
	if step == 0 {
		failf("the step of a slice is zero")
	}
	switch x := x.(type) {
	case string:
		if !hasFrom && !hasTo && step == 1 {
			return x
		}
		r.spend(len(x) / 8)
		c := []rune(x)
		var b strings.Builder
		for _, i := range places(int64(len(c)), from, to, step, hasFrom, hasTo) {
			b.WriteRune(c[i])
		}
		return b.String()
	case *list:
		r.spend(len(x.items))
		out := &list{tuple: x.tuple}
		for _, i := range places(int64(len(x.items)), from, to, step, hasFrom, hasTo) {
			out.items = append(out.items, x.items[i])
		}
		return out
	}
	failf("a %s cannot be sliced", typeName(x))
	return nil
}

// places are the indices of Python's slice of a sequence of n.
func places(n, from, to, step int64, hasFrom, hasTo bool) (out []int64) {
	clip := func(i, least, most int64) int64 {
		if i < 0 {
			i += n
		}
		return min(max(i, least), most)
	}
	if step > 0 {
		first, end := int64(0), n
		if hasFrom {
			first = clip(from, 0, n)
		}
		if hasTo {
			end = clip(to, 0, n)
		}
		for i := first; i < end && i >= 0; i += min(step, n+1) {
			out = append(out, i)
		}
		return out
	}
	first, end := n-1, int64(-1)
	if hasFrom {
		first = clip(from, -1, n-1)
	}
	if hasTo {
		end = clip(to, -1, n-1)
	}
	for i := first; i > end; i += max(step, -n-1) {
		out = append(out, i)
	}
	return out
}

func (e call) eval(r *run, s *scope) any {
	f, ok := known(r.eval(e.f, s)).(function)
	if !ok {
		failf("what is called is no function")
	}
	return f.call(r, r.args(e.args, s))
}

func (e filtered) eval(r *run, s *scope) any { return r.filter(e.pipe, r.eval(e.x, s), s) }

func (r *run) filter(f filterCall, x any, s *scope) any {
	return filters[f.name](r, x, r.args(f.args, s))
}

func (e tested) eval(r *run, s *scope) any {
	return tests[e.test](r, r.eval(e.x, s), r.args(e.args, s)) != e.not
}

// runes counts characters.
func runes(s string) int { return utf8.RuneCountInString(s) }
