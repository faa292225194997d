package jinja

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// toJSON writes a value as Python's json.dumps does with ensure_ascii=False, which is
// what transformers' tojson gives.
func (r *run) toJSON(b *strings.Builder, v any, indent string, separators [2]string, level int) {
	r.spend(1)
	if level > MaxDepth {
		panic(fault{errDepth})
	}
	switch v := known(v).(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			failf("tojson: a number is not finite")
		}
		b.WriteString(reprFloat(v))
	case string:
		r.spend(len(v) / 32)
		b.WriteString(jsonText(v))
	case *list:
		r.jsonItems(b, "[]", len(v.items), indent, separators, level, func(i int) {
			r.toJSON(b, v.items[i], indent, separators, level+1)
		})
	case *Dict:
		r.jsonItems(b, "{}", len(v.keys), indent, separators, level, func(i int) {
			b.WriteString(jsonText(v.keys[i]) + separators[1])
			r.toJSON(b, v.values[v.keys[i]], indent, separators, level+1)
		})
	default:
		failf("tojson: a %s is no JSON", typeName(v))
	}
	if b.Len() > MaxOutput {
		panic(fault{errOutput})
	}
}

// jsonItems writes what is between two brackets.
func (r *run) jsonItems(b *strings.Builder, brackets string, n int, indent string, separators [2]string, level int, item func(int)) {
	b.WriteByte(brackets[0])
	line := func(level int) {
		if indent != "" {
			r.spend(1 + level*len(indent)/32)
			b.WriteString("\n" + strings.Repeat(indent, level))
		}
	}
	for i := range n {
		if i > 0 {
			b.WriteString(separators[0])
		}
		line(level + 1)
		item(i)
	}
	if n > 0 {
		line(level)
	}
	b.WriteByte(brackets[1])
}

// jsonText is a string in JSON, with no more escapes than needed.
func jsonText(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always can be
	// Go escapes two separators that Python leaves, and writes two escapes longer.
	return strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(b.String(), "\n"))
}
