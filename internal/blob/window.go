package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// A bucket is read in windows that grow while reading continues. A player that
// jumps about wastes few bytes, and sequential reading needs few requests.
const (
	firstWindow  = 1 << 20
	windowGrowth = 4
	lastWindow   = 64 << 20
)

// windowReader reads an object of known size with range requests.
type windowReader struct {
	ctx    context.Context
	fetch  func(ctx context.Context, off, n int64) (io.ReadCloser, error)
	size   int64
	pos    int64 // where the next Read begins
	window int64 // bytes of the next request

	body io.ReadCloser // the rest of the open response, or nil
	at   int64         // the position of body
	left int64         // bytes still to come from body
}

// Read implements io.Reader.
func (r *windowReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.pos >= r.size {
		return 0, io.EOF
	}
	if err := r.aim(); err != nil {
		return 0, err
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	r.pos += int64(n)
	r.at, r.left = r.pos, r.left-int64(n)
	switch {
	case r.left == 0:
		return n, r.drop()
	case errors.Is(err, io.EOF):
		return n, fmt.Errorf("the store ended %d bytes early: %w", r.left, io.ErrUnexpectedEOF)
	}
	return n, err
}

// aim makes body start at pos.
func (r *windowReader) aim() error {
	if r.body != nil && r.at == r.pos {
		return nil
	}
	if r.body != nil {
		if err := r.drop(); err != nil {
			return err
		}
		r.window = firstWindow
	} else if r.at != r.pos {
		r.window = firstWindow
	}
	n := min(r.window, r.size-r.pos)
	body, err := r.fetch(r.ctx, r.pos, n)
	if err != nil {
		return err
	}
	r.body, r.at, r.left = body, r.pos, n
	r.window = min(r.window*windowGrowth, lastWindow)
	return nil
}

func (r *windowReader) drop() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}

// Seek implements io.Seeker.
func (r *windowReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	default:
		return 0, fmt.Errorf("blob: seeking: whence %d is none", whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("blob: seeking to %d, before the start", offset)
	}
	r.pos = offset
	return offset, nil
}

// Close implements io.Closer. A closed reader reads nothing more.
func (r *windowReader) Close() error {
	r.fetch = func(context.Context, int64, int64) (io.ReadCloser, error) {
		return nil, errors.New("blob: reading after Close")
	}
	return r.drop()
}
