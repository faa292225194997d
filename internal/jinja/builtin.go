package jinja

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// globals are the functions of every template.
var globals = map[string]any{
	"range": function{"range", func(r *run, a args) any {
		from, to, step := int64(0), int64(0), int64(1)
		switch n := len(a.list); n {
		case 1:
			to = asInt(a.list[0], "range")
		case 2, 3:
			from, to = asInt(a.list[0], "range"), asInt(a.list[1], "range")
			if n == 3 {
				step = asInt(a.list[2], "range")
			}
		default:
			failf("range takes one to three numbers")
		}
		if step == 0 {
			failf("range: the step is zero")
		}
		out := &list{}
		for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
			r.spend(1)
			out.items = append(out.items, i)
			if step > 0 && i > math.MaxInt64-step || step < 0 && i < math.MinInt64-step {
				break
			}
		}
		return out
	}},
	"namespace": function{"namespace", func(r *run, a args) any {
		ns := &space{vars: map[string]any{}}
		for _, v := range a.list {
			d, ok := v.(*Dict)
			if !ok {
				failf("namespace takes an object, or values by name")
			}
			r.spend(len(d.keys))
			for _, k := range d.keys {
				ns.vars[k] = d.values[k]
			}
		}
		for k, v := range a.named {
			ns.vars[k] = v
		}
		return ns
	}},
	"dict": function{"dict", func(_ *run, a args) any {
		if len(a.list) > 0 {
			failf("dict takes values by name")
		}
		d := NewDict()
		for _, k := range slices.Sorted(keys(a.named)) {
			d.put(k, a.named[k])
		}
		return d
	}},
	"raise_exception": function{"raise_exception", func(r *run, a args) any {
		message := ""
		if len(a.list) > 0 {
			message = r.str(a.list[0])
		}
		panic(fault{&Raised{message}})
	}},
	"strftime_now": function{"strftime_now", func(r *run, a args) any {
		format, ok := any(nil), len(a.list) == 1
		if ok {
			format = a.list[0]
		}
		s, ok := format.(string)
		if !ok {
			failf("strftime_now takes a format")
		}
		return r.text(strftime(r.now, s))
	}},
}

func keys(m map[string]any) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// dateForms are the letters of strftime, in Go's form.
var dateForms = map[byte]string{
	'd': "02", 'm': "01", 'Y': "2006", 'y': "06", 'B': "January", 'b': "Jan", 'A': "Monday", 'a': "Mon",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'z': "-0700", 'Z': "MST",
	'F': "2006-01-02", 'T': "15:04:05", 'e': "_2",
}

func strftime(now time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		form, ok := dateForms[format[i]]
		switch {
		case ok:
			b.WriteString(now.Format(form))
		case format[i] == '%':
			b.WriteByte('%')
		default:
			failf("strftime_now: %%%c is not understood", format[i])
		}
	}
	return b.String()
}

// tests are what may come after "is".
var tests map[string]func(r *run, x any, a args) bool

func isType[T any](_ *run, x any, _ args) bool { _, ok := x.(T); return ok }

func not(test func(*run, any, args) bool) func(*run, any, args) bool {
	return func(r *run, x any, a args) bool { return !test(r, x, a) }
}

// compared is a test that compares with its argument.
func compared(op string) func(*run, any, args) bool {
	return func(r *run, x any, a args) bool { return r.holds(op, x, one(a, op)) }
}

// one is a call's only argument.
func one(a args, what string) any {
	if len(a.list) != 1 || len(a.named) > 0 {
		failf("%s takes one argument", what)
	}
	return a.list[0]
}

func init() {
	isNone := func(_ *run, x any, _ args) bool { return x == nil }
	isNumber := func(_ *run, x any, _ args) bool { _, ok := asFloat(x); return ok }
	divides := func(by func(a args) int64, rest int64) func(*run, any, args) bool {
		return func(_ *run, x any, a args) bool {
			return whole("%", asInt(x, "what is tested"), by(a)) == rest
		}
	}
	two := func(args) int64 { return 2 }
	sequence := func(_ *run, x any, _ args) bool {
		switch x.(type) {
		case string, *list, *Dict:
			return true
		}
		return false
	}
	tests = map[string]func(*run, any, args) bool{
		"defined": not(isType[undefined]), "undefined": isType[undefined],
		"none": isNone, "boolean": isType[bool], "string": isType[string], "mapping": isType[*Dict], "integer": isType[int64], "float": isType[float64],
		"number": isNumber, "sequence": sequence, "callable": isType[function],
		"iterable": func(r *run, x any, a args) bool { return sequence(r, x, a) || isType[undefined](r, x, a) },
		"true":     func(_ *run, x any, _ args) bool { return x == true }, "false": func(_ *run, x any, _ args) bool { return x == false },
		"even": divides(two, 0), "odd": divides(two, 1),
		"divisibleby": divides(func(a args) int64 { return asInt(one(a, "divisibleby"), "divisibleby") }, 0),
		"eq":          compared("=="), "equalto": compared("=="), "ne": compared("!="), "lt": compared("<"), "lessthan": compared("<"),
		"le": compared("<="), "gt": compared(">"), "greaterthan": compared(">"), "ge": compared(">="),
		"in": func(r *run, x any, a args) bool { return r.contains(one(a, "in"), x) },
		"sameas": func(_ *run, x any, a args) bool {
			return typeName(x) == typeName(one(a, "sameas")) && same(x, a.list[0])
		},
		"upper":  func(r *run, x any, _ args) bool { return stringMethods["isupper"].call(r, r.str(x), nil) == true },
		"lower":  func(r *run, x any, _ args) bool { return stringMethods["islower"].call(r, r.str(x), nil) == true },
		"filter": func(_ *run, x any, _ args) bool { s, ok := x.(string); _, has := filters[s]; return ok && has },
		"test":   func(_ *run, x any, _ args) bool { s, ok := x.(string); _, has := tests[s]; return ok && has },
	}
}

// same is Python's is, for what a template can see of it.
func same(x, y any) bool {
	switch x.(type) {
	case function:
		return false
	}
	return x == y
}

// asNumber reads a number as Python's int and float do, or says that it is none.
func asNumber(s string) (float64, bool) {
	x, err := strconv.ParseFloat(strings.TrimFunc(s, unicode.IsSpace), 64)
	return x, err == nil
}

// describe names a filter in errors.
func describe(name string) string { return fmt.Sprintf("the filter %s", name) }
