package kinora

import (
	"crypto/rand"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/engine"
)

// latentsBase is how many bytes a file of latents takes besides the latents of
// the frames: for the prompt, and what belongs to the format.
const latentsBase = 64 << 10

// latentsPath picks where the latents of a request are kept, and sees before any
// time is spent that a file of that name can be made there and that it has room.
// Nobody else takes the name until release is called.
func (m *Model) latentsPath(r *Request, p *plan) (path string, release func(), err error) {
	need := latentsBase + int64(p.job.Frames)*int64(m.caps.Cost.LatentBytes)
	var first error
	if r.Latents != "" {
		release, first = r.tryLatents(r.Latents, need, p)
		if first == nil {
			return r.Latents, release, nil
		}
		if !tooFull(first) && !errors.Is(first, syscall.ENAMETOOLONG) {
			return "", nil, first
		}
	}
	for path, err := range m.freshLatents(r) {
		if err == nil {
			release, err = r.tryLatents(path, need, p)
		}
		if err == nil {
			return path, release, nil
		}
		if first == nil {
			first = err
		}
	}
	return "", nil, first
}

// freshLatents gives new files for the latents of a request: in the model's
// latents folder, which is made, and in that of the output, whose disk may be
// another one.
func (m *Model) freshLatents(r *Request) iter.Seq2[string, error] {
	name := Slug(r.Prompt) + "-" + strings.ToLower(rand.Text()[:8]) + ".latents"
	return func(yield func(string, error) bool) {
		dir, err := m.latentsFolder()
		if !yield(filepath.Join(dir, name), err) || r.Output == nil {
			return
		}
		yield(filepath.Join(filepath.Dir(r.Output.path), name), nil)
	}
}

// latentsFolder makes the folder for latents that were given no name.
func (m *Model) latentsFolder() (string, error) {
	dir := m.latentsDir
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", wrap(Storage, "find a folder for latents", "", err, "set HOME or XDG_CACHE_HOME, or name a file for the latents")
		}
		dir = filepath.Join(cache, "kinora", "latents")
	}
	return dir, wrap(Storage, "make the folder for latents", dir, os.MkdirAll(dir, 0o700), "")
}

// tryLatents finds out whether a file can keep latents of need bytes, beside the
// video where that goes into the same folder, and claims its name.
func (r *Request) tryLatents(path string, need int64, p *plan) (release func(), err error) {
	if r.Output != nil && filepath.Dir(r.Output.path) == filepath.Dir(path) {
		f, _ := FormatOf(r.Output.path) // Reserve has checked it
		need += p.leastBytes(f)
	}
	if release, err = claim(path); err != nil {
		return nil, wrap(Storage, "keep latents in", path, err, "name a new file, in a folder that can be written to")
	}
	if _, err := os.Lstat(path); err == nil {
		release()
		return nil, &Error{
			Kind: Storage, Op: "keep latents in", What: path, Err: os.ErrExist,
			Hint: "they are of an earlier video: decode or remove them",
		}
	}
	if err := roomFor(filepath.Dir(path), need); err != nil {
		release()
		return nil, wrap(Storage, "keep latents in", path, err, "use a folder that can be written to and has room")
	}
	return release, nil
}

// keep writes latents to the file that was picked, or where the disk has filled
// up meanwhile to another. The video is whole in memory: the error matters only
// if saving fails too.
func (m *Model) keep(l engine.Latents, path string, r *Request) (string, error) {
	first := l.Save(path)
	if first == nil {
		return path, nil
	}
	for other, err := range m.freshLatents(r) {
		if err == nil && l.Save(other) == nil {
			return other, nil
		}
	}
	return "", wrap(Storage, "keep latents in", path, first, "")
}

// Slug makes a short file name of a prompt: its first words, of any script, in
// lower case, with dashes between them. It is never empty, and short enough for
// every file system, in bytes too. What Windows takes for a device is no name.
func Slug(prompt string) string {
	const (
		limit = 40  // characters
		bytes = 120 // encrypted folders take 143, with what comes after
	)
	slug := slugOf(prompt, limit)
	for len(slug) > bytes {
		_, n := utf8.DecodeLastRuneInString(slug)
		slug = strings.TrimRight(slug[:len(slug)-n], "-")
	}
	if devices.MatchString(slug) {
		return "clip-" + slug
	}
	return slug
}

// devices are names that Windows keeps for itself, whatever follows a dot.
var devices = regexp.MustCompile(`^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])$`)

func slugOf(prompt string, limit int) string {
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
