package grammar

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const personSchema = `{
	"title": "person", "type": "object", "additionalProperties": false, "required": ["name", "age", "role", "home", "friends"],
	"properties": {
		"name": {"type": "string", "description": "full name"},
		"nick/name": {"type": ["string", "null"]},
		"age": {"type": "integer"},
		"role": {"enum": ["admin", "user", 7, null, {"x": [1, true]}]},
		"home": {"$ref": "#/$defs/place"},
		"friends": {"type": "array", "items": {"$ref": "#"}, "minItems": 0, "maxItems": 3},
		"score": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"const": "none"}]}
	},
	"$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}, "in": {"$ref": "#/$defs/place"}}, "additionalProperties": false}}
}`

// checkPerson holds a text to personSchema, by package json.
func checkPerson(t *testing.T, text string) {
	t.Helper()
	type place struct {
		City *string `json:"city"`
		In   *place  `json:"in"`
	}
	type person struct {
		Name    *string           `json:"name"`
		Nick    *string           `json:"nick/name"`
		Age     *int64            `json:"age"`
		Role    json.RawMessage   `json:"role"`
		Home    *place            `json:"home"`
		Friends []json.RawMessage `json:"friends"`
		Score   json.RawMessage   `json:"score"`
	}
	var p person
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if p.Name == nil || p.Age == nil || p.Home == nil || p.Friends == nil || len(p.Friends) > 3 {
		t.Fatalf("%s lacks something", text)
	}
	switch string(p.Role) {
	case `"admin"`, `"user"`, `7`, `null`, `{"x":[1,true]}`:
	default:
		t.Fatalf("%s: the role is %s", text, p.Role)
	}
	for _, f := range p.Friends {
		checkPerson(t, string(f))
	}
}

// TestSchemas: which texts a schema has and which it does not.
func TestSchemas(t *testing.T) {
	for _, tt := range []struct {
		schema  string
		yes, no []string
	}{
		{`{}`, []string{`1`, `{"a":[null]}`}, []string{``, `{`}},
		{`{"type":"object"}`, []string{`{}`, `{"a": 1}`}, []string{`[]`}},
		{`{"type":"object","additionalProperties":false}`, []string{`{}`, "{\n}"}, []string{`{"a":1}`}},
		{`{"type":"array"}`, []string{`[]`, `[1, "x"]`}, []string{`{}`}},
		{`{"type":"string"}`, []string{`""`, `"é\n\ud83c\udf88"`}, []string{`x`, `"\ud83c"`, `"\ud83cx"`, "\"\n\"", `"\x"`, "\"\xff\""}},
		{`{"type":"integer"}`, []string{`0`, `-12`}, []string{`01`, `1.5`, `1e3`, `-`}},
		{`{"type":"number"}`, []string{`0`, `-1.50`, `1e-9`}, []string{`.5`, `1.`, `+1`}},
		{`{"type":["boolean","null"]}`, []string{`true`, `null`}, []string{`0`}},
		{`{"const":"a\"b<"}`, []string{`"a\"b<"`}, []string{`"a"`}},
		{`{"type":"string","enum":["é","x"]}`, []string{`"é"`, `"x"`}, []string{`"y"`}},
		{
			`{"properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"}},"required":["b"]}`,
			[]string{`{"b":1}`, `{"a":1,"b":2}`, `{"b": 1, "c": 2}`, `{"a":1, "b":2, "c":3}`},
			[]string{`{}`, `{"a":1}`, `{"a":1,"c":2}`, `{"b":1,}`, `{,"b":1}`, `{"b":1 "c":2}`, `{"b":1,"a":2}`, `{"b":1,"b":1}`},
		},
		{`{"properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}`, []string{`{}`, `{"a":1}`, `{"b":1}`, `{"a":1,"b":2}`}, []string{`{"a":1,}`, `{,"b":2}`}},
		{`{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3}`, []string{`[1,2]`, `[1, 2, 3]`}, []string{`[]`, `[1]`, `[1,2,3,4]`, `[1,]`, `[1 2]`}},
		{`{"type":"array","items":{"type":"null"},"maxItems":0}`, []string{`[]`}, []string{`[null]`}},
		{`{"type":"array","items":{"type":"null"},"maxItems":1}`, []string{`[]`, `[null]`}, []string{`[null,null]`}},
		{
			`{"$ref":"#/$defs/tree~1x","$defs":{"tree/x":{"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#/$defs/tree~1x"}}]}}}`,
			[]string{`null`, `[[null],[]]`},
			[]string{`[1]`},
		},
		{`{"items":{"type":"integer"},"type":"array","description":"d","default":[]}`, []string{`[5]`}, []string{`["5"]`}},
		{`{"properties":{"value":{"$ref":"#/definitions/string"}},"definitions":{"string":{"type":"integer"}},"required":["value"]}`, []string{`{"value":5}`}, []string{`{"value":"5"}`}},
	} {
		g, err := FromSchema([]byte(tt.schema))
		if err != nil {
			t.Errorf("%s: %v", tt.schema, err)
			continue
		}
		for want, texts := range map[bool][]string{true: tt.yes, false: tt.no} {
			for _, text := range texts {
				if got, err := g.Match(text); got != want || err != nil {
					t.Errorf("%s: %q matches: %v, %v", tt.schema, text, got, err)
				}
			}
		}
	}
}

// TestBadSchemas: what is not supported is named, with where it stands.
func TestBadSchemas(t *testing.T) {
	for schema, want := range map[string]string{
		``:                                "it ends too early",
		`{`:                               "cannot be read",
		`{} {}`:                           "more after its end",
		`[]`:                              "a schema must be an object",
		`{"type":"date"}`:                 `the type "date" is not one of`,
		`{"type":["string","string"]}`:    "is not one of",
		`{"type":[]}`:                     "the list of types is empty",
		`{"type":"string","pattern":"a"}`: `at #: the keyword "pattern" is not supported`,
		`{"properties":{"a/b":{"type":"number","minimum":1}}}`:   `at #/properties/a~1b: the keyword "minimum" is not supported`,
		`{"type":"string","properties":{}}`:                      `"properties" belongs to the type object`,
		`{"type":"object","additionalProperties":true}`:          "additionalProperties must be false",
		`{"type":"object","required":["a"]}`:                     "required names \"a\", which is not in properties",
		`{"type":"object","properties":{"a":{}},"required":"a"}`: "required must be a list",
		`{"$ref":"#/$defs/a"}`:                                   `$ref "#/$defs/a" is not known`,
		`{"$ref":"http://x/y"}`:                                  "is not known",
		`{"$ref":"#","type":"object"}`:                           `"type" beside "$ref" is not supported`,
		`{"$ref":"#"}`:                                           "never ends",
		`{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}}}`: `the rule "#/$defs/a" begins with itself`,
		`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`:                  "never ends",
		`{"anyOf":[]}`:                               "at least one schema",
		`{"enum":[]}`:                                "at least one value",
		`{"type":"string","enum":[1]}`:               "the value 1 is not of the type string",
		`{"type":"array","maxItems":-1}`:             "maxItems is -1",
		`{"type":"array","minItems":3,"maxItems":2}`: "minItems is more than maxItems",
		`{"type":"array","items":[{}]}`:              "a schema must be an object",
		`{"$defs":[]}`:                               "$defs must be an object",
		`{"a":1,"a":2}`:                              "there twice",
		strings.Repeat(`{"items":`, 500) + `{}` + strings.Repeat(`}`, 500): "nests more than",
		strings.Repeat(" ", MaxText+1):                                     "more than the",
	} {
		if g, err := FromSchema([]byte(schema)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: got %v, %v, want %q", schema, g != nil, err, want)
		}
	}
}

// FuzzSchema: no schema makes the reader fail in any way but by an error, and
// what it accepts can be followed.
func FuzzSchema(f *testing.F) {
	f.Add(personSchema, `{"name":"x"}`)
	f.Add(`{"anyOf":[{"$ref":"#"},{"type":"null"}]}`, `null`)
	f.Add(`{"type":"array","items":{"enum":[1,"a",{"b":null}]},"minItems":2}`, `[1,"a"]`)
	f.Add(`{"properties":{"a":true},"required":["a"]}`, `{"a":1}`)
	f.Fuzz(func(t *testing.T, schema, try string) {
		g, err := FromSchema([]byte(schema))
		if err != nil {
			return
		}
		if len(try) > 200 {
			try = try[:200]
		}
		ok, err := g.Match(try)
		if err != nil && !errors.Is(err, errNoMemory) {
			t.Fatal(err)
		}
		if ok && !json.Valid([]byte(try)) {
			t.Fatalf("%s has %q, which is no JSON", schema, try)
		}
	})
}
