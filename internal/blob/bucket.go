package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// One upload holds partBytes × (partsInFlight + 1) in memory.
const (
	partBytes     = 8 << 20
	partsInFlight = 3
)

// bucket is a backend on S3 or a server that speaks its API.
type bucket struct {
	c      *minio.Client
	name   string
	prefix string // of every key in the bucket
	sse    encrypt.ServerSide
}

// put sends bytes that fit in one part as one object, and more as parts. A failed
// upload is aborted, even after ctx has ended.
func (b *bucket) put(ctx context.Context, key, contentType string, src *source) error {
	var first bytes.Buffer
	n, err := io.CopyN(&first, src, partBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	o := minio.PutObjectOptions{
		ContentType: contentType, ServerSideEncryption: b.sse, SendContentMd5: true,
		PartSize: partBytes, ConcurrentStreamParts: true, NumThreads: partsInFlight,
	}
	if err != nil { // the end: everything fits in one part
		_, err = b.c.PutObject(ctx, b.name, b.prefix+key, &first, n, o)
	} else {
		_, err = b.c.PutObject(ctx, b.name, b.prefix+key, io.MultiReader(&first, src), -1, o)
	}
	return err
}

func (b *bucket) open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	o, err := b.c.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return nil, Info{}, missing(err)
	}
	info := b.info(key, o)
	core := minio.Core{Client: b.c}
	return &windowReader{ctx: ctx, size: info.Size, window: firstWindow, fetch: func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		var get minio.GetObjectOptions
		if err := get.SetRange(off, off+n-1); err != nil {
			return nil, err
		}
		r, now, _, err := core.GetObject(ctx, b.name, b.prefix+key, get)
		if err != nil {
			return nil, missing(err)
		}
		if now.ETag != o.ETag || !now.LastModified.Equal(o.LastModified) {
			return nil, errors.Join(fmt.Errorf("%s was written again while it was read: open it anew", key), r.Close())
		}
		return r, nil
	}}, info, nil
}

func (b *bucket) stat(ctx context.Context, key string) (Info, error) {
	o, err := b.c.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return Info{}, missing(err)
	}
	return b.info(key, o), nil
}

func (b *bucket) info(key string, o minio.ObjectInfo) Info {
	return Info{Key: key, Size: o.Size, ContentType: resolveType(key, o.ContentType), ModTime: o.LastModified}
}

func (b *bucket) delete(ctx context.Context, key string) error {
	err := missing(b.c.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{}))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (b *bucket) list(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for o := range b.c.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
			if o.Err != nil {
				yield(Info{}, o.Err)
				return
			}
			key, ok := strings.CutPrefix(o.Key, b.prefix)
			if !ok || CheckKey(key) != nil {
				continue // not written by a store
			}
			if !yield(b.info(key, o), nil) {
				return
			}
		}
	}
}

// tidy does nothing: interrupted uploads are not listed in a bucket, and the
// bucket's own rule removes them.
func (b *bucket) tidy(context.Context, time.Time) (int, error) { return 0, nil }

func (b *bucket) check(ctx context.Context) error {
	for o := range b.c.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true, MaxKeys: 1}) {
		if errors.Is(missing(o.Err), ErrNotFound) {
			return errors.New("the bucket does not exist: create it, or correct its name, region or endpoint")
		}
		return o.Err
	}
	return ctx.Err()
}

func (b *bucket) space() (Space, error) { return Space{}, errors.ErrUnsupported }

func (b *bucket) close() error { return nil }

// missing turns a server's error for a missing object or bucket into ErrNotFound.
func missing(err error) error {
	var said minio.ErrorResponse
	if errors.As(err, &said) && (said.Code == minio.NoSuchKey || said.Code == minio.NoSuchBucket || said.Code == "NotFound") {
		return ErrNotFound
	}
	return err
}

// fullCodes are the codes with which servers of the S3 API say that they are
// full.
var fullCodes = []string{
	"InsufficientStorage", "QuotaExceeded", "QuotaExceededException",
	"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded",
}

func bucketFull(err error) bool {
	var said minio.ErrorResponse
	return errors.As(err, &said) && slices.Contains(fullCodes, said.Code)
}
