package native

import (
	"bytes"
	"context"
	"io"
	"testing"
)

// countedBlobs counts the readers that are open.
type countedBlobs struct {
	Service
	data []byte
	open int
}

type countedReader struct {
	*bytes.Reader
	b *countedBlobs
}

func (r countedReader) Close() error { r.b.open--; return nil }

func (b *countedBlobs) OpenBlob(context.Context, string) (io.ReadSeekCloser, int64, error) {
	b.open++
	return countedReader{bytes.NewReader(b.data), b}, int64(len(b.data)), nil
}

// TestPreviewsInline: each frame is sent once, also when all have one key, and
// no reader stays open.
func TestPreviewsInline(t *testing.T) {
	b := &countedBlobs{data: []byte("\xff\xd8\xff one")}
	s := &stream{n: &API{Parts: Parts{Service: b}}, inline: true}
	first := s.preview(t.Context(), "preview/1")
	again := s.preview(t.Context(), "preview/1")
	b.data = []byte("\xff\xd8\xff two")
	second := s.preview(t.Context(), "preview/1")
	if first == "" || again != "" || second == "" || second == first {
		t.Errorf("frames %q, %q, %q", first, again, second)
	}
	b.data = make([]byte, maxPreview+1)
	if huge := s.preview(t.Context(), "preview/1"); huge != "" {
		t.Errorf("a preview of %d bytes was sent", len(huge))
	}
	if b.open != 0 {
		t.Errorf("%d readers stay open", b.open)
	}
}
