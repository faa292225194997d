package native

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kinora-video/kinora/internal/api/native/docs"
	"github.com/kinora-video/kinora/internal/web"
)

// openAPIPath begins the paths of the description.
const openAPIPath = "/openapi"

// compatibilityPage is where the APIs of others are described field by field.
const compatibilityPage = "docs/api-compatibility.md"

// describe is the frame of the description, which operations are added to.
func describe() huma.Config {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	json := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: func(body []byte, v any) error {
		body, err := web.CheckJSON(body)
		if err != nil {
			return err
		}
		if err := huma.DefaultJSONFormat.Unmarshal(body, v); err != nil {
			return web.PlainJSON(err)
		}
		return nil
	}}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "Kinora",
				Version:     "1",
				Description: "Kinora's own API: jobs that make video and images, their events and files, webhooks, usage, and for operators projects and keys.\n\nEvery request needs a key, as Authorization: Bearer kn-… or X-Api-Key. Times are RFC 3339, in UTC. Amounts are dollars, as text. Errors are application/problem+json (RFC 9457). Fields and parameters that are not described are refused.",
			},
			Servers: []*huma.Server{{URL: "/", Description: "This server."}},
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "An API key, kn-…"},
					"key":    {Type: "apiKey", In: "header", Name: "X-Api-Key", Description: "The same key in a header of its own."},
				},
			},
			Tags: []*huma.Tag{
				{Name: "jobs", Description: "What is to be made, what becomes of it, and its events while it runs."},
				{Name: "files", Description: "Pictures that jobs begin with."},
				{Name: "webhooks", Description: "Being told of what becomes of jobs."},
				{Name: "usage", Description: "What was used, and what may still be."},
				{Name: "admin", Description: "Projects and keys, for operators."},
				{Name: "openai", Description: "OpenAI's Videos API, for its clients; see " + compatibilityPage + "."},
				{Name: "minimax", Description: "MiniMax's APIs, for their clients; see " + compatibilityPage + "."},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": json, "json": json},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// OtherAPI is an API of others that the description tells of, under a tag.
type OtherAPI struct {
	Tag string // "openai" or "minimax"
	API web.API
}

// describeOthers adds the endpoints of the other APIs in short: their fields
// are theirs, and docs/api-compatibility.md has them.
func describeOthers(o *huma.OpenAPI, others []OtherAPI) {
	add := func(tag string, a web.API) {
		for _, rt := range a.Routes() {
			method, path, _ := strings.Cut(rt.Pattern, " ")
			path = strings.ReplaceAll(path, "...}", "}")
			op := &huma.Operation{
				OperationID: tag + strings.NewReplacer("/", "-", "{", "", "}", "", "_", "-").Replace(path) + "-" + strings.ToLower(method),
				Method:      method, Path: path, Tags: []string{tag}, Summary: rt.Summary,
				Security:    []map[string][]string{{"bearer": {}}, {"key": {}}},
				Extensions:  map[string]any{docs.Scope: rt.Scope},
				Description: "Its fields and errors are those of the API that it stands in for: see " + compatibilityPage + ".",
				Responses:   map[string]*huma.Response{"200": {Description: "As that API answers."}, "default": {Description: "An error in that API's form."}},
			}
			for rest := path; ; {
				_, after, found := strings.Cut(rest, "{")
				if !found {
					break
				}
				name, after, _ := strings.Cut(after, "}")
				op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
				rest = after
			}
			o.AddOperation(op)
		}
	}
	for _, other := range others {
		add(other.Tag, other.API)
	}
}

// describeCodes lists the kinds of errors where the description tells of them.
func describeCodes(o *huma.OpenAPI) {
	var codes []any
	for _, c := range slices.Sorted(maps.Keys(problems)) {
		codes = append(codes, c)
	}
	for _, name := range []string{"Problem", "JobError"} {
		if s := o.Components.Schemas.Map()[name]; s != nil {
			s.Properties["code"].Enum = codes
		}
	}
}

// Page is an endpoint that needs no key.
type Page struct {
	Pattern string
	Handle  http.HandlerFunc
}

// Pages are the description and what people read of it. They are made once:
// what they say does not change.
func (n *API) Pages() ([]Page, error) {
	text, err := n.description()
	if err != nil {
		return nil, err
	}
	yaml, err := n.huma.OpenAPI().YAML()
	if err != nil {
		return nil, err
	}
	var errs []docs.Error
	for code, k := range problems {
		errs = append(errs, docs.Error{Code: code, Status: k.status, Title: k.title, Hint: k.hint})
	}
	html, policy, err := docs.Render(n.huma.OpenAPI(), errs)
	if err != nil {
		return nil, err
	}
	return []Page{
		{"GET " + openAPIPath + ".json", constant("application/json", text, "")},
		{"GET " + openAPIPath + ".yaml", constant("application/yaml", yaml, "")},
		{"GET " + web.DocsPath, constant("text/html; charset=utf-8", html, policy)},
	}, nil
}

func constant(kind string, body []byte, policy string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "public, max-age=300")
		if policy != "" {
			h.Set("Content-Security-Policy", policy)
		}
		_, _ = w.Write(body) // the reader may have gone
	}
}

// description is the OpenAPI description as docs/openapi.json has it.
func (n *API) description() ([]byte, error) {
	text, err := json.Marshal(n.huma.OpenAPI())
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
