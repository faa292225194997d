package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	cdk "gocloud.dev/blob"
	_ "gocloud.dev/blob/memblob" // mem://
	_ "gocloud.dev/blob/s3blob"  // s3://
	"gocloud.dev/gcerrors"
)

// An upload holds partBytes × partsInFlight in memory.
const (
	partBytes     = 8 << 20
	partsInFlight = 3
)

// abortGrace is how long an upload outlives its context: long enough to tell
// the bucket that it ends, which would else keep its parts for ever.
const abortGrace = 10 * time.Second

// bucket is a backend on any driver of gocloud.dev.
type bucket struct {
	b *cdk.Bucket
	// aborts says that an upload ends by its reader's error, and then has more
	// to do. Memory keeps what it got until its context is cancelled.
	aborts bool
}

func openBucket(ctx context.Context, where string) (*bucket, error) {
	b, err := cdk.OpenBucket(ctx, where)
	if err != nil {
		return nil, err
	}
	return &bucket{b: b, aborts: strings.HasPrefix(where, "s3:")}, nil
}

func (b *bucket) put(ctx context.Context, key, contentType string, src *source) error {
	if b.aborts {
		var cancel context.CancelFunc
		ctx, cancel = outlive(ctx, abortGrace)
		defer cancel()
	}
	return b.b.Upload(ctx, key, src, &cdk.WriterOptions{
		ContentType:    contentType,
		BufferSize:     partBytes,
		MaxConcurrency: partsInFlight,
	})
}

// outlive returns a context that ends some time after ctx does.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		select {
		case <-out.Done():
		case <-time.After(grace):
			cancel()
		}
	})
	return out, func() { unhook(); cancel() }
}

func (b *bucket) open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	info, err := b.stat(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	return &windowReader{ctx: ctx, size: info.Size, window: firstWindow, fetch: func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		r, err := b.b.NewRangeReader(ctx, key, off, n, nil)
		if err != nil {
			return nil, missing(err)
		}
		if r.Size() != info.Size || !r.ModTime().Equal(info.ModTime) {
			return nil, errors.Join(fmt.Errorf("%s was written again while it was read: open it anew", key), r.Close())
		}
		return r, nil
	}}, info, nil
}

func (b *bucket) stat(ctx context.Context, key string) (Info, error) {
	a, err := b.b.Attributes(ctx, key)
	if err != nil {
		return Info{}, missing(err)
	}
	return Info{Key: key, Size: a.Size, ContentType: resolveType(key, a.ContentType), ModTime: a.ModTime}, nil
}

func (b *bucket) delete(ctx context.Context, key string) error {
	err := b.b.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return err
}

func (b *bucket) list(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		it := b.b.List(&cdk.ListOptions{Prefix: prefix})
		for {
			o, err := it.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Info{}, err)
				return
			}
			if CheckKey(o.Key) != nil {
				continue // not written by a store
			}
			if !yield(Info{Key: o.Key, Size: o.Size, ContentType: resolveType(o.Key, ""), ModTime: o.ModTime}, nil) {
				return
			}
		}
	}
}

// tidy has nothing to do: what an upload that died leaves in a bucket is not
// listed, and ends by the bucket's own rule.
func (b *bucket) tidy(context.Context, time.Time) (int, error) { return 0, nil }

func (b *bucket) check(ctx context.Context) error {
	ok, err := b.b.IsAccessible(ctx)
	if err == nil && !ok {
		return errors.New("the bucket is not there: make it, or correct its name, region or endpoint")
	}
	return err
}

func (b *bucket) space() (Space, error) { return Space{}, errors.ErrUnsupported }

func (b *bucket) close() error { return b.b.Close() }

// missing turns gocloud's code into ErrNotFound.
func missing(err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return ErrNotFound
	}
	return err
}

// fullCodes are what servers of the S3 API say when they hold no more.
var fullCodes = []string{
	"InsufficientStorage", "QuotaExceeded", "QuotaExceededException",
	"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded",
}

func bucketFull(err error) bool {
	var coded interface{ ErrorCode() string } // the AWS SDK's errors
	return errors.As(err, &coded) && slices.Contains(fullCodes, coded.ErrorCode())
}

// A bucket is read in windows that grow while the reading goes on: a player
// that jumps about gets little that it throws away, and one that reads on asks
// seldom.
const (
	firstWindow  = 1 << 20
	windowGrowth = 4
	lastWindow   = 64 << 20
)

// windowReader reads an object of known size through requests for ranges.
type windowReader struct {
	ctx    context.Context
	fetch  func(ctx context.Context, off, n int64) (io.ReadCloser, error)
	size   int64
	pos    int64 // where the next Read begins
	window int64 // bytes of the next request

	body io.ReadCloser // the rest of the request that is open, or nil
	at   int64         // where body is
	left int64         // bytes that body still owes
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

// aim makes body stand at pos.
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

// Close implements io.Closer. A reader that is closed reads nothing more.
func (r *windowReader) Close() error {
	r.fetch = func(context.Context, int64, int64) (io.ReadCloser, error) {
		return nil, errors.New("blob: reading after Close")
	}
	return r.drop()
}
