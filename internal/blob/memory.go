package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// memory is a backend for tests. It lasts as long as it is open.
type memory struct {
	mu    sync.Mutex
	blobs map[string]held
}

// held is a blob in memory. Its bytes never change.
type held struct {
	data        []byte
	contentType string
	modTime     time.Time
}

func openMemory() *memory { return &memory{blobs: map[string]held{}} }

func (m *memory) put(ctx context.Context, key, contentType string, src *source) error {
	data, err := io.ReadAll(src)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[key] = held{data, contentType, time.Now()}
	return nil
}

func (m *memory) get(key string) (held, Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.blobs[key]
	if !ok {
		return held{}, Info{}, ErrNotFound
	}
	return h, Info{Key: key, Size: int64(len(h.data)), ContentType: resolveType(key, h.contentType), ModTime: h.modTime}, nil
}

// memoryReader is a reader whose Close does nothing.
type memoryReader struct{ *bytes.Reader }

// Close implements io.Closer.
func (memoryReader) Close() error { return nil }

func (m *memory) open(_ context.Context, key string) (io.ReadSeekCloser, Info, error) {
	h, info, err := m.get(key)
	return memoryReader{bytes.NewReader(h.data)}, info, err
}

func (m *memory) stat(_ context.Context, key string) (Info, error) {
	_, info, err := m.get(key)
	return info, err
}

func (m *memory) delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, key)
	return nil
}

func (m *memory) list(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		m.mu.Lock()
		keys := slices.Sorted(maps.Keys(m.blobs))
		m.mu.Unlock()
		for _, key := range keys {
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(Info{}, err)
				return
			}
			_, info, err := m.get(key)
			if errors.Is(err, ErrNotFound) {
				continue // deleted meanwhile
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func (m *memory) tidy(context.Context, time.Time) (int, error) { return 0, nil }
func (m *memory) check(ctx context.Context) error              { return ctx.Err() }
func (m *memory) space() (Space, error)                        { return Space{}, errors.ErrUnsupported }
func (m *memory) close() error                                 { return nil }
