package minimax

import (
	"net/http"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// V1 is the version with flat fields and errors in base_resp.
type V1 struct {
	service Service
	// ImageWait is how long an image request waits for its images.
	ImageWait time.Duration
}

// v2 is the version with content[] and real HTTP status codes.
type v2 struct{ service Service }

// chatAPI is chat in OpenAI's form.
type chatAPI struct{ service Service }

// imageWait is how long POST /v1/image_generation waits; then its job is
// cancelled.
const imageWait = 5 * time.Minute

// How long links in answers are good for.
const (
	linkTime  = time.Hour      // of films and files
	imageTime = 24 * time.Hour // of images and speech
)

// New makes the three APIs, and the path that MiniMax's clients share
// with OpenAI's.
func New(s Service) []web.API {
	return []web.API{&V1{service: s, ImageWait: imageWait}, &v2{s}, &chatAPI{s}, newSharedFiles(s)}
}

// Routes are the endpoints of V1.
func (a *V1) Routes() []web.Route {
	return []web.Route{
		{Pattern: "POST /v1/video_generation", Scope: web.ScopeJobsWrite, Handle: a.generate, Summary: "Submit a video (V1)"},
		{Pattern: "GET /v1/query/video_generation", Scope: web.ScopeJobsRead, Handle: a.query, Summary: "Look at a video task (V1)"},
		{Pattern: "POST /v1/image_generation", Scope: web.ScopeJobsWrite, Handle: a.images, Summary: "Make images, and wait for them"},
		{Pattern: "POST /v1/t2a_v2", Scope: web.ScopeJobsWrite, Handle: a.speech, Summary: "Speak a text"},
		{Pattern: "POST /v1/get_voice", Scope: web.ScopeJobsWrite, Handle: a.voices, Summary: "List the voices"},
		{Pattern: "POST /v1/text/chatcompletion_v2", Scope: web.ScopeJobsWrite, Handle: a.chat, Summary: "Chat, by a language model here or the upstream that is configured"},
		{Pattern: "GET /v1/token_plan/remains", Scope: web.ScopeUsage, Handle: a.remains, Summary: "See what is left of the plan"},

		{Pattern: "POST /v1/files/upload", Scope: web.ScopeFiles, Handle: a.upload, Summary: "Upload a file"},
		{Pattern: "GET /v1/files/list", Scope: web.ScopeFiles, Handle: a.list, Summary: "List files"},
		{Pattern: "GET /v1/files/retrieve", Scope: web.ScopeFiles, Handle: a.retrieve, Summary: "Look at a file, and get a link to it"},
		{Pattern: "GET /v1/files/retrieve_content", Scope: web.ScopeFiles, Handle: a.content, Summary: "Download a file"},
		{Pattern: "POST /v1/files/delete", Scope: web.ScopeFiles, Handle: a.remove, Summary: "Delete a file"},
	}
}

// Routes are the endpoints of V2.
func (a *v2) Routes() []web.Route {
	return []web.Route{
		{Pattern: "POST /v2/video_generation", Scope: web.ScopeJobsWrite, Handle: a.generate, Summary: "Submit a video (V2)"},
		{Pattern: "GET /v2/query/video_generation", Scope: web.ScopeJobsRead, Handle: a.list, Summary: "List video tasks (V2)"},
		{Pattern: "GET /v2/query/video_generation/{task_id}", Scope: web.ScopeJobsRead, Handle: a.query, Summary: "Look at a video task (V2)"},
		{Pattern: "DELETE /v2/video_generation/{task_id}", Scope: web.ScopeJobsWrite, Handle: a.remove, Summary: "Cancel a task that waits, or delete one that is over (V2)"},
		{Pattern: "POST /v2/h3_context_ir", Scope: web.ScopeJobsWrite, Handle: a.contextIR, Summary: "Have a prompt worked out (V2)"},
		{Pattern: "POST /v2/video_regeneration", Scope: web.ScopeJobsWrite, Handle: a.regenerate, Summary: "Make a video again, enlarged to 2K (V2)"},
	}
}

// Routes are the endpoints of chat.
func (a *chatAPI) Routes() []web.Route {
	return []web.Route{{Pattern: "POST /v1/chat/completions", Scope: web.ScopeJobsWrite, Handle: a.complete, Summary: "Chat, in OpenAI's form"}}
}

// CallbackBody is what a callback is posted, and what a query answers, for a job
// of either version.
func CallbackBody(b Media, j *job.Job) any {
	if j.API == job.MiniMaxV2 {
		return taskAnswer{taskOf(b, "", j)}
	}
	return queryOf(j)
}

// linkFor is a link as the client at hand can follow it. The official CLI turns
// "http://" into "https://" before it downloads, which a server without TLS
// cannot answer; it leaves a scheme in capitals alone, and schemes are the same
// in either case (RFC 3986, section 3.1).
func linkFor(r *http.Request, link string) string {
	if rest, plain := strings.CutPrefix(link, "http://"); plain && strings.HasPrefix(r.UserAgent(), "mmx-cli/") {
		return "HTTP://" + rest
	}
	return link
}

// Missing are the paths of MiniMax's V1 that are not here.
func (a *V1) Missing() []string {
	return []string{
		"/v1/delete_voice", "/v1/get_voice", "/v1/lyrics_generation", "/v1/music_generation", "/v1/query", "/v1/t2a_async_v2",
		"/v1/video_template_generation", "/v1/voice_clone", "/v1/voice_design",
	}
}

// Missing is the beginning of all of V2's paths.
func (a *v2) Missing() []string { return []string{"/v2"} }

// Missing is none.
func (a *chatAPI) Missing() []string { return nil }
