package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Extensions are the file extensions of the videos that a Folder reads, in
// upper or lower case.
var Extensions = []string{".mp4", ".m4v", ".mov", ".webm", ".mkv"}

// otherVideos are extensions of videos that a Folder does not read. Files that
// have one are listed as left out, so that nobody believes they are used.
var otherVideos = []string{
	".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".gif", ".h264", ".h265", ".hevc", ".m2ts", ".m2v", ".mpeg", ".mpg",
	".mts", ".mxf", ".ogm", ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webp", ".wmv", ".y4m",
}

// LeftOut is a video that training does not use.
type LeftOut struct {
	Name string // its path within the folder
	Why  string
}

// String formats it as one line.
func (l LeftOut) String() string { return shown(l.Name) + ": " + l.Why }

// shown formats a file name so that it is safe to print.
func shown(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return strconv.Quote(name)
		}
	}
	return name
}

// listing is what a folder and its subfolders hold, ordered by name.
type listing struct {
	dir    string
	videos []listed
	left   []LeftOut
}

// listed is a candidate video.
type listed struct {
	name     string // path within the folder
	captions string // path of the file of captions; "" if there is none
}

// list looks for videos in dir and its subfolders. It opens none of them.
func list(dir string) (*listing, error) {
	l := &listing{dir: dir}
	return l, l.folder("")
}

// folder adds the contents of the folder at a path within dir.
func (l *listing) folder(at string) error {
	entries, err := os.ReadDir(filepath.Join(l.dir, at))
	if err != nil {
		return err
	}
	captions := captionFiles(entries)
	for _, e := range entries {
		name := filepath.Join(at, e.Name())
		switch info, err := os.Stat(filepath.Join(l.dir, name)); {
		case e.IsDir() && !hidden(e.Name()):
			if err := l.folder(name); err != nil {
				l.leave(name, "this folder cannot be read: %v", cause(err))
			}
		case e.IsDir():
			l.leave(name, "it is a hidden folder")
		case err == nil && info.IsDir():
			l.leave(name, "it is a link to a folder, and such links are not followed")
		case !hasExtension(name, Extensions):
			if hasExtension(name, otherVideos) && !hidden(e.Name()) {
				l.leave(name, "videos of this kind are not read: convert it to .mp4")
			}
		default:
			l.video(name, info, err, captions)
		}
	}
	return nil
}

// video adds a file named like a video; err is the reason if it has no info.
func (l *listing) video(name string, info fs.FileInfo, err error, captions map[string]string) {
	base := filepath.Base(name)
	switch {
	case hidden(base):
		l.leave(name, "it is a hidden file")
	case errors.Is(err, fs.ErrNotExist):
		l.leave(name, "it is a link to a file that does not exist")
	case err != nil:
		l.leave(name, "it cannot be examined: %v", cause(err))
	case !info.Mode().IsRegular():
		l.leave(name, "it is not a regular file")
	case info.Size() == 0:
		l.leave(name, "it is empty")
	default:
		v := listed{name: name}
		stem := strings.TrimSuffix(base, filepath.Ext(base))
		if text, ok := captions[norm.NFC.String(stem)]; ok {
			v.captions = filepath.Join(filepath.Dir(name), text)
		}
		l.videos = append(l.videos, v)
	}
}

func (l *listing) leave(name, format string, args ...any) {
	l.left = append(l.left, LeftOut{name, fmt.Sprintf(format, args...)})
}

// captionFiles maps the names of videos to their files of captions. The keys
// have no extension and are composed (NFC), as a Mac may decompose one of the
// two names.
func captionFiles(entries []fs.DirEntry) map[string]string {
	out := map[string]string{}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if e.IsDir() || hidden(e.Name()) || !strings.EqualFold(ext, ".txt") {
			continue
		}
		stem := norm.NFC.String(strings.TrimSuffix(e.Name(), ext))
		if _, taken := out[stem]; !taken || ext == ".txt" {
			out[stem] = e.Name()
		}
	}
	return out
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

func hasExtension(name string, list []string) bool {
	return slices.Contains(list, strings.ToLower(filepath.Ext(name)))
}

// cause returns the error of a file without its path, which the line names
// already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
