package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
)

// Router stands before the router. It refuses requests whose texts are no text, and
// answers requests that no endpoint answers in the form of the API they belong to.
type Router struct {
	mux *http.ServeMux
	// apis has the API of each pattern of mux, and roots that of the paths which
	// begin alike, such as /v1/videos. Other paths are ours.
	apis, roots map[string]API
	// plain are the paths of patterns without wildcards.
	plain map[string]bool
	// only are the conditions of patterns that match too much.
	only map[string]func(path string) bool
	ours API
	// purpose says what this process is for when it answers no API.
	Purpose string
}

// NewRouter is a door before a router with routes of these APIs, ours the last.
func NewRouter(mux *http.ServeMux, apis []API) *Router {
	d := &Router{mux: mux, apis: map[string]API{}, roots: map[string]API{}, plain: map[string]bool{}, only: map[string]func(string) bool{}, ours: apis[len(apis)-1]}
	for _, a := range apis {
		for _, rt := range a.Routes() {
			_, path, _ := strings.Cut(rt.Pattern, " ")
			d.apis[rt.Pattern], d.roots[rootOf(path)] = a, a
			d.plain[path] = !strings.Contains(path, "{")
			d.only[rt.Pattern] = rt.Only
		}
		for _, root := range a.Missing() {
			d.roots[root] = a
		}
	}
	return d
}

// rootOf is the first two parts of a path.
func rootOf(path string) string {
	parts := strings.SplitN(path, "/", 4)
	return strings.Join(parts[:min(3, len(parts))], "/")
}

// ServeHTTP answers a request.
func (d *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := checkRequest(r); err != nil {
		d.APIFor(r.URL.Path).Fail(w, r, err)
		return
	}
	if _, found := d.pattern(r); !found {
		d.nowhere(w, r)
		return
	}
	d.mux.ServeHTTP(w, r)
}

// nowhere answers a request that no endpoint does.
func (d *Router) nowhere(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if methods := slices.Sorted(maps.Keys(d.methods(path))); len(methods) > 0 {
		allow := strings.Join(methods, ", ")
		w.Header().Set("Allow", allow)
		d.APIFor(path).Fail(w, r, job.Errorf(job.NoMethod, "", "%.20s is no method of %.80s, which has %s", r.Method, path, allow))
		return
	}
	hint, meant := "GET "+DocsPath+" shows all endpoints", d.meant(path)
	trimmed := strings.TrimRight(path, "/")
	switch {
	case d.Purpose != "":
		hint = d.Purpose
	case meant == "":
	case meant == trimmed:
		hint = "did you mean " + meant + ", without the slash at the end?"
	case strings.HasSuffix(meant, trimmed):
		hint = "did you mean " + meant + "? Then the base URL lacks " + strings.TrimSuffix(meant, trimmed)
	default:
		hint = "did you mean " + meant + "? Then the base URL should end before it"
	}
	d.APIFor(path).Fail(w, r, job.Errorf(job.NoEndpoint, "", "there is no endpoint %.20s %.80s: %.200s", r.Method, path, hint))
}

// methods are those that a path has, and the patterns of each.
func (d *Router) methods(path string) map[string]string {
	found := map[string]string{}
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		r := &http.Request{Method: m, URL: &url.URL{Path: path}}
		if pattern, ok := d.pattern(r); ok {
			found[m] = pattern
		}
	}
	return found
}

// pattern is the pattern of the endpoint that answers a request. Where a path has
// an endpoint of its own, such as /v1/files/upload, a wildcard that matches it too
// does not count: nobody means a file with the id "upload".
func (d *Router) pattern(r *http.Request) (string, bool) {
	_, pattern := d.mux.Handler(r)
	switch {
	case pattern == "", d.only[pattern] != nil && !d.only[pattern](r.URL.Path):
		return "", false
	case d.plain[r.URL.Path]:
		return pattern, strings.HasSuffix(pattern, " "+r.URL.Path)
	}
	return pattern, true
}

// APIFor is the API whose form the errors at a path take.
func (d *Router) APIFor(path string) API {
	for _, p := range []string{path, d.meant(path)} {
		for _, pattern := range d.methods(p) {
			if a := d.apis[pattern]; a != nil {
				return a
			}
		}
	}
	for root := rootOf(path); ; {
		if a := d.roots[root]; a != nil {
			return a
		}
		slash := strings.LastIndexByte(root, '/')
		if slash < 0 { // also of "*", which is a path that HTTP knows
			return d.ours
		}
		root = root[:slash]
	}
}

// Bounds of guessing what path was meant, so that a guess costs little.
const (
	mostDropped = 4   // needless parts at a path's beginning
	mostMeant   = 512 // bytes of a path
)

// meant guesses which endpoint's path was meant by a path that has none: it takes
// off a slash at the end or needless parts at the beginning, and adds the /v1 or
// /v2 that a base URL lacked. "" is no guess.
func (d *Router) meant(path string) string {
	rest := strings.TrimRight(path, "/")
	if len(path) > mostMeant {
		return ""
	}
	for range mostDropped {
		for _, version := range []string{"", "/v1", "/v2"} {
			if p := version + rest; rest != "" && p != path && len(d.methods(p)) > 0 {
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
