package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// filters are what may come after "|".
var filters map[string]func(r *run, x any, a args) any

func init() {
	filters = map[string]func(r *run, x any, a args) any{
		"length": func(_ *run, x any, _ args) any { return length(x) },
		"count":  func(_ *run, x any, _ args) any { return length(x) },
		"string": func(r *run, x any, _ args) any { return r.str(x) },
		"safe":   func(r *run, x any, _ args) any { return r.str(x) },
		"list":   func(r *run, x any, _ args) any { return &list{items: r.items(x)} },
		"items": func(r *run, x any, _ args) any {
			switch x := x.(type) {
			case *Dict:
				return r.pairs(x)
			case undefined:
				return &list{}
			}
			failf("%s is for objects, not for a %s", describe("items"), typeName(x))
			return nil
		},
		"default": otherwise, "d": otherwise,
		"first": func(r *run, x any, _ args) any { return end(r.items(x), 0) },
		"last":  func(r *run, x any, _ args) any { items := r.items(x); return end(items, len(items)-1) },
		"int":   toInt, "float": toFloat, "abs": absolute, "round": round,
		"tojson": tojson, "join": joinFilter, "indent": indent, "replace": replaceFilter,
		"trim":  func(_ *run, x any, a args) any { return strip(asText(x, "trim"), a.fit("trim", "chars"), true, true) },
		"upper": ofText("upper"), "lower": ofText("lower"), "capitalize": ofText("capitalize"), "title": ofText("title"),
		"reverse": reverse, "sort": sortFilter, "unique": unique, "dictsort": dictsort,
		"map":    mapFilter,
		"select": picks(true, false), "reject": picks(false, false), "selectattr": picks(true, true), "rejectattr": picks(false, true),
		"min": func(r *run, x any, _ args) any { return r.extreme(x, -1) },
		"max": func(r *run, x any, _ args) any { return r.extreme(x, 1) },
		"sum": func(r *run, x any, _ args) any {
			var total any = int64(0)
			for _, item := range r.items(x) {
				total = r.arithmetic("+", total, known(item))
			}
			return total
		},
		"wordcount": func(_ *run, x any, _ args) any {
			s := asText(x, "wordcount")
			return int64(len(fields(s, int64(len(s)), false)))
		},
	}
}

func asText(x any, filter string) string {
	switch x := x.(type) {
	case string:
		return x
	case undefined:
		return ""
	}
	failf("%s is for texts, not for a %s", describe(filter), typeName(x))
	return ""
}

func ofText(name string) func(*run, any, args) any {
	return func(r *run, x any, _ args) any { return stringMethods[name].call(r, r.str(x), nil) }
}

func otherwise(_ *run, x any, a args) any {
	given := a.fit("default", "default_value", "boolean")
	_, missing := x.(undefined)
	if missing || truth(given["boolean"]) && !truth(x) {
		if v, ok := given["default_value"]; ok {
			return v
		}
		return ""
	}
	return x
}

func end(items []any, i int) any {
	if len(items) == 0 {
		return undefined{"an item of an empty list"}
	}
	return items[i]
}

func toInt(_ *run, x any, a args) any {
	given := a.fit("int", "default", "base")
	switch x := x.(type) {
	case bool, int64:
		return asInt(x, "int")
	case float64:
		if math.Abs(x) < 1<<62 {
			return int64(x)
		}
	case string:
		if n, err := strconv.ParseInt(strings.TrimFunc(x, isSpace), int(intArg(given, "base", 10)), 64); err == nil {
			return n
		}
		if f, ok := asNumber(x); ok && math.Abs(f) < 1<<62 {
			return int64(f)
		}
	}
	return intArg(given, "default", 0)
}

func toFloat(_ *run, x any, a args) any {
	if f, ok := asFloat(x); ok {
		return f
	}
	if s, ok := x.(string); ok {
		if f, ok := asNumber(s); ok {
			return f
		}
	}
	if v, ok := a.fit("float", "default")["default"]; ok {
		return v
	}
	return 0.0
}

func absolute(_ *run, x any, _ args) any {
	switch x := x.(type) {
	case bool:
		return asInt(x, "abs")
	case int64:
		return max(x, -x)
	case float64:
		return math.Abs(x)
	}
	failf("%s is for numbers, not for a %s", describe("abs"), typeName(x))
	return nil
}

func round(_ *run, x any, a args) any {
	given := a.fit("round", "precision", "method")
	f, ok := asFloat(x)
	digits := intArg(given, "precision", 0)
	if !ok || digits < -15 || digits > 15 {
		failf("%s is for numbers, to at most 15 digits", describe("round"))
	}
	scale := math.Pow(10, float64(digits))
	switch how := textArg(given, "method", "common"); how {
	case "common":
		return math.RoundToEven(f*scale) / scale
	case "ceil":
		return math.Ceil(f*scale) / scale
	case "floor":
		return math.Floor(f*scale) / scale
	default:
		failf("%s: the method %.20q is not understood", describe("round"), how)
	}
	return nil
}

func tojson(r *run, x any, a args) any {
	given := a.fit("tojson", "indent", "ensure_ascii", "separators", "sort_keys")
	step, separators := "", [2]string{", ", ": "}
	if v := given["indent"]; v != nil {
		n := asInt(v, "indent")
		if n < 1 || n > 16 {
			failf("%s: indent is %d: 1 to 16 are understood", describe("tojson"), n)
		}
		step, separators[0] = strings.Repeat(" ", int(n)), ","
	}
	if l, ok := given["separators"].(*list); ok && len(l.items) == 2 {
		separators = [2]string{asText(l.items[0], "tojson"), asText(l.items[1], "tojson")}
	}
	if truth(given["ensure_ascii"]) || truth(given["sort_keys"]) {
		failf("%s: ensure_ascii and sort_keys are not understood", describe("tojson"))
	}
	var b strings.Builder
	r.toJSON(&b, x, step, separators, 0)
	return r.text(b.String())
}

func joinFilter(r *run, x any, a args) any {
	given := a.fit("join", "d", "attribute")
	items := r.items(x)
	if v, ok := given["attribute"]; ok {
		items = r.each(items, v)
	}
	return r.join(items, textArg(given, "d", ""), true)
}

// each is an attribute of every item; its name may have dots.
func (r *run) each(items []any, attribute any) []any {
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = r.deep(item, attribute)
	}
	return out
}

func (r *run) deep(x, attribute any) any {
	r.spend(1)
	name, ok := attribute.(string)
	if !ok {
		return r.item(x, attribute)
	}
	for part := range strings.SplitSeq(name, ".") {
		if n, err := strconv.ParseInt(part, 10, 32); err == nil {
			x = r.item(x, n)
		} else {
			x = r.item(x, part)
		}
	}
	return x
}

func indent(r *run, x any, a args) any {
	given := a.fit("indent", "width", "first", "blank")
	by, ok := given["width"].(string)
	if !ok {
		n := intArg(given, "width", 4)
		if n < 0 || n > 1000 {
			failf("%s: the width is %d: 0 to 1000 are understood", describe("indent"), n)
		}
		by = strings.Repeat(" ", int(n))
	}
	s := asText(x, "indent")
	if n := strings.Count(s, "\n") + 1; len(by) > 0 && n > MaxOutput/len(by) {
		panic(fault{errOutput})
	}
	all := strings.Split(s, "\n")
	for i, line := range all {
		if (i > 0 || truth(given["first"])) && (line != "" || i == 0 || truth(given["blank"])) {
			all[i] = by + line
		}
	}
	return r.text(strings.Join(all, "\n"))
}

func replaceFilter(r *run, x any, a args) any {
	given := a.fit("replace", "old", "new", "count")
	return r.replace(r.str(x), textArg(given, "old", ""), textArg(given, "new", ""), intArg(given, "count", -1))
}

func reverse(r *run, x any, _ args) any {
	items := slices.Clone(r.items(x))
	r.spend(len(items))
	slices.Reverse(items)
	if _, ok := x.(string); ok {
		return r.join(items, "", false)
	}
	return &list{items: items}
}

// sortKey is what values are sorted by: texts in lower case, unless case counts.
func (r *run) sortKey(v any, attribute any, byCase bool) any {
	if attribute != nil {
		v = r.deep(v, attribute)
	}
	if s, ok := v.(string); ok && !byCase {
		return r.text(strings.ToLower(s))
	}
	return v
}

func sortFilter(r *run, x any, a args) any {
	given := a.fit("sort", "reverse", "case_sensitive", "attribute")
	items := slices.Clone(r.items(x))
	r.sort(items, truth(given["reverse"]), func(v any) any { return r.sortKey(v, given["attribute"], truth(given["case_sensitive"])) })
	return &list{items: items}
}

func (r *run) sort(items []any, backwards bool, by func(any) any) {
	slices.SortStableFunc(items, func(a, b any) int {
		if backwards {
			a, b = b, a
		}
		return r.compare(by(a), by(b))
	})
}

func dictsort(r *run, x any, a args) any {
	given := a.fit("dictsort", "case_sensitive", "by", "reverse")
	d, ok := x.(*Dict)
	if !ok {
		failf("%s is for objects, not for a %s", describe("dictsort"), typeName(x))
	}
	at := int64(0)
	if textArg(given, "by", "key") == "value" {
		at = 1
	}
	out := r.pairs(d)
	r.sort(out.items, truth(given["reverse"]), func(v any) any { return r.sortKey(r.item(v, at), nil, truth(given["case_sensitive"])) })
	return out
}

func unique(r *run, x any, a args) any {
	given := a.fit("unique", "case_sensitive", "attribute")
	var seen []any
	out := &list{}
	for _, item := range r.items(x) {
		k := r.sortKey(item, given["attribute"], truth(given["case_sensitive"]))
		if !slices.ContainsFunc(seen, func(old any) bool { return r.equal(old, k) }) {
			seen, out.items = append(seen, k), append(out.items, item)
		}
	}
	return out
}

func (r *run) extreme(x any, sign int) any {
	items := r.items(x)
	best := end(items, 0)
	for _, item := range items {
		if sign*r.compare(r.sortKey(item, nil, false), r.sortKey(best, nil, false)) > 0 {
			best = item
		}
	}
	return best
}

// mapFilter gives an attribute of each item, or runs a filter over each.
func mapFilter(r *run, x any, a args) any {
	items := r.items(x)
	if attribute, ok := a.named["attribute"]; ok {
		out := r.each(items, attribute)
		if v, ok := a.named["default"]; ok {
			for i := range out {
				out[i] = otherwise(r, out[i], args{list: []any{v}})
			}
		}
		return &list{items: out}
	}
	if len(a.list) == 0 {
		failf("%s takes a filter's name, or attribute=", describe("map"))
	}
	name, _ := a.list[0].(string)
	f, ok := filters[name]
	if !ok {
		failf("the filter %.40q is not understood", name)
	}
	out := &list{items: make([]any, len(items))}
	for i, item := range items {
		r.spend(1)
		out.items[i] = f(r, item, args{list: a.list[1:], named: a.named})
	}
	return out
}

// picks makes the filters that keep, or drop, the items that pass a test.
func picks(keep, byAttribute bool) func(*run, any, args) any {
	return func(r *run, x any, a args) any {
		rest := a.list
		var attribute any
		if byAttribute {
			if len(rest) == 0 {
				failf("selectattr takes an attribute")
			}
			attribute, rest = rest[0], rest[1:]
		}
		test := func(v any) bool { return truth(v) }
		if len(rest) > 0 {
			name, _ := rest[0].(string)
			f, ok := tests[comparing(name)]
			if !ok {
				failf("the test %.40q is not understood", name)
			}
			test = func(v any) bool { return f(r, v, args{list: rest[1:], named: a.named}) }
		}
		out := &list{}
		for _, item := range r.items(x) {
			v := item
			if byAttribute {
				v = r.deep(item, attribute)
			}
			r.spend(1)
			if test(v) == keep {
				out.items = append(out.items, item)
			}
		}
		return out
	}
}

// comparing is the name of a test that may be written as an operator.
func comparing(name string) string {
	if word, ok := map[string]string{"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}[name]; ok {
		return word
	}
	return name
}
