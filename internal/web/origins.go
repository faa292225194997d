package web

import (
	"net/http"

	"github.com/rs/cors"
)

// readable are the headers of answers that a page of another origin may read,
// beside those that browsers always let it read.
var readable = []string{
	"Accept-Ranges", "Allow", "Content-Disposition", "Content-Range", "ETag", "Location", "Openai-Poll-After-Ms",
	"Retry-After", "Retry-After-Ms", "Trace-Id", "X-Request-Id", "X-Should-Retry",
}

// preflightAge is how many seconds a browser may keep what it was told of an
// endpoint. Browsers keep it for two hours at most.
const preflightAge = 7200

// AllowOrigins lets pages of some origins call the APIs. Requests
// carry their key in a header, never in a cookie, so no header is withheld from
// them and no credentials of the browser's are asked for.
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
