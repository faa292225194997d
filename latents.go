package kinora

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/kinora-video/kinora/internal/scratch"
)

// latentsPath picks where the latents of a request are kept, and sees that a
// file can be made there before any time is spent.
func (m *Model) latentsPath(r *Request) (string, error) {
	path := r.Latents
	if path == "" {
		dir := m.latentsDir
		if dir == "" {
			cache, err := os.UserCacheDir()
			if err != nil {
				return "", wrap(Storage, "find a folder for latents", "", err, "set HOME or XDG_CACHE_HOME, or name a file for the latents")
			}
			dir = filepath.Join(cache, "kinora", "latents")
		}
		path = filepath.Join(dir, Slug(r.Prompt)+"-"+strings.ToLower(rand.Text()[:8])+".latents")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", wrap(Storage, "make the folder for latents", dir, err, "")
		}
	}
	if _, err := os.Lstat(path); err == nil {
		return "", &Error{
			Kind: Storage, Op: "keep latents in", What: path, Err: os.ErrExist,
			Hint: "they are of an earlier clip: decode or remove them",
		}
	}
	f, err := scratch.Create(filepath.Dir(path))
	if err != nil {
		return "", wrap(Storage, "keep latents in", path, err, "use a folder that can be written to")
	}
	f.Discard()
	return path, nil
}

// Slug makes a short file name of a prompt: its first words, of any script, in
// lower case, with dashes between them. It is never empty.
func Slug(prompt string) string {
	const limit = 40 // characters
	words := strings.FieldsFunc(strings.ToLower(prompt), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
	})
	slug := []rune("clip")
	for i, w := range words {
		switch next := []rune(w); {
		case i == 0:
			slug = next[:min(len(next), limit)]
		case len(slug)+1+len(next) <= limit:
			slug = append(append(slug, '-'), next...)
		default:
			return string(slug)
		}
	}
	return string(slug)
}
