package server

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

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

// otherOrigins lets pages of the configured origins call the APIs. Requests
// carry their key in a header, never in a cookie, so no header is withheld from
// them and no credentials of the browser's are asked for.
func (s *Server) otherOrigins(next http.Handler) http.Handler {
	if len(s.cfg.CORSOrigins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: s.cfg.CORSOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: readable,
		MaxAge:         preflightAge,
	}).Handler(next)
}

// standardPorts are those that browsers leave out of an origin.
var standardPorts = map[string]string{"http": "80", "https": "443"}

// checkOrigins holds the origins of other pages to the form in which browsers
// send them: any other form would never match.
func (c *Config) checkOrigins(no func(key, format string, args ...any)) {
	for i, origin := range c.CORSOrigins {
		if origin == "*" {
			continue
		}
		key := "cors_origins[" + strconv.Itoa(i) + "]"
		u, err := url.Parse(origin)
		switch {
		case err != nil, u.Scheme == "", u.Host == "", strings.Contains(u.Host, "*"), origin != u.Scheme+"://"+u.Host:
			no(key, "%q is no origin: write scheme, host and, if there is one, port, such as https://app.example.com, or \"*\" for all", origin)
		case origin != strings.ToLower(origin):
			no(key, "%q: browsers send an origin in lower case", origin)
		case u.Port() != "" && u.Port() == standardPorts[u.Scheme]:
			no(key, "%q: browsers leave the port %s out of an origin of %s", origin, u.Port(), u.Scheme)
		}
	}
}
