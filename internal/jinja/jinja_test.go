package jinja

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// golden is what transformers made of templates (tools/reference/templates.py).
type golden struct {
	Values json.RawMessage `json:"values"`
	Now    string          `json:"now"`
	Cases  []struct {
		File   string          `json:"file"`
		Source string          `json:"source"`
		Values json.RawMessage `json:"values"`
		Want   string          `json:"want"`
		Error  string          `json:"error"`
	} `json:"cases"`
}

func readGolden(t *testing.T) (g golden, now time.Time) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "golden.json"))
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err == nil {
		now, err = time.Parse("2006-01-02T15:04:05", g.Now)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g, now
}

// decode reads JSON into values whose objects keep their order.
func decode(t *testing.T, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	return decodeValue(t, dec)
}

func decodeValue(t *testing.T, dec *json.Decoder) any {
	t.Helper()
	token, err := dec.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			out := []any{}
			for dec.More() {
				out = append(out, decodeValue(t, dec))
			}
			_, _ = dec.Token()
			return out
		}
		d := NewDict()
		for dec.More() {
			k, _ := dec.Token()
			d.Set(k.(string), decodeValue(t, dec))
		}
		_, _ = dec.Token()
		return d
	case json.Number:
		if n, err := token.Int64(); err == nil {
			return n
		}
		f, _ := token.Float64()
		return f
	}
	return token
}

func valuesOf(t *testing.T, data []byte) map[string]any {
	t.Helper()
	d := decode(t, data).(*Dict)
	return d.values
}

// TestGolden: what templates write is what transformers writes, and what it refuses
// is refused.
func TestGolden(t *testing.T) {
	g, now := readGolden(t)
	files, refused := 0, 0
	for _, c := range g.Cases {
		source, values := c.Source, g.Values
		if c.File != "" {
			data, err := os.ReadFile(filepath.Join("testdata", c.File))
			if err != nil {
				t.Fatal(err)
			}
			source, values = string(data), c.Values
			files++
		}
		out := ""
		template, err := Parse(source)
		if err == nil {
			out, err = template.Run(t.Context(), valuesOf(t, values), now)
		}
		switch {
		case c.Error != "":
			refused++
			if err == nil {
				t.Errorf("%s%.200q:\n%q\nbut transformers has a %s", c.File, c.Source, out, c.Error)
			}
		case err != nil:
			t.Errorf("%s%.200q: %v", c.File, source, err)
		case out != c.Want:
			t.Errorf("%s%.300q:\n%q\nwant\n%q", c.File, c.Source, out, c.Want)
		}
	}
	if files < 50 || refused < 25 || len(g.Cases) < 140 {
		t.Errorf("%d cases, of which %d of models and %d refused", len(g.Cases), files, refused)
	}
}

// TestRaised: a template's own words are told apart from faults in it.
func TestRaised(t *testing.T) {
	template, err := Parse(`{% if messages|length > 1 %}{{ raise_exception('only ' ~ 1 ~ ' message') }}{% endif %}ok`)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := template.Run(t.Context(), map[string]any{"messages": []any{1}}, time.Time{}); err != nil || out != "ok" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = template.Run(t.Context(), map[string]any{"messages": []any{1, 2}}, time.Time{})
	if raised, ok := errors.AsType[*Raised](err); !ok || raised.Message != "only 1 message" {
		t.Errorf("%v", err)
	}
}

// TestErrorsSayWhere: what is wrong with a template is said with its line.
func TestErrorsSayWhere(t *testing.T) {
	for source, want := range map[string]string{
		"a\n{% nothing %}":            "line 2: {% nothing %}",
		"\n\n{{ x|frobnicate }}":      "line 3: the filter \"frobnicate\"",
		"{{ x is odd or }}":           "line 1: there is the end of the tag where a value should be",
		"{% if x %}":                  "{% elif or else or endif %}",
		"{% for x in y recursive %}":  "call themselves",
		"{% call x() %}{% endcall %}": "{% call %}",
		"{{ 'a' ":                     "does not end",
		"\xff":                        "UTF-8",
		"{{ 99999999999999999999 }}":  "too large",
	} {
		_, err := Parse(source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", source, err, want)
		}
	}
}

// TestHostile: no template reaches out of its bounds.
func TestHostile(t *testing.T) {
	deep := func(open, inside, end string, n int) string {
		return strings.Repeat(open, n) + inside + strings.Repeat(end, n)
	}
	for name, source := range map[string]string{
		"a loop in a loop":       "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
		"a huge range":           "{{ range(10 ** 15)|length }}",
		"a text that doubles":    "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
		"a text many times":      "{{ 'xxxx' * 10 ** 12 }}",
		"many pieces":            "{% set s = 'x' * 1000000 %}{% for a in range(100) %}{{ s }}{% endfor %}",
		"replacements":           "{% set s = 'x' * 1000000 %}{{ s.replace('x', s) }}",
		"an empty replacement":   "{% set s = 'x' * 1000000 %}{{ s.replace('', s) }}",
		"a macro in itself":      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"two macros":             "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
		"lists in lists":         "{% set ns = namespace(l=[]) %}{% for a in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
		"lists that double":      "{% set ns = namespace(l=[1]) %}{% for a in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
		"lists in JSON":          "{% set ns = namespace(l=[1]) %}{% for a in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}",
		"equal lists":            "{% set ns = namespace(l=[1], m=[1]) %}{% for a in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
		"deep equal lists":       "{% set ns = namespace(l=[1], m=[1]) %}{% for a in range(400000) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
		"brackets":               "{{ " + deep("(", "1", ")", 100_000) + " }}",
		"lists":                  "{{ " + deep("[", "", "]", 100_000) + " }}",
		"not":                    "{{ " + deep("not ", "1", "", 100_000) + " }}",
		"signs":                  "{{ " + deep("-", "1", "", 100_000) + " }}",
		"sums":                   "{{ " + deep("1+", "1", "", 200_000) + " }}",
		"comparisons":            "{{ " + deep("1<", "1", "", 1000) + " }}{{ " + deep("a.", "a", "", 100_000) + " }}",
		"filters":                "{{ 1" + deep("|string", "", "", 100_000) + " }}",
		"branches":               deep("{% if 1 %}", "", "{% endif %}", 100_000),
		"conditions":             "{{ " + deep("1 if 1 else ", "1", "", 100_000) + " }}",
		"indices":                "{{ a" + deep("[0]", "", "", 100_000) + " }}",
		"indents":                "{{ ('\n' * 1000000)|indent(1000) }}",
		"indents in JSON":        "{% set ns = namespace(l=[1]) %}{% for a in range(50) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson(indent=16) }}",
		"joins":                  "{{ range(100000)|join('x' * 1000000) }}",
		"unique":                 "{{ range(1000000)|unique|list }}",
		"letters":                "{% set s = 'x' * 8000000 %}{% for a in range(1000) %}{{ s|list|length }}{% endfor %}",
		"slices":                 "{% set s = 'x' * 8000000 %}{% for a in range(1000) %}{{ s[1:]|length }}{% endfor %}",
		"a step beyond all":      "{{ 'abc'[::9223372036854775807] }}{{ range(0, 9223372036854775807, 4611686018427387904)|length }}{{ 'abc'[::-9223372036854775808] }}",
		"the smallest number":    "{{ (-9223372036854775807 - 1) // -1 }}",
		"strings one by one":     "{{ " + strings.Repeat("'' ", 300_000) + "}}",
		"a mask of a million":    "{{ 'a'.split('') }}",
		"an object in itself":    "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
		"an object in itself, 2": "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a == [ns] }}{{ ns.a|tojson }}",
	} {
		template, err := Parse(source)
		if err == nil {
			_, err = template.Run(t.Context(), map[string]any{}, time.Time{})
		}
		if err == nil && name != "strings one by one" {
			t.Errorf("%s: nothing stopped it", name)
		}
	}
	if _, err := Parse(strings.Repeat("x", MaxSource+1)); err == nil {
		t.Error("a template that is too long was read")
	}
}

// TestRunEnds: a run ends with its context.
func TestRunEnds(t *testing.T) {
	template, err := Parse("{% for a in range(1000000) %}{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := template.Run(ctx, nil, time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// FuzzTemplate: whatever a template is, reading and running it ends without a crash.
func FuzzTemplate(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "golden.json"))
	var g golden
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range g.Cases {
		if c.Source != "" {
			f.Add(c.Source)
		}
	}
	f.Fuzz(func(t *testing.T, source string) {
		template, err := Parse(source)
		if err != nil {
			return
		}
		out, err := template.Run(t.Context(), valuesOf(t, g.Values), time.Time{})
		if err == nil && len(out) > MaxOutput {
			t.Errorf("%d bytes came", len(out))
		}
	})
}
