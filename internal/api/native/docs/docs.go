// Package docs makes the page that people read of the API. It is made of the
// OpenAPI description alone, and loads and runs nothing.
package docs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kinora-video/kinora/internal/job"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("docs").Parse(pageHTML))

// page is what is shown. It is made of the description alone.
type page struct {
	Title  string
	Intro  []string
	Style  template.CSS
	Groups []docGroup
	// Objects are what answers hold, each said once.
	Objects []docObject
	Errors  []Error
}

// docObject is a schema that answers are made of.
type docObject struct {
	Name   string
	Fields []docField
}

type docGroup struct {
	Name, Title, Text string
	Short             bool // only a list of its endpoints
	Ops               []docOp
}

type docOp struct {
	ID, Method, Path, Scope string
	Summary, Text           string
	Params, Body            []docField
	BodyType                string
	Answers                 []docAnswer
	Example                 string
}

// docAnswer is a kind of answer. It holds an object, or what Fields say.
type docAnswer struct {
	Status, Type, Text, Object string
	Fields                     []docField
}

// docField is a field or parameter. Object names the schema that it holds.
type docField struct {
	Name, Type, Object, Text string
	Needed                   bool
}

// Error is a kind of error, which the page explains.
type Error struct {
	Code   job.Code
	Status int    // of HTTP
	Title  string // the kind in words
	Hint   string // what to do about it
}

// others are the APIs of others by their tags, as they write their names.
var others = map[string]string{"openai": "OpenAI", "minimax": "MiniMax"}

// Extensions of the description that the page knows.
const (
	// Scope is where an operation says the scope that a key needs.
	Scope = "x-kinora-scope"
	// Event is JSON Schema's keyword for what the JSON in a string is, which is
	// what the data of an event is.
	Event = "contentSchema"
)

// Render makes the page of a description and kinds of errors, and the policy
// under which it works: it loads and runs nothing.
func Render(o *huma.OpenAPI, errs []Error) (html []byte, policy string, err error) {
	d := page{Title: o.Info.Title, Intro: strings.Split(o.Info.Description, "\n\n"), Style: template.CSS(pageCSS)} //nolint:gosec // it is ours
	for _, tag := range o.Tags {
		g := docGroup{Name: tag.Name, Title: strings.ToUpper(tag.Name[:1]) + tag.Name[1:], Text: tag.Description}
		if name, ok := others[tag.Name]; ok {
			g.Title, g.Short = name, true
		}
		for _, path := range slices.Sorted(maps.Keys(o.Paths)) {
			for _, op := range operations(o.Paths[path]) {
				if slices.Contains(op.Tags, tag.Name) {
					g.Ops = append(g.Ops, docOpOf(o, op))
				}
			}
		}
		d.Groups = append(d.Groups, g)
	}
	d.Objects = objects(o)
	d.Errors = slices.Clone(errs)
	slices.SortFunc(d.Errors, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code))
	})
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, d); err != nil {
		return nil, "", fmt.Errorf("the page of documentation: %w", err)
	}
	sum := sha256.Sum256([]byte(pageCSS))
	policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return b.Bytes(), policy, nil
}

// operations of a path, in the order that one reads them.
func operations(p *huma.PathItem) (out []*huma.Operation) {
	for _, op := range []*huma.Operation{p.Post, p.Get, p.Patch, p.Put, p.Delete} {
		if op != nil {
			out = append(out, op)
		}
	}
	return out
}

func docOpOf(o *huma.OpenAPI, op *huma.Operation) docOp {
	d := docOp{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Text: op.Description}
	d.Scope, _ = op.Extensions[Scope].(string)
	for _, p := range op.Parameters {
		d.Params = append(d.Params, docField{
			Name: p.Name, Type: p.In + ", " + typeName(p.Schema), Text: sentence(cmp.Or(p.Description, p.Schema.Description), p.Schema), Needed: p.Required,
		})
	}
	if op.RequestBody != nil {
		for kind, media := range op.RequestBody.Content {
			d.BodyType, d.Body = kind, fieldsIn(o, media.Schema, "", true)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[status]
		if status >= "400" { // errors are explained once, at the page's end
			continue
		}
		a := docAnswer{Status: status, Text: r.Description}
		kinds := slices.Sorted(maps.Keys(r.Content))
		a.Type = strings.Join(kinds, " or ")
		for _, kind := range kinds {
			switch schema := r.Content[kind].Schema; {
			case schema.Ref != "":
				a.Object = objectName(schema)
			default:
				for _, one := range schema.OneOf {
					a.Fields = append(a.Fields, docField{Name: fmt.Sprint(one.Properties["event"].Enum[0]), Type: "event", Object: objectName(inText(one.Properties["data"]))})
				}
			}
		}
		d.Answers = append(d.Answers, a)
	}
	d.Example = example(o, op)
	return d
}

// deref is the schema that a reference names.
func deref(o *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	if s != nil && s.Ref != "" {
		return o.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// objectName is the schema that a reference, or a list of them, names; "" for
// none.
func objectName(s *huma.Schema) string {
	if s != nil && s.Items != nil {
		s = s.Items
	}
	if s == nil || s.Ref == "" {
		return ""
	}
	return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
}

// inText is the schema of the JSON that a string holds, nil for other strings.
func inText(s *huma.Schema) *huma.Schema {
	inner, _ := s.Extensions[Event].(*huma.Schema)
	return inner
}

// objects lists the schemas that answers hold, and those within them.
func objects(o *huma.OpenAPI) (out []docObject) {
	seen := map[string]bool{}
	var visit func(s *huma.Schema)
	visit = func(s *huma.Schema) {
		if s == nil {
			return
		}
		if name := objectName(s); name != "" && !seen[name] {
			seen[name] = true
			inner := o.Components.Schemas.Map()[name]
			out = append(out, docObject{name, fieldsIn(o, inner, "", false)})
			visit(inner)
		}
		for _, p := range s.Properties {
			visit(p)
		}
		for _, one := range s.OneOf {
			visit(one)
		}
		visit(inText(s))
	}
	for _, path := range o.Paths {
		for _, op := range operations(path) {
			for _, r := range op.Responses {
				for _, media := range r.Content {
					visit(media.Schema)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b docObject) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// fieldsIn lists an object's fields; with deep also those of objects in it,
// with dots.
func fieldsIn(o *huma.OpenAPI, s *huma.Schema, prefix string, deep bool) (out []docField) {
	s = deref(o, s)
	if s == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		inner := deref(o, p)
		f := docField{
			Name: prefix + name, Type: typeName(inner), Text: sentence(cmp.Or(p.Description, inner.Description), inner), Needed: slices.Contains(s.Required, name),
		}
		if !deep {
			f.Object = objectName(p)
		}
		out = append(out, f)
		if deep && p.Ref != "" { // no body holds itself
			out = append(out, fieldsIn(o, p, prefix+name+".", deep)...)
		}
	}
	return out
}

func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return "any"
	case s.Type == huma.TypeArray && s.Items != nil && s.Items.Type != "":
		return "list of " + s.Items.Type
	case s.Type == huma.TypeArray:
		return "list"
	case s.Format == "date-time":
		return "time"
	case s.Type == "":
		return "object"
	}
	return s.Type
}

// sentence is a description with the limits that a schema has.
func sentence(text string, s *huma.Schema) string {
	if s == nil {
		return text
	}
	if s.Items != nil && len(s.Enum) == 0 {
		s = s.Items
	}
	var limits []string
	if len(s.Enum) > 0 {
		var words []string
		for _, e := range s.Enum {
			words = append(words, fmt.Sprint(e))
		}
		limits = append(limits, "one of "+strings.Join(words, ", "))
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		limits = append(limits, fmt.Sprintf("%s to %s", number(*s.Minimum), number(*s.Maximum)))
	case s.ExclusiveMinimum != nil && s.Maximum != nil:
		limits = append(limits, fmt.Sprintf("more than %s, at most %s", number(*s.ExclusiveMinimum), number(*s.Maximum)))
	case s.Minimum != nil:
		limits = append(limits, "at least "+number(*s.Minimum))
	}
	if s.Default != nil {
		limits = append(limits, fmt.Sprintf("%v if left out", s.Default))
	}
	if len(limits) == 0 {
		return text
	}
	return strings.TrimSpace(text + " (" + strings.Join(limits, "; ") + ")")
}

func number(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.0f", x), ".0") }

// example is a command that asks for an operation.
func example(o *huma.OpenAPI, op *huma.Operation) string {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" && p.Schema != nil && len(p.Schema.Examples) > 0 {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", fmt.Sprint(p.Schema.Examples[0]))
		}
	}
	var b strings.Builder
	b.WriteString("curl ")
	if strings.HasSuffix(path, "/events") {
		b.WriteString("-N ")
	}
	fmt.Fprintf(&b, "\"$KINORA%s\" -H \"Authorization: Bearer $KEY\"", path)
	if op.Method != http.MethodGet && (op.Method != http.MethodPost || op.RequestBody == nil) {
		b.WriteString(" -X " + op.Method)
	}
	if op.RequestBody == nil {
		return b.String()
	}
	for kind, media := range op.RequestBody.Content {
		if kind == "multipart/form-data" {
			b.WriteString(" \\\n  -F file=@picture.png")
			continue
		}
		if op.Method != http.MethodPost && !strings.Contains(b.String(), "-X") {
			b.WriteString(" -X " + op.Method)
		}
		text, err := json.Marshal(exampleOf(o, media.Schema))
		if err == nil {
			fmt.Fprintf(&b, " \\\n  --json '%s'", text)
		}
	}
	return b.String()
}

// exampleOf is an object with the fields that have an example.
func exampleOf(o *huma.OpenAPI, s *huma.Schema) map[string]any {
	out := map[string]any{}
	for name, p := range deref(o, s).Properties {
		switch {
		case len(p.Examples) > 0:
			out[name] = p.Examples[0]
		case name == "events":
			out[name] = []string{"job.succeeded", "job.failed"}
		}
	}
	return out
}
