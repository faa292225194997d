package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// MiniMax's HTTP APIs: V1, with flat fields and errors in base_resp; V2, with
// content[] and real HTTP status codes; and chat, in OpenAI's form.
// docs/api-compatibility.md lists every endpoint, field and code.
type (
	minimaxV1 struct {
		b Backend
		// imageWait is how long an image request waits for its images.
		imageWait time.Duration
	}
	minimaxV2   struct{ b Backend }
	minimaxChat struct{ b Backend }
)

// imageWait is how long POST /v1/image_generation waits; then its job is
// cancelled.
const imageWait = 5 * time.Minute

// How long links in answers are good for.
const (
	linkTime  = time.Hour      // of films and files
	imageTime = 24 * time.Hour // of images and speech
)

// newMiniMax makes the three APIs, and the path that MiniMax's clients share
// with OpenAI's.
func newMiniMax(b Backend) []api {
	return []api{&minimaxV1{b: b, imageWait: imageWait}, &minimaxV2{b}, &minimaxChat{b}, newSharedFiles(b)}
}

func (a *minimaxV1) routes() []route {
	return []route{
		{"POST /v1/video_generation", scopeJobsWrite, a.generate},
		{"GET /v1/query/video_generation", scopeJobsRead, a.query},
		{"POST /v1/image_generation", scopeJobsWrite, a.images},
		{"POST /v1/t2a_v2", scopeJobsWrite, a.speech},
		{"POST /v1/get_voice", scopeJobsWrite, a.voices},
		{"POST /v1/text/chatcompletion_v2", scopeJobsWrite, a.chat},
		{"GET /v1/token_plan/remains", scopeUsage, a.remains},

		{"POST /v1/files/upload", scopeFiles, a.upload},
		{"GET /v1/files/list", scopeFiles, a.list},
		{"GET /v1/files/retrieve", scopeFiles, a.retrieve},
		{"GET /v1/files/retrieve_content", scopeFiles, a.content},
		{"POST /v1/files/delete", scopeFiles, a.remove},
	}
}

func (a *minimaxV2) routes() []route {
	return []route{
		{"POST /v2/video_generation", scopeJobsWrite, a.generate},
		{"GET /v2/query/video_generation", scopeJobsRead, a.list},
		{"GET /v2/query/video_generation/{task_id}", scopeJobsRead, a.query},
		{"DELETE /v2/video_generation/{task_id}", scopeJobsWrite, a.remove},
		{"POST /v2/h3_context_ir", scopeJobsWrite, a.contextIR},
		{"POST /v2/video_regeneration", scopeJobsWrite, a.regenerate},
	}
}

func (a *minimaxChat) routes() []route {
	return []route{{"POST /v1/chat/completions", scopeJobsWrite, a.complete}}
}

// minimaxBody is what a callback is posted, and what a query answers, for a job
// of either version.
func minimaxBody(ctx context.Context, b Backend, j *job.Job) any {
	if j.API == job.MiniMaxV2 {
		return taskAnswer{taskOf(ctx, b, j)}
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

// idempotencyKey makes a repeated request the same job.
func idempotencyKey(r *http.Request) string { return r.Header.Get("Idempotency-Key") }
