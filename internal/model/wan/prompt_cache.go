package wan

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// Limits of the cache of encoded prompts.
const (
	maxCacheBytes = 256 << 20
	// The identity of a file of weights is its size and as many samples of so many
	// bytes, evenly spread: reading all of it would take longer than to encode a
	// prompt.
	samples, sampleBytes = 64, 4096
)

// promptCache keeps what a text encoder made of prompts, a file each, under a
// digest of the encoder, the tokenizer and the prompt. It never has the prompts
// themselves. The files used longest ago are removed.
type promptCache struct {
	dir string // "" for no cache
	key []byte // of encoder and tokenizer
}

// encoderVersion changes when the same files give other vectors.
const encoderVersion = "2"

// newPromptCache makes a cache in a folder, which may be "", for the encoder and
// the tokenizer in two others.
func newPromptCache(folder string, parts ...string) (*promptCache, error) {
	if folder == "" {
		return &promptCache{}, nil
	}
	h := sha256.New()
	h.Write([]byte(encoderVersion))
	for _, part := range parts {
		entries, err := os.ReadDir(part)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if err := identify(h, filepath.Join(part, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return &promptCache{dir: filepath.Join(folder, "prompts"), key: h.Sum(nil)}, nil
}

// identify writes to w what tells a file from others.
func identify(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return err
	}
	size := info.Size()
	var head [8]byte
	binary.LittleEndian.PutUint64(head[:], uint64(size))
	if _, err := w.Write(append([]byte(filepath.Base(path)+"\x00"), head[:]...)); err != nil {
		return err
	}
	if size <= samples*sampleBytes {
		_, err := io.Copy(w, f)
		return err
	}
	var b [sampleBytes]byte
	for i := range int64(samples) {
		if _, err := f.ReadAt(b[:], i*(size-sampleBytes)/(samples-1)); err != nil {
			return err
		}
		if _, err := w.Write(b[:]); err != nil {
			return err
		}
	}
	return nil
}

// path is the file for a prompt.
func (c *promptCache) path(prompt string) string {
	h := sha256.New()
	h.Write(c.key)
	h.Write([]byte(prompt))
	return filepath.Join(c.dir, hex.EncodeToString(h.Sum(nil))+promptSuffix)
}

const (
	promptSuffix = ".safetensors"
	promptTensor = "prompt"
)

// load returns the vectors of a prompt, if they are there and whole.
func (c *promptCache) load(prompt string, width int) ([]float32, bool) {
	if c.dir == "" {
		return nil, false
	}
	path := c.path(prompt)
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	x, shape, err := f.Float32(promptTensor)
	if err != nil || len(shape) != 2 || shape[0] < 1 || shape[0] > TextTokens || shape[1] != width || !finite(x) {
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // a file whose time cannot be set is removed sooner
	return x, true
}

// save keeps the vectors of a prompt, and removes what is too much.
func (c *promptCache) save(prompt string, r rows) error {
	if c.dir == "" {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	t := safetensors.FromFloat32(promptTensor, safetensors.F32, r.data, len(r.data)/r.width, r.width)
	if err := safetensors.WriteFile(c.path(prompt), []safetensors.Tensor{t}, nil); err != nil {
		return err
	}
	return c.tidy(maxCacheBytes)
}

// tidy removes the files used longest ago until the others have at most so many
// bytes.
func (c *promptCache) tidy(most int64) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	var all int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || filepath.Ext(e.Name()) != promptSuffix {
			continue // another process has removed it, or it is none of ours
		}
		files = append(files, info)
		all += info.Size()
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, f := range files {
		if all <= most {
			break
		}
		if err := os.Remove(filepath.Join(c.dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		all -= f.Size()
	}
	return nil
}

// finite reports whether no number is infinite or NaN.
func finite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}
