package server

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// A value of the configuration may name environment variables as ${NAME}. They
// are inserted after the YAML was parsed. So a variable's value is a plain string
// and never syntax, and no error repeats it.
//
// The parser never sees ${NAME} itself, as braces have a meaning of their own
// within {…}. Private-use characters replace the brackets, one for one.
const (
	varOpen  = "\ue000\ue001"
	varClose = "\ue002"
)

var (
	variables = regexp.MustCompile(`\$\{([^{}\n]*)\}`)
	standIns  = regexp.MustCompile(varOpen + `([^` + varClose + `]*)` + varClose)
	asWritten = strings.NewReplacer(varOpen, "${", varClose, "}")
)

// setVariable is a variable that was inserted.
type setVariable struct{ name, value string }

// expander inserts variables into the values of a parsed configuration.
type expander struct {
	getenv func(string) (string, bool)
	used   []setVariable
}

// expand processes a node that will be decoded into type t; key is its path.
func (e *expander) expand(n ast.Node, t reflect.Type, key string) (ast.Node, error) {
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var err error
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := e.value(v, t, key); err != nil {
				return nil, err
			}
		}
	case *ast.MappingValueNode: // a mapping with one entry
		return n, e.value(n, t, key)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			if n.Values[i], err = e.expand(v, elemOf(t), fmt.Sprintf("%s[%d]", key, i)); err != nil {
				return nil, err
			}
		}
	case *ast.AnchorNode:
		n.Value, err = e.expand(n.Value, t, key)
		return n, err
	case *ast.TagNode:
		n.Value, err = e.expand(n.Value, t, key)
		return n, err
	case *ast.StringNode:
		return e.leaf(n, n.Value, t, key)
	case *ast.LiteralNode:
		return e.leaf(n, n.Value.Value, t, key)
	}
	return n, nil
}

// value processes one entry of a mapping.
func (e *expander) value(v *ast.MappingValueNode, t reflect.Type, key string) (err error) {
	name := v.Key.GetToken().Value
	if strings.Contains(name, varOpen) {
		return fmt.Errorf("line %d: a variable may stand for a value, not for the key %s", v.Key.GetToken().Position.Line, asWritten.Replace(name))
	}
	if key != "" {
		name = key + "." + name
	}
	v.Value, err = e.expand(v.Value, fieldOf(t, v.Key.GetToken().Value), name)
	return err
}

// leaf returns a scalar with its variables inserted, as a node that decodes into
// t.
func (e *expander) leaf(n ast.Node, text string, t reflect.Type, key string) (ast.Node, error) {
	if !strings.Contains(text, varOpen) {
		return n, nil
	}
	line := n.GetToken().Position.Line
	var missing error
	value := standIns.ReplaceAllStringFunc(text, func(s string) string {
		name := standIns.FindStringSubmatch(s)[1]
		is, ok := e.getenv(name)
		if !ok && missing == nil {
			missing = fmt.Errorf("line %d: the environment variable %s is not set", line, name)
		}
		if is != "" {
			e.used = append(e.used, setVariable{name, is})
		}
		return is
	})
	if missing != nil {
		return nil, missing
	}
	kind, ok := reads(t, value)
	if !ok {
		return nil, fmt.Errorf("line %d: %s: the value of %s is not %s", line, key, asWritten.Replace(text), kind)
	}
	at := *n.GetToken().Position
	if t != nil && (isNumber(t) || t.Kind() == reflect.Bool) {
		plain := token.New(strings.TrimSpace(value), value, &at)
		if t.Kind() == reflect.Bool {
			return ast.Bool(plain), nil
		}
		return ast.Integer(plain), nil
	}
	return ast.String(token.DoubleQuote(value, strconv.Quote(value), &at)), nil
}

func isNumber(t reflect.Type) bool {
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64 && !readsItself(t)
}

// readsItself reports whether a type parses its values from text itself.
func readsItself(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Duration]() || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// reads reports whether a text can be parsed as a type, and names what the type
// accepts.
func reads(t reflect.Type, text string) (kind string, ok bool) {
	var err error
	switch {
	case t == nil:
		return "", true // the decoder knows no such key, and will say so
	case t == reflect.TypeFor[time.Duration]():
		_, err = time.ParseDuration(text)
		kind = "a duration, such as 30s"
	case readsItself(t):
		err = reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
		kind = "a valid value"
	case isNumber(t):
		_, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		kind = "a whole number"
	case t.Kind() == reflect.Bool:
		if text = strings.TrimSpace(text); text != "true" && text != "false" {
			err = strconv.ErrSyntax
		}
		kind = "true or false"
	case t.Kind() != reflect.String:
		return "one value: this key takes several", false
	}
	return kind, err == nil
}

// fieldOf returns the type of a mapping's value: that of a struct's field by its
// key, or of a map's values; nil if there is none.
func fieldOf(t reflect.Type, key string) reflect.Type {
	if t == nil || t.Kind() != reflect.Struct {
		return elemOf(t)
	}
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name == key && name != "" {
			return f.Type
		}
	}
	return nil
}

func elemOf(t reflect.Type) reflect.Type {
	if t == nil || t.Kind() != reflect.Map && t.Kind() != reflect.Slice {
		return nil
	}
	return t.Elem()
}

// hidden is an error whose text has variables' names in place of their values.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.err }

// hide replaces the values of variables in an error by the variables' names. It
// replaces whole words only: a value of one digit is part of many numbers.
func (c *Config) hide(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, v := range c.variables {
		for _, form := range []string{v.value, strings.Trim(strconv.Quote(v.value), `"`)} {
			text = replaceWord(text, form, "${"+v.name+"}")
		}
	}
	if text == err.Error() {
		return err
	}
	return &hidden{text, err}
}

// replaceWord replaces old where no letter or digit adjoins it.
func replaceWord(s, old, by string) string {
	part := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
	}
	var out strings.Builder
	for from := 0; ; {
		i := strings.Index(s[from:], old)
		if i < 0 {
			out.WriteString(s[from:])
			return out.String()
		}
		i += from
		end := i + len(old)
		whole := (i == 0 || !part(s[i-1]) || !part(old[0])) && (end == len(s) || !part(s[end]) || !part(old[len(old)-1]))
		if out.WriteString(s[from:i]); whole {
			out.WriteString(by)
		} else {
			out.WriteString(old)
		}
		from = end
	}
}

// errMoreDocuments refuses a file of several YAML documents, of which only one
// would apply.
var errMoreDocuments = errors.New("it holds several documents, separated by ---: only one can be the configuration")
