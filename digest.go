package kinora

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kinora-video/kinora/internal/engine"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/shelf"
)

// WeightsDigest identifies the weights that the model was opened with: "sha256:" and 64
// hex digits, or "" for a model without weights. It is that of the bytes inside the
// program or of the file of WithWeights, which is read once; for a model that was
// pulled, it is made of the digests by which its files were checked.
func (m *Model) WeightsDigest(ctx context.Context) (string, error) { return m.digest(ctx) }

// digester returns a digest, which it may compute at the first call.
type digester func(ctx context.Context) (string, error)

// weightsOf is the digester for a model opened with options.
func weightsOf(spec engine.Spec, o engine.Options) digester {
	switch {
	case o.Weights != "":
		return digestOf(o.Weights)
	case spec.Digest == nil:
		return noDigest
	}
	return func(context.Context) (string, error) { return spec.Digest(), nil }
}

func noDigest(context.Context) (string, error) { return "", nil }

// digestOf reads a file at the first call that is not cancelled.
func digestOf(path string) digester {
	var mu sync.Mutex
	var known string
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != "" {
			return known, nil
		}
		var err error
		known, err = digestFile(ctx, path)
		return known, wrap(Storage, "read", path, err, "")
	}
}

func digestFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	const piece = 16 << 20
	for {
		_, err := io.CopyN(sum, f, piece)
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Sprintf("sha256:%x", sum.Sum(nil)), nil
		case err != nil:
			return "", err
		case ctx.Err() != nil:
			return "", ctx.Err()
		}
	}
}

// LoRADigest is the digest of a LoRA's file, in the form of Added.Digest.
func LoRADigest(ctx context.Context, path string) (string, error) {
	return digestOf(path)(ctx)
}

// SoundDigest is the digest of a sound file, in the form of SoundSettings.Digest.
func SoundDigest(ctx context.Context, path string) (string, error) { return digestOf(path)(ctx) }

// recordDigest identifies the files of a pulled model in dir, with GGUF files that the
// user has put beside them, which take their place.
func recordDigest(r shelf.Record, dir string) string {
	files := slices.Clone(r.Files)
	added, _ := filepath.Glob(filepath.Join(dir, "*", "*.gguf")) // the pattern is well formed
	for _, path := range added {
		name, err := filepath.Rel(dir, path)
		name = filepath.ToSlash(name)
		if err != nil || slices.ContainsFunc(files, func(f shelf.File) bool { return f.Path == name }) {
			continue
		}
		digest, err := digestFile(context.Background(), path)
		if err != nil {
			return "" // nobody knows then what the model is made of
		}
		files = append(files, shelf.File{Path: name, Digest: digest})
	}
	slices.SortFunc(files, func(a, b shelf.File) int { return cmp.Compare(a.Path, b.Path) })
	var list strings.Builder
	for _, f := range files {
		fmt.Fprintf(&list, "%s %s\n", f.Digest, f.Path)
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(list.String())))
}

// unread is the error about a video file that cannot be read.
func unread(ctx context.Context, path string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	kind := Invalid
	if errors.Is(err, fs.ErrNotExist) {
		kind = NotFound
	}
	return wrap(kind, "read video", path, media.Plain(err), "")
}
