package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// method makes a function with parameters of a name; call gets them by theirs.
func method(name string, params []string, call func(r *run, a map[string]any) any) any {
	return function{name, func(r *run, a args) any { return call(r, a.fit(name, params...)) }}
}

// textArg is an argument that is a text, or otherwise if it is not given.
func textArg(a map[string]any, name, otherwise string) string {
	v, ok := a[name]
	if !ok {
		return otherwise
	}
	s, ok := known(v).(string)
	if !ok {
		failf("%s is a %s: it should be a text", name, typeName(v))
	}
	return s
}

// intArg is an argument that is a whole number, or otherwise if it is not given.
func intArg(a map[string]any, name string, otherwise int64) int64 {
	v, ok := a[name]
	if !ok {
		return otherwise
	}
	return asInt(v, name)
}

func dictMethod(d *Dict, name string) any {
	switch name {
	case "items":
		return method(name, nil, func(r *run, _ map[string]any) any { return r.pairs(d) })
	case "keys":
		return method(name, nil, func(r *run, _ map[string]any) any { return &list{items: r.items(d)} })
	case "values":
		return method(name, nil, func(r *run, _ map[string]any) any {
			out := &list{}
			r.spend(len(d.keys))
			for _, k := range d.keys {
				out.items = append(out.items, d.values[k])
			}
			return out
		})
	case "get":
		return method(name, []string{"key", "default"}, func(_ *run, a map[string]any) any {
			if k, ok := a["key"].(string); ok {
				if v, ok := d.values[k]; ok {
					return v
				}
			}
			return a["default"] // None if it is not given
		})
	}
	return nil
}

// pairs are the keys and values of an object.
func (r *run) pairs(d *Dict) *list {
	out := &list{}
	r.spend(2 * len(d.keys))
	for _, k := range d.keys {
		out.items = append(out.items, &list{[]any{k, d.values[k]}, true})
	}
	return out
}

func listMethod(l *list, name string) any {
	switch name {
	case "index", "count":
		return method(name, []string{"value"}, func(r *run, a map[string]any) any {
			n := int64(0)
			for i, item := range l.items {
				if !r.equal(item, a["value"]) {
					continue
				}
				if name == "index" {
					return int64(i)
				}
				n++
			}
			if name == "index" {
				failf("the list does not have the value")
			}
			return n
		})
	}
	return nil
}

// stringMethods are Python's, by name: their parameters, and what they do.
var stringMethods = map[string]struct {
	params []string
	call   func(r *run, s string, a map[string]any) any
}{
	"strip":  {[]string{"chars"}, func(_ *run, s string, a map[string]any) any { return strip(s, a, true, true) }},
	"lstrip": {[]string{"chars"}, func(_ *run, s string, a map[string]any) any { return strip(s, a, true, false) }},
	"rstrip": {[]string{"chars"}, func(_ *run, s string, a map[string]any) any { return strip(s, a, false, true) }},

	"upper": {nil, func(r *run, s string, _ map[string]any) any {
		return r.text(strings.ReplaceAll(strings.ToUpper(s), "ß", "SS"))
	}},
	"lower":      {nil, func(r *run, s string, _ map[string]any) any { return r.text(strings.ToLower(s)) }},
	"capitalize": {nil, func(r *run, s string, _ map[string]any) any { return r.text(capitalize(s)) }},
	"title":      {nil, func(r *run, s string, _ map[string]any) any { return r.text(title(s)) }},

	"startswith": {[]string{"prefix"}, func(_ *run, s string, a map[string]any) any { return anyOf(a["prefix"], s, strings.HasPrefix) }},
	"endswith":   {[]string{"suffix"}, func(_ *run, s string, a map[string]any) any { return anyOf(a["suffix"], s, strings.HasSuffix) }},
	"find":       {[]string{"sub"}, func(_ *run, s string, a map[string]any) any { return place(s, strings.Index(s, textArg(a, "sub", ""))) }},
	"rfind": {[]string{"sub"}, func(_ *run, s string, a map[string]any) any {
		return place(s, strings.LastIndex(s, textArg(a, "sub", "")))
	}},
	"index": {[]string{"sub"}, func(_ *run, s string, a map[string]any) any {
		i := strings.Index(s, textArg(a, "sub", ""))
		if i < 0 {
			failf("the text does not have the part that index looks for")
		}
		return place(s, i)
	}},
	"count": {[]string{"sub"}, func(_ *run, s string, a map[string]any) any { return int64(strings.Count(s, textArg(a, "sub", ""))) }},

	"replace": {[]string{"old", "new", "count"}, func(r *run, s string, a map[string]any) any {
		return r.replace(s, textArg(a, "old", ""), textArg(a, "new", ""), intArg(a, "count", -1))
	}},
	"split":      {[]string{"sep", "maxsplit"}, func(r *run, s string, a map[string]any) any { return r.split(s, a, false) }},
	"rsplit":     {[]string{"sep", "maxsplit"}, func(r *run, s string, a map[string]any) any { return r.split(s, a, true) }},
	"splitlines": {nil, func(r *run, s string, _ map[string]any) any { return r.texts(lines(s)) }},
	"join": {[]string{"iterable"}, func(r *run, s string, a map[string]any) any {
		return r.join(r.items(known(a["iterable"])), s, false)
	}},
	"removeprefix": {[]string{"prefix"}, func(_ *run, s string, a map[string]any) any { return strings.TrimPrefix(s, textArg(a, "prefix", "")) }},
	"removesuffix": {[]string{"suffix"}, func(_ *run, s string, a map[string]any) any { return strings.TrimSuffix(s, textArg(a, "suffix", "")) }},

	"isdigit": {nil, func(_ *run, s string, _ map[string]any) any { return all(s, unicode.IsDigit) }},
	"isalpha": {nil, func(_ *run, s string, _ map[string]any) any { return all(s, unicode.IsLetter) }},
	"isalnum": {nil, func(_ *run, s string, _ map[string]any) any {
		return all(s, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) })
	}},
	"isspace": {nil, func(_ *run, s string, _ map[string]any) any { return all(s, isSpace) }},
	"isupper": {nil, func(_ *run, s string, _ map[string]any) any {
		return s != strings.ToLower(s) && s == strings.ToUpper(s)
	}},
	"islower": {nil, func(_ *run, s string, _ map[string]any) any {
		return s != strings.ToUpper(s) && s == strings.ToLower(s)
	}},
}

func stringMethod(s, name string) any {
	m, ok := stringMethods[name]
	if !ok {
		return nil
	}
	return method(name, m.params, func(r *run, a map[string]any) any {
		r.spend(1 + len(s)/32)
		return m.call(r, s, a)
	})
}

func all(s string, is func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return !is(c) }) < 0
}

// strip removes white space, or the characters that are given, from the ends.
func strip(s string, a map[string]any, left, right bool) string {
	is := isSpace
	if a["chars"] != nil {
		chars := textArg(a, "chars", "")
		is = func(c rune) bool { return strings.ContainsRune(chars, c) }
	}
	if left {
		s = strings.TrimLeftFunc(s, is)
	}
	if right {
		s = strings.TrimRightFunc(s, is)
	}
	return s
}

// anyOf says whether a text has one of several ends.
func anyOf(v any, s string, has func(s, part string) bool) bool {
	if l, ok := v.(*list); ok {
		for _, item := range l.items {
			if part, ok := item.(string); ok && has(s, part) {
				return true
			}
		}
		return false
	}
	return has(s, textArg(map[string]any{"the part": v}, "the part", ""))
}

// place is a position in characters of one in bytes.
func place(s string, i int) int64 {
	if i < 0 {
		return -1
	}
	return int64(runes(s[:i]))
}

func capitalize(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToTitle(s[:n]) + strings.ToLower(s[n:])
}

// title begins every run of letters with a capital.
func title(s string) string {
	inside := false
	return strings.Map(func(c rune) rune {
		was := inside
		if inside = unicode.IsLetter(c); !inside {
			return c
		}
		if was {
			return unicode.ToLower(c)
		}
		return unicode.ToTitle(c)
	}, s)
}

func (r *run) replace(s, from, to string, n int64) string {
	times := int64(strings.Count(s, from))
	if n >= 0 {
		times = min(times, n)
	}
	if size := int64(len(to)); size > 0 && times > MaxOutput/size {
		panic(fault{errOutput})
	}
	r.spend(int(times)*len(to)/32 + int(times) + 1)
	return r.text(strings.Replace(s, from, to, int(times)))
}

// texts makes a list of strings.
func (r *run) texts(parts []string) *list {
	out := &list{items: make([]any, len(parts))}
	r.spend(len(parts))
	for i, part := range parts {
		out.items[i] = part
	}
	return out
}

// split cuts at a separator, or at white space; at most so many times, from the
// right if that is wanted.
func (r *run) split(s string, a map[string]any, fromRight bool) any {
	most := intArg(a, "maxsplit", -1)
	if most < 0 {
		most = int64(len(s)) + 1
	}
	if a["sep"] == nil {
		return r.texts(fields(s, most, fromRight))
	}
	sep := textArg(a, "sep", "")
	if sep == "" {
		failf("split: the separator is empty")
	}
	if !fromRight {
		return r.texts(strings.SplitN(s, sep, int(most)+1))
	}
	parts := strings.Split(s, sep)
	if extra := len(parts) - 1 - int(most); extra > 0 {
		parts = append([]string{strings.Join(parts[:extra+1], sep)}, parts[extra+1:]...)
	}
	return r.texts(parts)
}

// fields cuts at white space, at most so many times.
func fields(s string, most int64, fromRight bool) (out []string) {
	if fromRight {
		for s = strings.TrimRightFunc(s, isSpace); s != ""; s = strings.TrimRightFunc(s, isSpace) {
			i := strings.LastIndexFunc(s, isSpace)
			if int64(len(out)) == most {
				return append([]string{s}, reversed(out)...)
			}
			if i >= 0 {
				_, n := utf8.DecodeRuneInString(s[i:])
				out, s = append(out, s[i+n:]), s[:i]
			} else {
				out, s = append(out, s), ""
			}
		}
		return reversed(out)
	}
	for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
		if int64(len(out)) == most {
			return append(out, s)
		}
		i := strings.IndexFunc(s, isSpace)
		if i < 0 {
			i = len(s)
		}
		out, s = append(out, s[:i]), s[i:]
	}
	return out
}

func reversed(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[len(list)-1-i] = s
	}
	return out
}

// lines are Python's splitlines.
func lines(s string) (out []string) {
	for s != "" {
		i := strings.IndexAny(s, "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029")
		if i < 0 {
			return append(out, s)
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		out, s = append(out, s[:i]), s[i+n:]
	}
	return out
}

// join puts a separator between values. Python joins texts alone; Jinja's filter
// writes the others.
func (r *run) join(items []any, sep string, written bool) string {
	parts := make([]string, len(items))
	size := 0
	for i, item := range items {
		s, ok := item.(string)
		if !ok {
			if !written {
				failf("join: a %s is no text", typeName(item))
			}
			s = r.str(item)
		}
		parts[i] = s
		if size += len(s) + len(sep); size > MaxOutput {
			panic(fault{errOutput})
		}
	}
	return r.text(strings.Join(parts, sep))
}
