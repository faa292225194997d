package jinja

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Dict is an object whose keys have an order.
type Dict struct {
	keys   []string
	values map[string]any
}

// NewDict makes an empty object.
func NewDict() *Dict { return &Dict{values: map[string]any{}} }

// Set sets a value; a new key comes last.
func (d *Dict) Set(key string, v any) *Dict {
	d.put(key, from(v))
	return d
}

// put sets a value of this package's own.
func (d *Dict) put(key string, v any) {
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
}

// list is a list or a tuple.
type list struct {
	items []any
	tuple bool
}

// space is a namespace, the one thing that a template may change.
type space struct{ vars map[string]any }

// undefined stands for what is not there.
type undefined struct{ what string }

// function is what can be called.
type function struct {
	name string
	call func(r *run, a args) any
}

// from makes a value of what a caller gave.
func from(v any) any {
	switch v := v.(type) {
	case nil, bool, string, int64, float64, *Dict, *list, undefined:
		return v
	case int:
		return int64(v)
	case []any:
		l := &list{}
		for _, item := range v {
			l.items = append(l.items, from(item))
		}
		return l
	case map[string]any:
		d := NewDict()
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			d.Set(k, v[k])
		}
		return d
	}
	failf("a value of the type %T cannot be given to a template", v)
	return nil
}

// typeName is Python's name of a value's type.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "str"
	case int64:
		return "int"
	case float64:
		return "float"
	case *list:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *Dict:
		return "dict"
	case *space:
		return "namespace"
	case undefined:
		return "undefined"
	}
	return "function"
}

// known refuses what is not there.
func known(v any) any {
	if u, ok := v.(undefined); ok {
		failf("%s is undefined", u.what)
	}
	return v
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case float64:
		return v != 0
	case *list:
		return len(v.items) > 0
	case *Dict:
		return len(v.keys) > 0
	}
	return true
}

// str is Python's str of a value.
func (r *run) str(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return r.repr(v, 0)
}

// repr is Python's repr of a value, but "" for what is not there.
func (r *run) repr(v any, depth int) string {
	r.spend(1)
	if depth > MaxDepth {
		panic(fault{errDepth})
	}
	switch v := v.(type) {
	case nil:
		return "None"
	case undefined:
		return ""
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return reprFloat(v)
	case string:
		return r.text(quote(v))
	case *list:
		parts := make([]string, len(v.items))
		for i, item := range v.items {
			parts[i] = r.repr(item, depth+1)
		}
		inner := strings.Join(parts, ", ")
		switch {
		case !v.tuple:
			return r.text("[" + inner + "]")
		case len(parts) == 1:
			return r.text("(" + inner + ",)")
		}
		return r.text("(" + inner + ")")
	case *Dict:
		parts := make([]string, len(v.keys))
		for i, k := range v.keys {
			parts[i] = quote(k) + ": " + r.repr(v.values[k], depth+1)
		}
		return r.text("{" + strings.Join(parts, ", ") + "}")
	}
	failf("a %s cannot be written", typeName(v))
	return ""
}

// reprFloat is Python's repr of a float.
func reprFloat(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 0):
		return strings.TrimPrefix(strconv.FormatFloat(x, 'f', -1, 64), "+")[:map[bool]int{true: 3, false: 4}[x > 0]]
	case x != 0 && (math.Abs(x) < 1e-4 || math.Abs(x) >= 1e16):
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote is Python's repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.WriteByte(q)
	for _, c := range s {
		switch {
		case c == rune(q) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case strconv.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			b.WriteString(`\x` + hex(c, 2))
		case c < 0x10000:
			b.WriteString(`\u` + hex(c, 4))
		default:
			b.WriteString(`\U` + hex(c, 8))
		}
	}
	b.WriteByte(q)
	return b.String()
}

func hex(c rune, digits int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", digits-len(s)) + s
}

// equal is Python's ==.
func (r *run) equal(a, b any) bool {
	r.enter()
	defer r.leave()
	r.spend(1)
	if x, y, ok := numbers(a, b); ok {
		return x == y
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case undefined:
		_, ok := b.(undefined)
		return ok
	case string:
		s, ok := b.(string)
		return ok && s == a
	case *list:
		l, ok := b.(*list)
		return ok && l.tuple == a.tuple && slices.EqualFunc(a.items, l.items, r.equal)
	case *Dict:
		d, ok := b.(*Dict)
		if !ok || len(d.keys) != len(a.keys) {
			return false
		}
		for _, k := range a.keys {
			v, ok := d.values[k]
			if !ok || !r.equal(a.values[k], v) {
				return false
			}
		}
		return true
	}
	return a == b
}

// numbers are two values as numbers, if they are: bools are 0 and 1.
func numbers(a, b any) (x, y float64, ok bool) {
	x, okX := asFloat(a)
	y, okY := asFloat(b)
	return x, y, okX && okY
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// asInt is a value as an index or a count.
func asInt(v any, what string) int64 {
	switch v := known(v).(type) {
	case bool:
		if v {
			return 1
		}
		return 0
	case int64:
		return v
	}
	failf("%s is a %s: it should be a whole number", what, typeName(v))
	return 0
}

// compare orders two values: numbers, texts, lists.
func (r *run) compare(a, b any) int {
	r.enter()
	defer r.leave()
	r.spend(1)
	if x, y, ok := numbers(a, b); ok {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	if s, ok := a.(string); ok {
		if t, ok := b.(string); ok {
			r.text(s)
			return strings.Compare(s, t)
		}
	}
	if l, ok := a.(*list); ok {
		if m, ok := b.(*list); ok && l.tuple == m.tuple {
			return slices.CompareFunc(l.items, m.items, r.compare)
		}
	}
	failf("a %s and a %s have no order", typeName(known(a)), typeName(known(b)))
	return 0
}

// items are what a value holds, one after the other.
func (r *run) items(v any) []any {
	switch v := v.(type) {
	case undefined:
		return nil
	case *list:
		return v.items
	case *Dict:
		out := make([]any, len(v.keys))
		for i, k := range v.keys {
			out[i] = k
		}
		r.spend(len(out))
		return out
	case string:
		out := make([]any, 0, len(v))
		r.spend(len(v))
		for _, c := range v {
			out = append(out, string(c))
		}
		return out
	}
	failf("a %s has no items", typeName(v))
	return nil
}

// length is Python's len.
func length(v any) int64 {
	switch v := v.(type) {
	case undefined:
		return 0
	case string:
		return int64(utf8.RuneCountInString(v))
	case *list:
		return int64(len(v.items))
	case *Dict:
		return int64(len(v.keys))
	}
	failf("a %s has no length", typeName(v))
	return 0
}

// contains is Python's in.
func (r *run) contains(in, v any) bool {
	switch in := in.(type) {
	case string:
		s, ok := known(v).(string)
		if !ok {
			failf("a %s cannot be in a text", typeName(v))
		}
		r.text(in)
		return strings.Contains(in, s)
	case *Dict:
		k, ok := v.(string)
		_, has := in.values[k]
		return ok && has
	}
	return slices.ContainsFunc(r.items(in), func(item any) bool { return r.equal(item, v) })
}
