package server

import (
	"mime"
	"net/http"
	"slices"
	"strings"
)

// hasScheme says whether a URL has one of some schemes and more behind it.
// Schemes are the same in either case (RFC 3986, section 3.1).
func hasScheme(link string, schemes ...string) bool {
	before, rest, ok := strings.Cut(link, ":")
	if !ok {
		return false
	}
	scheme := strings.ToLower(before)
	if scheme != "data" {
		rest, ok = strings.CutPrefix(rest, "//")
	}
	return ok && rest != "" && slices.Contains(schemes, scheme)
}

// mediaType is what a file's first bytes show it to be, without parameters.
func mediaType(head []byte) string {
	t, _, err := mime.ParseMediaType(http.DetectContentType(head))
	if err != nil {
		return "application/octet-stream"
	}
	return t
}
