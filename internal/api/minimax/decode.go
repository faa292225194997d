package minimax

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// fieldKind is the type of a field of MiniMax's requests.
type fieldKind string

// The kinds, in the words of error messages.
const (
	aString      fieldKind = "a string"
	aWholeNumber fieldKind = "a whole number" // 6, also as 6.0, and not "6"
	aNumber      fieldKind = "a number"
	aBool        fieldKind = "true or false"
	anObject     fieldKind = "an object"
	aList        fieldKind = "a list"
	anID         fieldKind = "an id of digits" // digits, as a number or a string
	aFileID      fieldKind = "a file's id"     // the same, or "file_" and digits
	anyValue     fieldKind = "a value"
)

// fieldRule says what a field of a request may hold. The tables of fields are the
// decoder; docs/api-compatibility.md is held to them by a test.
type fieldRule struct {
	name     string
	kind     fieldKind
	need     bool        // must be there
	most     int         // characters of a string, items of a list; 0 is no limit
	from, to float64     // of a number, both included; no range when equal
	oneOf    []string    // what a string, or a number in decimal, may be
	fields   []fieldRule // of an object, or of each object in a list
	each     fieldKind   // of a list's items
	// refuse says why a field that is understood is refused. It is refused where
	// it holds something: not for null, false, "" or an empty list. With late the
	// endpoint does it, after its own rules.
	refuse string
	late   bool
	// full refuses an empty string. It is set where the field names what a job is
	// made of: whoever sends the field empty has forgotten the name.
	full bool
	// many says that a parameter of a URL may be there several times, or hold
	// several values with commas: it is a list then.
	many bool
}

// fieldRules is the table of a request's fields. Others are tolerated, as MiniMax
// does.
type fieldRules []fieldRule

// fieldValues is a request that was checked. Null, and a string that is empty, are
// the same as no value.
type fieldValues map[string]any

func (v fieldValues) has(name string) bool { _, ok := v[name]; return ok }

func (v fieldValues) text(name string) string { s, _ := v[name].(string); return s }

func (v fieldValues) object(name string) fieldValues { o, _ := v[name].(fieldValues); return o }

// valuesOf are the values of a parameter that may have several.
func valuesOf[T any](v fieldValues, name string) []T {
	all, _ := v[name].([]any)
	out := make([]T, 0, len(all))
	for _, item := range all {
		if x, ok := item.(T); ok {
			out = append(out, x)
		}
	}
	return out
}

// objects are the items of a list of objects.
func (v fieldValues) objects(name string) []fieldValues {
	return valuesOf[fieldValues](v, name)
}

func (v fieldValues) whole(name string, otherwise int64) int64 {
	if n, ok := v[name].(int64); ok {
		return n
	}
	return otherwise
}

func (v fieldValues) number(name string, otherwise float64) float64 {
	if n, ok := v[name].(float64); ok {
		return n
	}
	return otherwise
}

func (v fieldValues) yes(name string, otherwise bool) bool {
	if b, ok := v[name].(bool); ok {
		return b
	}
	return otherwise
}

// readBody reads a request's body, whose size the server has bounded.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	return body, bodyError(err)
}

// bodyError says why a body could not be read.
func bodyError(err error) error {
	var large *http.MaxBytesError
	switch {
	case err == nil, web.IsReported(err):
		return err
	case errors.As(err, &large):
		return job.Errorf(job.TooLarge, "", "the request's body is larger than %d bytes: give files as URLs, or upload them first", large.Limit)
	}
	return &job.Error{Code: job.Invalid, Message: "the request's body ended early", Err: err}
}

// read checks a JSON body against the table.
func (f fieldRules) read(body []byte) (fieldValues, error) {
	body, err := web.CheckJSON(body)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var top map[string]any
	if err := dec.Decode(&top); err != nil || top == nil {
		return nil, &job.Error{Code: job.Invalid, Message: "the request's body must be a JSON object" + jsonTrouble(err), Err: err}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, job.Errorf(job.Invalid, "", "the request's body goes on after its JSON object")
	}
	return readFields(f, "", top)
}

// jsonTrouble is where a text stops being JSON, without the text itself.
func jsonTrouble(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf(": it is no JSON at byte %d", syntax.Offset)
	}
	return ""
}

// readURL checks the parameters of a request's URL against the table.
func (f fieldRules) readURL(r *http.Request) (fieldValues, error) {
	q, err := web.Parameters(r)
	if err != nil {
		return nil, err
	}
	return f.readQuery(q)
}

func (f fieldRules) readQuery(q url.Values) (fieldValues, error) {
	for name := range q {
		if strings.HasPrefix(name, "filter.") && !slices.ContainsFunc(f, func(field fieldRule) bool { return field.name == name }) {
			return nil, job.Errorf(job.Invalid, web.FieldName(name), "%s is no filter here: a list that ignored it would be another one", web.FieldName(name))
		}
	}
	given, err := f.given(q)
	if err != nil {
		return nil, err
	}
	return readFields(f, "", given)
}

// given is what a URL or a form gives of the table's fields, in the types of
// JSON: a number where a whole number is wanted and there is one.
func (f fieldRules) given(q map[string][]string) (map[string]any, error) {
	out := map[string]any{}
	for i := range f {
		field := &f[i]
		list := q[field.name]
		switch {
		case field.many:
			values, err := field.split(list)
			if err != nil {
				return nil, err
			}
			if len(values) > 0 {
				out[field.name] = values
			}
		case len(list) > 1:
			return nil, web.Repeated(field.name, len(list))
		case len(list) == 1 && list[0] != "":
			out[field.name] = list[0]
			if _, err := strconv.ParseInt(list[0], 10, 64); err == nil && field.kind == aWholeNumber {
				out[field.name] = json.Number(list[0])
			}
		}
	}
	return out, nil
}

// split is a parameter's values, repeated or with commas between them.
func (f *fieldRule) split(list []string) ([]any, error) {
	var out []any
	for _, s := range list {
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	if len(out) > maxWanted {
		return nil, job.Errorf(job.Invalid, f.name, "%s has %d values: the limit is %d", f.name, len(out), maxWanted)
	}
	return out, nil
}

func readFields(fields []fieldRule, prefix string, given map[string]any) (fieldValues, error) {
	out := fieldValues{}
	for i := range fields {
		f := &fields[i]
		path := prefix + f.name
		v, err := f.read(path, given[f.name])
		switch {
		case err != nil:
			return nil, err
		case v == nil && f.need:
			return nil, job.Errorf(job.Invalid, path, "%s is missing: it must be %s%s", path, f.kind, f.choices())
		case v == nil:
			continue
		case f.refuse != "" && !f.late && v != false:
			return nil, job.Errorf(job.Unsupported, path, "%s: %s", path, f.refuse)
		}
		out[f.name] = v
	}
	return out, nil
}

// read checks one value; nil is none.
func (f *fieldRule) read(path string, given any) (any, error) {
	if given == nil {
		return nil, nil
	}
	if list, ok := given.([]any); ok && f.many {
		return f.readMany(path, list)
	}
	switch f.kind {
	case anyValue:
		return given, nil
	case aBool:
		if b, ok := given.(bool); ok {
			return b, nil
		}
	case aString:
		if s, ok := given.(string); ok {
			return f.readText(path, s)
		}
	case aWholeNumber, aNumber:
		if n, ok := given.(json.Number); ok {
			return f.readNumber(path, n)
		}
	case anID:
		digits, _ := given.(string)
		if n, ok := given.(json.Number); ok {
			digits = n.String()
		}
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n > 0 {
			return n, nil
		}
	case aFileID:
		id, _ := given.(string)
		if n, ok := given.(json.Number); ok {
			id = n.String()
		}
		if n, ok := service.ParseFileID(id); ok {
			return n, nil
		}
	case anObject:
		if o, ok := given.(map[string]any); ok {
			return readFields(f.fields, path+".", o)
		}
	case aList:
		if l, ok := given.([]any); ok {
			return f.readList(path, l)
		}
	}
	return nil, job.Errorf(job.Invalid, path, "%s must be %s%s, not %s", path, f.kind, f.choices(), kindOf(given))
}

// readMany checks each value of a parameter that may have several.
func (f *fieldRule) readMany(path string, list []any) (any, error) {
	one := *f
	one.many = false
	out := make([]any, 0, len(list))
	for _, given := range list {
		v, err := one.read(path, given)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (f *fieldRule) readText(path, s string) (any, error) {
	switch n := utf8.RuneCountInString(s); {
	case s == "" && f.full:
		return nil, job.Errorf(job.Invalid, path, "%s is empty: fill it in, or leave it out", path)
	case s == "" && len(f.oneOf) == 0:
		return nil, nil
	case f.most > 0 && n > f.most:
		return nil, job.Errorf(job.Invalid, path, "%s has %d characters: the limit is %d", path, n, f.most)
	case len(f.oneOf) > 0 && !slices.Contains(f.oneOf, s):
		return nil, job.Errorf(job.Invalid, path, "%s must be%s, not %.40q", path, f.choices(), s)
	}
	return s, nil
}

func (f *fieldRule) readNumber(path string, n json.Number) (any, error) {
	x, err := n.Float64()
	if err != nil || math.IsInf(x, 0) {
		return nil, job.Errorf(job.Invalid, path, "%s is out of range", path)
	}
	var v any = x
	if f.kind == aWholeNumber {
		i, err := n.Int64()
		if err != nil {
			return nil, job.Errorf(job.Invalid, path, "%s must be a whole number%s, not %.40s", path, f.choices(), n)
		}
		v = i
	}
	if len(f.oneOf) > 0 && !slices.Contains(f.oneOf, n.String()) {
		return nil, job.Errorf(job.Invalid, path, "%s must be%s, not %.40s", path, f.choices(), n)
	}
	if f.from != f.to && (x < f.from || x > f.to) {
		return nil, job.Errorf(job.Invalid, path, "%s is %.40s: it must be%s", path, n, f.choices())
	}
	return v, nil
}

func (f *fieldRule) readList(path string, list []any) (any, error) {
	if f.most > 0 && len(list) > f.most {
		return nil, job.Errorf(job.Invalid, path, "%s has %d items: the limit is %d", path, len(list), f.most)
	}
	item := fieldRule{kind: f.each, fields: f.fields}
	out := make([]any, 0, len(list))
	for i, given := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		v, err := item.read(at, given)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, job.Errorf(job.Invalid, at, "%s must be %s, not %s", at, f.each, kindOf(given))
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// choices are the values that a field may have, for messages.
func (f *fieldRule) choices() string {
	switch {
	case len(f.oneOf) == 1:
		return " " + f.oneOf[0]
	case len(f.oneOf) > 1:
		return " one of " + strings.Join(f.oneOf, ", ")
	case f.from != f.to:
		return fmt.Sprintf(" from %v to %v", f.from, f.to)
	}
	return ""
}

// kindOf names what a JSON value is.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case json.Number:
		return fmt.Sprintf("the number %.40s", v)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	}
	return "an object"
}
