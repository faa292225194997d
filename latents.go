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

// latentsBase bounds how many bytes a file of latents takes beside the numbers of
// the latents: for the prompt, the settings and the format.
const latentsBase = 256 << 10

// latentsPath chooses the file that will keep the latents of a request. Before any
// sampling, it checks that a file of that name can be made and that the disk has
// room for it. It reserves the name until release is called.
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

// freshLatents yields names for new files of latents: in the model's latents
// folder, which it makes, and in the folder of the output, which may be on another
// disk.
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

// latentsFolder makes the folder for latents for which the request names no file.
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

// tryLatents checks whether a file can keep latents of need bytes, and claims its
// name. If the video goes into the same folder, both have to fit.
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

// keep writes latents to the chosen file or, if its disk has filled up since, to
// another one. The latents are also in memory, so an error matters only if saving
// the video fails too.
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

// Slug makes a short file name from a prompt: its first words, in any script, in
// lower case, joined by dashes. It is never empty, it is short enough for every
// file system, in bytes too, and it is never a name that Windows keeps for a
// device.
func Slug(prompt string) string {
	const (
		limit = 40  // characters
		bytes = 120 // encrypted folders allow 143, endings included
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

// devices are the names that Windows keeps for devices, with any extension.
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
