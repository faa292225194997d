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
	// OpenBlob returns the bytes of a key, which can be seeked, and their number.
	OpenBlob(ctx context.Context, key string) (io.ReadSeekCloser, int64, error)
}

// mediaPolicy restricts stored bytes that a browser shows as a page. A customer's
// upload must never run as a page of this server: no script, no form, no frame. A
// browser shows a video or an image within a page that it generates. That page
// loads the same address again and has its own styles. Chromium loads a video as
// a page of another origin would, so without allow-same-origin it would refuse
// it.
const mediaPolicy = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; sandbox allow-same-origin"

// ServeBlob answers with stored bytes; net/http handles ranges and conditions. A
// key always has the same bytes, so it is its own entity tag. The exception are
// previews, where each frame replaces the previous one.
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
