package web

import (
	"net/http"

	"github.com/rs/cors"
)

// readable are the headers of answers that pages of other origins may read, in
// addition to those that browsers always allow.
var readable = []string{
	"Accept-Ranges", "Allow", "Content-Disposition", "Content-Range", "ETag", "Location", "Openai-Poll-After-Ms",
	"Retry-After", "Retry-After-Ms", "Trace-Id", "X-Request-Id", "X-Should-Retry",
}

// preflightAge is how many seconds a browser may cache a preflight answer.
// Browsers cache it for two hours at most.
const preflightAge = 7200

// AllowOrigins lets pages of some origins call the APIs. Requests carry their key
// in a header, never in a cookie, so all headers are allowed and no browser
// credentials are.
func AllowOrigins(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: readable,
		MaxAge:         preflightAge,
	}).Handler(next)
}
