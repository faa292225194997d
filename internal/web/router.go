package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
)

// Router finds the endpoint of a request. It refuses requests with invalid text.
// If no endpoint matches, it answers in the form of the API that the path belongs
// to.
type Router struct {
	mux *http.ServeMux
	// apis is the API of each pattern of mux. roots is the API of paths by their
	// beginning, such as /v1/videos. All other paths are the native API's.
	apis, roots map[string]API
	// plain are the paths of patterns without wildcards.
	plain map[string]bool
	// only are the conditions of patterns that match too many paths.
	only map[string]func(path string) bool
	ours API
	// Purpose describes this process if it serves no API.
	Purpose string
}

// NewRouter returns a router on mux. mux has the routes of these APIs, of which
// the native one is last, and perhaps others.
func NewRouter(mux *http.ServeMux, apis []API) *Router {
	t := &Router{mux: mux, apis: map[string]API{}, roots: map[string]API{}, plain: map[string]bool{}, only: map[string]func(string) bool{}, ours: apis[len(apis)-1]}
	for _, a := range apis {
		for _, rt := range a.Routes() {
			_, path, _ := strings.Cut(rt.Pattern, " ")
			t.apis[rt.Pattern], t.roots[rootOf(path)] = a, a
			t.plain[path] = !strings.Contains(path, "{")
			t.only[rt.Pattern] = rt.Only
		}
		for _, root := range a.Missing() {
			t.roots[root] = a
		}
	}
	return t
}

// rootOf is the first two parts of a path.
func rootOf(path string) string {
	parts := strings.SplitN(path, "/", 4)
	return strings.Join(parts[:min(3, len(parts))], "/")
}

// ServeHTTP answers a request.
func (t *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := checkRequest(r); err != nil {
		t.APIFor(r.URL.Path).Fail(w, r, err)
		return
	}
	if _, found := t.pattern(r); !found {
		t.nowhere(w, r)
		return
	}
	t.mux.ServeHTTP(w, r)
}

// nowhere answers a request that no endpoint matches.
func (t *Router) nowhere(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if methods := slices.Sorted(maps.Keys(t.methods(path))); len(methods) > 0 {
		allow := strings.Join(methods, ", ")
		w.Header().Set("Allow", allow)
		t.APIFor(path).Fail(w, r, job.Errorf(job.NoMethod, "", "%.80[2]s does not allow %.20[1]s: it has %[3]s", r.Method, path, allow))
		return
	}
	hint, meant := "GET "+DocsPath+" shows all endpoints", t.meant(path)
	trimmed := strings.TrimRight(path, "/")
	switch {
	case t.Purpose != "":
		hint = t.Purpose
	case meant == "":
	case meant == trimmed:
		hint = "did you mean " + meant + ", without the slash at the end?"
	case strings.HasSuffix(meant, trimmed):
		hint = "did you mean " + meant + "? Then the base URL lacks " + strings.TrimSuffix(meant, trimmed)
	default:
		hint = "did you mean " + meant + "? Then the base URL should end before it"
	}
	t.APIFor(path).Fail(w, r, job.Errorf(job.NoEndpoint, "", "there is no endpoint %.20s %.80s: %.200s", r.Method, path, hint))
}

// methods returns the methods of a path, each with its pattern.
func (t *Router) methods(path string) map[string]string {
	found := map[string]string{}
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		r := &http.Request{Method: m, URL: &url.URL{Path: path}}
		if pattern, ok := t.pattern(r); ok {
			found[m] = pattern
		}
	}
	return found
}

// pattern returns the pattern of the endpoint that answers a request. If a path
// has an endpoint of its own, such as /v1/files/upload, a wildcard that matches
// it too does not count: nobody means a file with the id "upload".
func (t *Router) pattern(r *http.Request) (string, bool) {
	_, pattern := t.mux.Handler(r)
	switch {
	case pattern == "", t.only[pattern] != nil && !t.only[pattern](r.URL.Path):
		return "", false
	case t.plain[r.URL.Path]:
		return pattern, strings.HasSuffix(pattern, " "+r.URL.Path)
	}
	return pattern, true
}

// APIFor returns the API whose form errors at a path take.
func (t *Router) APIFor(path string) API {
	for _, p := range []string{path, t.meant(path)} {
		for _, pattern := range t.methods(p) {
			if a := t.apis[pattern]; a != nil {
				return a
			}
		}
	}
	for root := rootOf(path); ; {
		if a := t.roots[root]; a != nil {
			return a
		}
		slash := strings.LastIndexByte(root, '/')
		if slash < 0 { // also for "*", which is a valid path in HTTP
			return t.ours
		}
		root = root[:slash]
	}
}

// Bounds that keep guesses at the intended path cheap.
const (
	mostDropped = 4   // needless parts at a path's beginning
	mostMeant   = 512 // bytes of a path
)

// meant guesses which endpoint an unknown path was meant for. It removes a slash
// at the end or needless parts at the beginning, and adds the /v1 or /v2 that a
// base URL lacked. "" means no guess.
func (t *Router) meant(path string) string {
	rest := strings.TrimRight(path, "/")
	if len(path) > mostMeant {
		return ""
	}
	for range mostDropped {
		for _, version := range []string{"", "/v1", "/v2"} {
			if p := version + rest; rest != "" && p != path && len(t.methods(p)) > 0 {
				return p
			}
		}
		_, rest, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if rest == "" {
			break
		}
		rest = "/" + rest
	}
	return ""
}
