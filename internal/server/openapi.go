package server

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:generate go test -run TestOpenAPIIsCommitted -update .

// Paths of the description.
const (
	openAPIPath = "/openapi"
	docsPath    = "/docs"
)

// compatibilityPage is where the APIs of others are described field by field.
const compatibilityPage = "docs/api-compatibility.md"

// describe is the frame of the description, which operations are added to.
func describe() huma.Config {
	schemas := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		return strings.TrimPrefix(huma.DefaultSchemaNamer(t, hint), "Native")
	})
	json := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: func(body []byte, v any) error {
		body, err := checkJSON(body)
		if err != nil {
			return err
		}
		if err := huma.DefaultJSONFormat.Unmarshal(body, v); err != nil {
			return plainJSON(err)
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

// summaries say what the endpoints of the other APIs do.
var summaries = map[string]string{
	"POST /v1/videos":            "Submit a video",
	"GET /v1/videos":             "List videos",
	"GET /v1/videos/{id}":        "Look at a video",
	"DELETE /v1/videos/{id}":     "Cancel a video if it is not finished, and delete it",
	"GET /v1/videos/{id}/{part}": "Download a video: part is content",
	"POST /v1/videos/{id}/remix": "Make a video again from another prompt",
	"POST /v1/videos/extensions": "Go on from the end of a video",
	"POST /v1/videos/edits":      "Refused: no model here edits videos",
	"POST /v1/videos/characters": "Refused: no model here knows characters",
	"GET /v1/models":             "List the models",
	"GET /v1/models/{model...}":  "Look at a model",

	"POST /v1/video_generation":                "Submit a video (V1)",
	"GET /v1/query/video_generation":           "Look at a video task (V1)",
	"POST /v2/video_generation":                "Submit a video (V2)",
	"GET /v2/query/video_generation":           "List video tasks (V2)",
	"GET /v2/query/video_generation/{task_id}": "Look at a video task (V2)",
	"DELETE /v2/video_generation/{task_id}":    "Cancel a task that waits, or delete one that is over (V2)",
	"POST /v2/h3_context_ir":                   "Have a prompt worked out (V2)",
	"POST /v2/video_regeneration":              "Make a video again, enlarged to 2K (V2)",
	"POST /v1/image_generation":                "Make images, and wait for them",
	"POST /v1/t2a_v2":                          "Speak a text",
	"POST /v1/get_voice":                       "List the voices",
	"POST /v1/text/chatcompletion_v2":          "Chat, by the upstream that is configured",
	"POST /v1/chat/completions":                "Chat, in OpenAI's form",
	"GET /v1/token_plan/remains":               "See what is left of the plan",
	"POST /v1/files/upload":                    "Upload a file",
	"GET /v1/files/list":                       "List files",
	"GET /v1/files/retrieve":                   "Look at a file, and get a link to it",
	"GET /v1/files/retrieve_content":           "Download a file",
	"POST /v1/files/delete":                    "Delete a file",
	"POST /v1/files":                           "Upload a file",
	"GET /v1/files":                            "List files",
	"GET /v1/files/{file_id}":                  "Look at a file, and get a link to it",
	"GET /v1/files/{file_id}/content":          "Download a file",
	"DELETE /v1/files":                         "Delete a file",
	"DELETE /v1/files/{file_id}":               "Delete a file",
}

// describeOthers adds the endpoints of the other APIs in short: their fields
// are theirs, and docs/api-compatibility.md has them.
func describeOthers(o *huma.OpenAPI) {
	add := func(tag string, a api) {
		for _, rt := range a.routes() {
			method, path, _ := strings.Cut(rt.pattern, " ")
			summary := summaries[rt.pattern]
			path = strings.ReplaceAll(path, "...}", "}")
			op := &huma.Operation{
				OperationID: tag + strings.NewReplacer("/", "-", "{", "", "}", "", "_", "-").Replace(path) + "-" + strings.ToLower(method),
				Method:      method, Path: path, Tags: []string{tag}, Summary: summary,
				Security:    []map[string][]string{{"bearer": {}}, {"key": {}}},
				Extensions:  map[string]any{scopeExtension: rt.scope},
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
	add("openai", newOpenAI(nil))
	for _, a := range newMiniMax(nil) {
		add("minimax", a)
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

// page is an endpoint that needs no key.
type page struct {
	pattern string
	handle  http.HandlerFunc
}

// pages are the description and what people read of it. They are made once:
// what they say does not change.
func (n *native) pages() ([]page, error) {
	text, err := n.description()
	if err != nil {
		return nil, err
	}
	yaml, err := n.huma.OpenAPI().YAML()
	if err != nil {
		return nil, err
	}
	html, policy, err := renderDocs(n.huma.OpenAPI())
	if err != nil {
		return nil, err
	}
	return []page{
		{"GET " + openAPIPath + ".json", constant("application/json", text, "")},
		{"GET " + openAPIPath + ".yaml", constant("application/yaml", yaml, "")},
		{"GET " + docsPath, constant("text/html; charset=utf-8", html, policy)},
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
func (n *native) description() ([]byte, error) {
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
