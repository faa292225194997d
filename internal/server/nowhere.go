package server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
)

// door stands before the router. It refuses requests whose texts are no text, and
// answers requests that no endpoint answers in the form of the API they belong to.
type door struct {
	mux *http.ServeMux
	// apis has the API of each pattern of mux, and roots that of the paths which
	// begin alike, such as /v1/videos. Other paths are ours.
	apis, roots map[string]api
	// plain are the paths of patterns without wildcards.
	plain map[string]bool
	ours  api
	// only says what this process is for when it answers no API.
	only string
}

// newDoor is a door before a router with routes of these APIs, ours the last.
func newDoor(mux *http.ServeMux, apis []api) *door {
	d := &door{mux: mux, apis: map[string]api{}, roots: map[string]api{}, plain: map[string]bool{}, ours: apis[len(apis)-1]}
	for _, a := range apis {
		for _, rt := range a.routes() {
			_, path, _ := strings.Cut(rt.pattern, " ")
			d.apis[rt.pattern], d.roots[rootOf(path)] = a, a
			d.plain[path] = !strings.Contains(path, "{")
		}
		for _, root := range elsewhere(a) {
			d.roots[root] = a
		}
	}
	return d
}

// elsewhere are the beginnings of paths that the original of an API has and this
// server lacks. Errors at such paths take that API's form.
func elsewhere(a api) []string {
	switch a.(type) {
	case *openAI:
		return []string{
			"/v1/assistants", "/v1/audio", "/v1/batches", "/v1/completions", "/v1/containers", "/v1/conversations", "/v1/embeddings", "/v1/evals",
			"/v1/fine_tuning", "/v1/images", "/v1/moderations", "/v1/realtime", "/v1/responses", "/v1/threads", "/v1/vector_stores",
		}
	case *minimaxV1:
		return []string{
			"/v1/delete_voice", "/v1/get_voice", "/v1/lyrics_generation", "/v1/music_generation", "/v1/query", "/v1/t2a_async_v2",
			"/v1/video_template_generation", "/v1/voice_clone", "/v1/voice_design",
		}
	case *minimaxV2:
		return []string{"/v2"}
	}
	return nil
}

// rootOf is the first two parts of a path.
func rootOf(path string) string {
	parts := strings.SplitN(path, "/", 4)
	return strings.Join(parts[:min(3, len(parts))], "/")
}

// ServeHTTP answers a request.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := checkRequest(r); err != nil {
		d.apiOf(r.URL.Path).fail(w, r, err)
		return
	}
	if _, found := d.pattern(r); !found {
		d.nowhere(w, r)
		return
	}
	d.mux.ServeHTTP(w, r)
}

// nowhere answers a request that no endpoint does.
func (d *door) nowhere(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if methods := slices.Sorted(maps.Keys(d.methods(path))); len(methods) > 0 {
		allow := strings.Join(methods, ", ")
		w.Header().Set("Allow", allow)
		d.apiOf(path).fail(w, r, job.Errorf(job.NoMethod, "", "%.20s is no method of %.80s, which has %s", r.Method, path, allow))
		return
	}
	hint, meant := "GET "+docsPath+" shows all endpoints", d.meant(path)
	trimmed := strings.TrimRight(path, "/")
	switch {
	case d.only != "":
		hint = d.only
	case meant == "":
	case meant == trimmed:
		hint = "did you mean " + meant + ", without the slash at the end?"
	case strings.HasSuffix(meant, trimmed):
		hint = "did you mean " + meant + "? Then the base URL lacks " + strings.TrimSuffix(meant, trimmed)
	default:
		hint = "did you mean " + meant + "? Then the base URL should end before it"
	}
	d.apiOf(path).fail(w, r, job.Errorf(job.NoEndpoint, "", "there is no endpoint %.20s %.80s: %.200s", r.Method, path, hint))
}

// methods are those that a path has, and the patterns of each.
func (d *door) methods(path string) map[string]string {
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
func (d *door) pattern(r *http.Request) (string, bool) {
	_, pattern := d.mux.Handler(r)
	switch {
	case pattern == "", pattern == videoPart && !isVideoPart(r.URL.Path):
		return "", false
	case d.plain[r.URL.Path]:
		return pattern, strings.HasSuffix(pattern, " "+r.URL.Path)
	}
	return pattern, true
}

// apiOf is the API whose form the errors at a path take.
func (d *door) apiOf(path string) api {
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
func (d *door) meant(path string) string {
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
