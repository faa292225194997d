package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// FromSchema makes a grammar of a JSON schema: the part of JSON Schema that
// OpenAI's structured outputs have. These are the keywords:
//
//	type                   object, array, string, number, integer, boolean, null, or a list of these
//	properties, required   of an object; properties come in the order of the schema
//	additionalProperties   false, which is also what its absence means here
//	items                  of an array, with minItems and maxItems up to MaxRepeat
//	enum, const            any JSON values
//	anyOf                  one of several schemas
//	$ref, $defs            "#" and "#/$defs/NAME" (or "#/definitions/NAME"), also of itself
//
// title, description, default, examples, $schema, $id and $comment are read over.
// An object without properties is any object, an array without items any array,
// and a schema without any keyword any value. Every other keyword is an error
// that names it and where it stands.
func FromSchema(schema []byte) (*Grammar, error) {
	if len(schema) > MaxText {
		return nil, fmt.Errorf("grammar: the JSON schema has %d bytes, more than the %d allowed", len(schema), MaxText)
	}
	dec := json.NewDecoder(bytes.NewReader(schema))
	dec.UseNumber()
	root, err := readNode(dec, 0)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after its end")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("grammar: the JSON schema cannot be read: %w", err)
	}
	s := &schemas{rules: jsonRules(), root: root}
	for _, defs := range []string{"$defs", "definitions"} {
		if err := s.defs(defs); err != nil {
			return nil, err
		}
	}
	e, err := s.expr(root, "#")
	if err != nil {
		return nil, err
	}
	s.rules["#"] = e
	return New("#", s.rules)
}

// node is a JSON value; objects keep the order of their members.
type node struct {
	keys   []string
	values []*node // of an object or a list
	list   bool
	leaf   any // string, json.Number, bool, or nil for null
	object bool
}

func (n *node) get(key string) *node {
	if i := slices.Index(n.keys, key); n.object && i >= 0 {
		return n.values[i]
	}
	return nil
}

// readNode reads one value.
func readNode(dec *json.Decoder, depth int) (*node, error) {
	if depth > 2*MaxNesting {
		return nil, fmt.Errorf("it nests more than %d deep", 2*MaxNesting)
	}
	tok, err := dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it ends too early")
		}
		return nil, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return &node{leaf: tok}, nil
	}
	n := &node{object: delim == '{', list: delim == '['}
	seen := map[string]bool{}
	for dec.More() {
		if n.object {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name, _ := key.(string)
			if seen[name] {
				return nil, fmt.Errorf("%.40q is there twice in one object", name)
			}
			seen[name] = true
			n.keys = append(n.keys, name)
		}
		v, err := readNode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		n.values = append(n.values, v)
	}
	_, err = dec.Token()
	return n, err
}

// schemas turns schemas into rules.
type schemas struct {
	rules map[string]Expr
	root  *node
	made  int
}

// readOver are keywords that say nothing about the text.
var readOver = []string{"title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs", "definitions"}

// kinds are the types with the keywords that belong to them.
var kinds = map[string][]string{
	"object": {"properties", "required", "additionalProperties"}, "array": {"items", "minItems", "maxItems"},
	"string": nil, "number": nil, "integer": nil, "boolean": nil, "null": nil,
}

func wrong(at, format string, args ...any) error {
	return fmt.Errorf("grammar: JSON schema, at %.120s: %s", at, fmt.Sprintf(format, args...))
}

// defs makes a rule of each definition.
func (s *schemas) defs(under string) error {
	n := s.root.get(under)
	if n == nil {
		return nil
	}
	if !n.object {
		return wrong("#", "%s must be an object of schemas", under)
	}
	for i, key := range n.keys {
		at := "#/" + under + "/" + key
		e, err := s.expr(n.values[i], at)
		if err != nil {
			return err
		}
		s.rules[at] = e
	}
	return nil
}

// expr makes an expression of the schema that stands at a path.
func (s *schemas) expr(n *node, at string) (Expr, error) {
	if n.leaf == true {
		return Rule(jsonValue), nil
	}
	if !n.object {
		return Expr{}, wrong(at, "a schema must be an object")
	}
	if strings.Count(at, "/") > 2*MaxNesting {
		return Expr{}, wrong(at, "schemas nest more than %d deep", MaxNesting)
	}
	var has []string // keywords that choose what the schema is
	for _, key := range n.keys {
		if slices.Contains(readOver, key) {
			continue
		}
		has = append(has, key)
	}
	only := func(key string, also ...string) error {
		for _, other := range has {
			if other != key && !slices.Contains(also, other) {
				return wrong(at, "%q beside %q is not supported", other, key)
			}
		}
		return nil
	}
	switch {
	case len(has) == 0:
		return Rule(jsonValue), nil
	case slices.Contains(has, "$ref"):
		if err := only("$ref"); err != nil {
			return Expr{}, err
		}
		return s.ref(n.get("$ref"), at)
	case slices.Contains(has, "const"):
		if err := only("const", "type"); err != nil {
			return Expr{}, err
		}
		return s.enum(&node{list: true, values: []*node{n.get("const")}}, n, at)
	case slices.Contains(has, "enum"):
		if err := only("enum", "type"); err != nil {
			return Expr{}, err
		}
		return s.enum(n.get("enum"), n, at)
	case slices.Contains(has, "anyOf"):
		if err := only("anyOf"); err != nil {
			return Expr{}, err
		}
		return s.anyOf(n.get("anyOf"), at)
	}
	return s.typed(n, has, at)
}

// typed is a schema with a type, or with keywords that imply one.
func (s *schemas) typed(n *node, has []string, at string) (Expr, error) {
	types, err := typesOf(n, at)
	if err != nil {
		return Expr{}, err
	}
	for _, key := range has {
		of := ""
		for kind, keys := range kinds {
			if slices.Contains(keys, key) {
				of = kind
			}
		}
		switch {
		case key == "type":
		case of == "":
			return Expr{}, wrong(at, "the keyword %.40q is not supported; there are type, properties, required, additionalProperties, items, minItems, maxItems, enum, const, anyOf, $ref and $defs", key)
		case len(types) == 0:
			types = []string{of}
		case !slices.Contains(types, of):
			return Expr{}, wrong(at, "%q belongs to the type %s, which the schema does not have", key, of)
		}
	}
	var parts []Expr
	for _, kind := range types {
		e, err := s.kind(kind, n, at)
		if err != nil {
			return Expr{}, err
		}
		parts = append(parts, e)
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return Or(parts...), nil
}

func typesOf(n *node, at string) ([]string, error) {
	t := n.get("type")
	if t == nil {
		return nil, nil
	}
	list := []*node{t}
	if t.list {
		list = t.values
	}
	var types []string
	for _, one := range list {
		name, ok := one.leaf.(string)
		if _, known := kinds[name]; !ok || !known || slices.Contains(types, name) {
			return nil, wrong(at, "the type %.40s is not one of object, array, string, number, integer, boolean, null", one.json())
		}
		types = append(types, name)
	}
	if len(types) == 0 {
		return nil, wrong(at, "the list of types is empty")
	}
	return types, nil
}

func (s *schemas) kind(kind string, n *node, at string) (Expr, error) {
	space := Rule(jsonSpace)
	switch kind {
	case "object":
		return s.object(n, at)
	case "array":
		return s.array(n, at)
	case "boolean":
		return Seq(Words("true", "false"), space), nil
	case "null":
		return Seq(Text("null"), space), nil
	}
	return Seq(Rule(kind), space), nil // string, number, integer
}

func (s *schemas) ref(n *node, at string) (Expr, error) {
	name, ok := n.leaf.(string)
	if name == "#" {
		return Rule(name), nil
	}
	for _, defs := range []string{"$defs", "definitions"} {
		key, in := strings.CutPrefix(name, "#/"+defs+"/")
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key) // RFC 6901
		if d := s.root.get(defs); ok && in && d != nil && d.get(key) != nil {
			return Rule("#/" + defs + "/" + key), nil
		}
	}
	return Expr{}, wrong(at, "$ref %.80s is not known: it may be \"#\" or the name of a definition, \"#/$defs/NAME\"", n.json())
}

// enum is one of a list of values, each of a type that the schema allows.
func (s *schemas) enum(list, n *node, at string) (Expr, error) {
	if !list.list || len(list.values) == 0 {
		return Expr{}, wrong(at, "enum must be a list of at least one value")
	}
	types, err := typesOf(n, at)
	if err != nil {
		return Expr{}, err
	}
	texts := make([]string, len(list.values))
	for i, v := range list.values {
		if texts[i] = v.json(); types != nil && !slices.ContainsFunc(types, v.is) {
			return Expr{}, wrong(at, "the value %.40s is not of the type %s", texts[i], strings.Join(types, " or "))
		}
	}
	return Seq(Words(texts...), Rule(jsonSpace)), nil
}

func (s *schemas) anyOf(n *node, at string) (Expr, error) {
	if !n.list || len(n.values) == 0 {
		return Expr{}, wrong(at, "anyOf must be a list of at least one schema")
	}
	parts := make([]Expr, len(n.values))
	for i, v := range n.values {
		var err error
		if parts[i], err = s.expr(v, at+"/anyOf/"+strconv.Itoa(i)); err != nil {
			return Expr{}, err
		}
	}
	return Or(parts...), nil
}

func (s *schemas) array(n *node, at string) (Expr, error) {
	item := Rule(jsonValue)
	if of := n.get("items"); of != nil {
		var err error
		if item, err = s.expr(of, at+"/items"); err != nil {
			return Expr{}, err
		}
	}
	item = s.named(item, at)
	lo, hi := 0, -1
	for key, to := range map[string]*int{"minItems": &lo, "maxItems": &hi} {
		if v := n.get(key); v != nil {
			count, err := strconv.Atoi(v.json())
			if err != nil || count < 0 || count > MaxRepeat {
				return Expr{}, wrong(at, "%s is %.40s: allowed are whole numbers from 0 to %d", key, v.json(), MaxRepeat)
			}
			*to = count
		}
	}
	if hi >= 0 && hi < lo {
		return Expr{}, wrong(at, "minItems is more than maxItems")
	}
	space := Rule(jsonSpace)
	more := Seq(Text(","), space, item)
	var list Expr
	switch {
	case hi == 0:
		list = Text("")
	case lo == 0:
		list = Opt(Seq(item, Repeat(more, 0, max(hi-1, -1))))
	default:
		list = Seq(item, Repeat(more, lo-1, max(hi-1, -1)))
	}
	return Seq(Text("["), space, list, Text("]"), space), nil
}

// named gives an expression a rule, so that it is written once.
func (s *schemas) named(e Expr, at string) Expr {
	if e.op == opRule {
		return e
	}
	s.made++
	name := at + " (" + strconv.Itoa(s.made) + ")"
	s.rules[name] = e
	return Rule(name)
}

// object describes the members in the order of properties; those that are not
// required may be left out.
func (s *schemas) object(n *node, at string) (Expr, error) {
	props := n.get("properties")
	if more := n.get("additionalProperties"); more != nil && more.leaf != false {
		return Expr{}, wrong(at, "additionalProperties must be false")
	}
	required, err := requiredOf(n, props, at)
	if err != nil {
		return Expr{}, err
	}
	if props == nil && n.get("additionalProperties") == nil {
		return Rule(jsonObject), nil
	}
	space := Rule(jsonSpace)
	// What is left from a member on, when none has come yet and after one.
	first, after := Text(""), Text("")
	if props != nil {
		for i := len(props.keys) - 1; i >= 0; i-- {
			key := props.keys[i]
			value, err := s.expr(props.values[i], at+"/properties/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
			if err != nil {
				return Expr{}, err
			}
			member := s.named(Seq(Text((&node{leaf: key}).json()), space, Text(":"), space, value), at)
			tail := s.named(after, at)
			next, later := Seq(member, tail), Seq(Text(","), space, member, tail)
			if !slices.Contains(required, key) {
				next, later = Or(next, s.named(first, at)), Or(later, tail)
			}
			first, after = next, later
		}
	}
	return Seq(Text("{"), space, first, Text("}"), space), nil
}

func requiredOf(n, props *node, at string) ([]string, error) {
	list := n.get("required")
	if list == nil {
		return nil, nil
	}
	if !list.list {
		return nil, wrong(at, "required must be a list of names")
	}
	var names []string
	for _, v := range list.values {
		name, ok := v.leaf.(string)
		if !ok || props == nil || props.get(name) == nil {
			return nil, wrong(at, "required names %.40s, which is not in properties", v.json())
		}
		names = append(names, name)
	}
	return names, nil
}

// is says whether a value is of a type.
func (n *node) is(kind string) bool {
	switch leaf := n.leaf.(type) {
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case json.Number:
		return kind == "number" || kind == "integer" && !strings.ContainsAny(leaf.String(), ".eE")
	}
	return n.object && kind == "object" || n.list && kind == "array" || !n.object && !n.list && kind == "null"
}

// json writes the value as compactly as it can be.
func (n *node) json() string {
	var sb strings.Builder
	n.write(&sb)
	return sb.String()
}

func (n *node) write(sb *strings.Builder) {
	open, end := "[", "]"
	if n.object {
		open, end = "{", "}"
	}
	if !n.object && !n.list {
		var one strings.Builder
		enc := json.NewEncoder(&one)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(n.leaf); err == nil {
			sb.WriteString(strings.TrimSuffix(one.String(), "\n"))
		}
		return
	}
	sb.WriteString(open)
	for i, v := range n.values {
		if i > 0 {
			sb.WriteByte(',')
		}
		if n.object {
			(&node{leaf: n.keys[i]}).write(sb)
			sb.WriteByte(':')
		}
		v.write(sb)
	}
	sb.WriteString(end)
}
