package catalog

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of a path in a repository.
const (
	MaxPathBytes  = 512
	MaxPathDepth  = 16
	maxPieceBytes = 200 // of one name in it; file systems take 255
)

// CheckPath checks a path that comes from outside and shall become that of a file
// below a folder. It refuses what is no plain relative path, and what not every
// file system takes.
func CheckPath(p string) error {
	switch {
	case p == "" || len(p) > MaxPathBytes || !utf8.ValidString(p):
		return fmt.Errorf("the path %.40q is empty, longer than %d bytes or not UTF-8", p, MaxPathBytes)
	case p != path.Clean(p) || strings.HasPrefix(p, "/") || p == "..":
		return fmt.Errorf("the path %.80q leads out of its folder or is not plain", p)
	case strings.ContainsFunc(p, unplain):
		return fmt.Errorf("the path %.80q has letters that file names should not have", p)
	}
	pieces := strings.Split(p, "/")
	if len(pieces) > MaxPathDepth {
		return fmt.Errorf("the path %.80q is more than %d folders deep", p, MaxPathDepth)
	}
	for _, piece := range pieces {
		stem, _, _ := strings.Cut(strings.ToLower(piece), ".")
		switch {
		case piece == "." || piece == "..":
			return fmt.Errorf("the path %.80q leads out of its folder", p)
		case strings.HasPrefix(piece, " ") || strings.HasSuffix(piece, " ") || strings.HasSuffix(piece, "."):
			return fmt.Errorf("the path %.80q has a name that begins or ends with a blank, or ends with a dot", p)
		case len(piece) > maxPieceBytes:
			return fmt.Errorf("the path %.80q has a name of more than %d bytes", p, maxPieceBytes)
		case devices[stem]:
			return fmt.Errorf("the path %.80q has a name that Windows keeps for a device", p)
		}
	}
	return nil
}

func unplain(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError || strings.ContainsRune(`\:*?"<>|`, r)
}

// devices are names that Windows gives to no file.
var devices = map[string]bool{
	"con": true, "prn": true, "aux": true, "nul": true,
	"com1": true, "com2": true, "com3": true, "com4": true, "com5": true, "com6": true, "com7": true, "com8": true, "com9": true,
	"lpt1": true, "lpt2": true, "lpt3": true, "lpt4": true, "lpt5": true, "lpt6": true, "lpt7": true, "lpt8": true, "lpt9": true,
}

// Collision finds two paths that some file system takes for the same, or of which
// one is a file where the other has a folder.
func Collision(paths []string) (a, b string, found bool) {
	type use struct {
		path, spelt string
		file        bool
	}
	seen := map[string]use{}
	for _, p := range paths {
		for i := 0; i <= len(p); i++ {
			if i < len(p) && p[i] != '/' {
				continue
			}
			spelt, file := p[:i], i == len(p)
			key := strings.ToLower(norm.NFC.String(spelt))
			old, ok := seen[key]
			if ok && (file || old.file || old.spelt != spelt) {
				return old.path, p, true
			}
			if !ok {
				seen[key] = use{p, spelt, file}
			}
		}
	}
	return "", "", false
}

func checkPattern(p string) error {
	if err := CheckPath(strings.ReplaceAll(p, "*", "x")); err != nil {
		return fmt.Errorf("the pattern %q: %w", p, err)
	}
	if strings.ContainsAny(p, "[]") {
		return fmt.Errorf(`the pattern %q: only "*" stands for other letters`, p)
	}
	return nil
}

// Match says whether a path fits a pattern of a component.
func Match(pattern, p string) bool {
	ok, err := path.Match(pattern, p)
	return ok && err == nil
}
