package web

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/blob"
)

// Blobs opens stored bytes.
type Blobs interface {
	// OpenBlob returns the bytes of a key, which seek, and how many there are.
	OpenBlob(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
}

// mediaPolicy is what a browser may do with stored bytes that it shows as a page.
// What a customer uploaded never runs anything as a page of this server: no
// script, no form, no frame. A browser shows a film or a picture within a page
// that it makes itself. That page loads the same address once more and has styles
// of its own; Chromium loads a film as pages of other origins do, so without
// allow-same-origin it would refuse its own film.
const mediaPolicy = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; sandbox allow-same-origin"

// ServeBlob answers with stored bytes: ranges and conditions are net/http's. A
// key is never used for other bytes, so it is its own entity tag; but for that
// of previews, where each frame takes the place of the one before.
func ServeBlob(w http.ResponseWriter, r *http.Request, b Blobs, key, filename string) error {
	body, _, err := b.OpenBlob(r.Context(), key)
	if err != nil {
		return err
	}
	defer body.Close()
	kind := blob.TypeOf(key)
	if kind == "" {
		kind = "application/octet-stream"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	if strings.HasPrefix(key, blob.KindPreview+"/") {
		h.Set("Cache-Control", "no-store")
	} else {
		h.Set("ETag", `"`+key+`"`)
		h.Set("Cache-Control", "private, max-age=3600, immutable")
	}
	h.Set("Content-Security-Policy", mediaPolicy)
	if filename != "" {
		h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": filename}))
	}
	http.ServeContent(w, r, "", time.Time{}, body)
	return nil
}
