package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/api/apitest"
)

var update = flag.Bool("update", false, "write docs/openapi.json again")

// answer is a page that a server returned.
type answer struct {
	header http.Header
	body   string
}

// shown fetches a page that needs no key.
func shown(t *testing.T, s *Server, path string) answer {
	t.Helper()
	resp, body := call(t, s, "GET", path, "", "")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", path, resp.StatusCode, body)
	}
	return answer{resp.Header, body}
}

// pageOfNew fetches a page of a new server.
func pageOfNew(t *testing.T, path string) []byte {
	t.Helper()
	s, _ := realServer(t, nil)
	return []byte(shown(t, s, path).body)
}

// TestOpenAPIIsCommitted: docs/openapi.json equals the document that the server
// serves.
func TestOpenAPIIsCommitted(t *testing.T) {
	got := pageOfNew(t, "/openapi.json")
	path := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/openapi.json differs from the code (%v): run go generate ./internal/server and check the difference", err)
	}
	if again := pageOfNew(t, "/openapi.json"); !bytes.Equal(got, again) {
		t.Error("the document differs between two starts")
	}
}

// TestOpenAPIDescribesAll: the document has every native endpoint with its
// summary, scope and errors, and every reference resolves.
func TestOpenAPIDescribesAll(t *testing.T) {
	s, _ := realServer(t, nil)
	text := []byte(shown(t, s, "/openapi.json").body)
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Tags        []string
			Scope       string `json:"x-kinora-scope"`
			Security    []map[string][]string
			Responses   map[string]struct {
				Content map[string]any
			}
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(text, &d); err != nil || d.OpenAPI != "3.1.0" {
		t.Fatalf("%v, version %s", err, d.OpenAPI)
	}
	ids := map[string]bool{}
	for path, ops := range d.Paths {
		for method, op := range ops {
			if op.Summary == "" || len(op.Tags) != 1 || len(op.Security) != 2 || ids[op.OperationID] || strings.Contains(path, "...") {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			ids[op.OperationID] = true
		}
	}
	for _, rt := range s.native.Routes() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		op, ok := d.Paths[path][strings.ToLower(method)]
		if !ok || op.Scope != rt.Scope || op.Responses["401"].Content["application/problem+json"] == nil {
			t.Errorf("%s: %+v", rt.Pattern, op)
		}
	}
	for _, m := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		if d.Components.Schemas[m[1]] == nil {
			t.Errorf("there is no schema %s", m[1])
		}
	}
	for _, want := range []string{"POST /v1/videos", "GET /v1/models", "POST /v1/video_generation"} {
		method, path, _ := strings.Cut(want, " ")
		if _, ok := d.Paths[path][strings.ToLower(method)]; !ok {
			t.Errorf("%s is not described", want)
		}
	}
}

// TestDocsPage: the page lists every endpoint and error, and loads no other
// resources.
func TestDocsPage(t *testing.T) {
	s, _ := realServer(t, nil)
	docs, described, yaml := shown(t, s, "/docs"), shown(t, s, "/openapi.json"), shown(t, s, "/openapi.yaml")
	html := docs.body
	for _, rt := range s.native.Routes() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if !strings.Contains(html, fmt.Sprintf(`<span class="method %s">%s</span><code>%s</code>`, method, method, path)) {
			t.Errorf("%s is not on the page", rt.Pattern)
		}
	}
	for _, code := range apitest.AllCodes(t) {
		if !strings.Contains(html, `id="error-`+string(code)+`"`) {
			t.Errorf("the error %s is not on the page", code)
		}
	}
	for _, word := range []string{"<script", "<link", "<img", "@import", "url(", "src=", "ZgotmplZ"} {
		if strings.Contains(html, word) {
			t.Errorf("the page has %q", word)
		}
	}
	if csp := docs.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "style-src 'sha256-") {
		t.Errorf("the policy is %q", csp)
	}
	for _, id := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if !strings.Contains(html, `id="`+id[1]+`"`) {
			t.Errorf("the link #%s leads nowhere", id[1])
		}
	}
	if kind := described.header.Get("Content-Type"); kind != "application/json" || !json.Valid([]byte(described.body)) {
		t.Errorf("openapi.json of type %s", kind)
	}
	if y := yaml.body; !strings.Contains(y, "openapi: 3.1.0") {
		t.Errorf("openapi.yaml begins %.60q", y)
	}
}
