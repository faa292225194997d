package blob

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"path"
	"slices"
	"strings"
)

// MaxKey is the most bytes of a key, MaxSegment of a part between slashes. Both
// fit every file system and S3 (255 and 1,024), with space for a folder or prefix
// in front.
const (
	MaxKey     = 240
	MaxSegment = 120
)

// Kinds are the first segments of the platform's keys.
const (
	KindVideo   = "video"
	KindImage   = "image"
	KindSound   = "sound"
	KindFile    = "file"    // files that customers sent
	KindPreview = "preview" // frames shown while a job runs
	KindLatents = "latents" // latents of interrupted jobs
)

// ErrKey means that a string cannot be a key or prefix; the text around it says
// why.
var ErrKey = errors.New("not a key of this store")

// NewKey returns a fresh key of the kind: kind/ab/id.ext with an unguessable id
// of 130 random bits. The extension is contentType's (see [TypeOf]). An unknown
// type, or "", gives no extension.
func NewKey(kind, contentType string) (string, error) {
	return KeyOf(kind, strings.ToLower(rand.Text()), contentType)
}

// KeyOf returns the key of a kind for an id that the server made, always the same
// one. ab is taken from the id's hash, so that ids with the same beginning still
// spread over 256 folders.
func KeyOf(kind, id, contentType string) (string, error) {
	sum := sha256.Sum256([]byte(id))
	key := kind + "/" + hex.EncodeToString(sum[:1]) + "/" + id + ExtOf(contentType)
	if strings.ContainsRune(kind, '/') || strings.ContainsRune(id, '/') {
		return "", fmt.Errorf("blob: kind %q, id %q: %w: neither may hold a slash", kind, id, ErrKey)
	}
	return key, CheckKey(key)
}

// CheckKey returns nil or an error that wraps [ErrKey]. A key is one or more
// segments of lowercase letters, digits, '-', '_' and '.' joined by '/'. No
// segment is empty, starts or ends with a dot, or is a device name on Windows. So
// a key is the same on file systems that ignore case, and cannot name a place
// outside its store.
func CheckKey(key string) error {
	if key == "" {
		return fmt.Errorf("blob: empty key: %w", ErrKey)
	}
	return checkPath("key", key, false)
}

// checkPrefix is CheckKey for the beginning of a key: the last segment may be
// empty or cut short.
func checkPrefix(prefix string) error { return checkPath("prefix", prefix, true) }

func checkPath(what, p string, partial bool) error {
	if len(p) > MaxKey {
		return fmt.Errorf("blob: a %s of %d bytes: %w: at most %d", what, len(p), ErrKey, MaxKey)
	}
	segments := strings.Split(p, "/")
	for i, s := range segments {
		if why := faultOf(s, partial && i == len(segments)-1); why != "" {
			return fmt.Errorf("blob: %s %q: %w: %s", what, p, ErrKey, why)
		}
	}
	return nil
}

// devices are the names that Windows reserves, with any extension.
var devices = []string{
	"con", "prn", "aux", "nul",
	"com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
}

// faultOf returns what is wrong with a segment, or "".
func faultOf(s string, partial bool) string {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return "only a-z, 0-9, '-', '_', '.' and '/' are allowed"
		}
	}
	stem, _, _ := strings.Cut(s, ".")
	switch {
	case len(s) > MaxSegment:
		return fmt.Sprintf("a segment has %d bytes, more than %d", len(s), MaxSegment)
	case strings.HasPrefix(s, "."):
		return "a segment starts with a dot"
	case partial:
		return ""
	case s == "":
		return "a segment is empty"
	case strings.HasSuffix(s, "."):
		return "a segment ends with a dot"
	case slices.Contains(devices, stem):
		return stem + " is a device on Windows"
	}
	return ""
}

// anyType is the content type of a blob of unknown type.
const anyType = "application/octet-stream"

// types pairs extensions with content types; the usual extension of a type comes
// first.
var types = []struct{ ext, contentType string }{
	{".mp4", "video/mp4"},
	{".webm", "video/webm"},
	{".mov", "video/quicktime"},
	{".mkv", "video/matroska"},
	{".png", "image/png"},
	{".jpg", "image/jpeg"},
	{".jpeg", "image/jpeg"},
	{".webp", "image/webp"},
	{".gif", "image/gif"},
	{".wav", "audio/wav"},
	{".mp3", "audio/mpeg"},
	{".flac", "audio/flac"},
	{".ogg", "audio/ogg"},
	{".m4a", "audio/mp4"},
	{".aac", "audio/aac"},
	{".json", "application/json"},
	{".jsonl", "application/jsonl"},
	{".csv", "text/csv; charset=utf-8"},
	{".txt", "text/plain; charset=utf-8"},
	{".safetensors", anyType},
}

// TypeOf returns the content type of a key's extension, or "".
func TypeOf(key string) string {
	ext := path.Ext(key)
	for _, t := range types {
		if t.ext == ext {
			return t.contentType
		}
	}
	return ""
}

// ExtOf returns the usual extension of a content type, or "". Parameters of the
// type are ignored; octet-stream has no extension.
func ExtOf(contentType string) string {
	want, _, err := mime.ParseMediaType(contentType)
	if err != nil || want == anyType {
		return ""
	}
	for _, t := range types {
		if have, _, _ := strings.Cut(t.contentType, ";"); have == want {
			return t.ext
		}
	}
	return ""
}

// resolveType is the content type of a blob: its extension's, else the one that
// the store kept, else octet-stream.
func resolveType(key, kept string) string {
	if t := TypeOf(key); t != "" {
		return t
	}
	if _, _, err := mime.ParseMediaType(kept); err != nil {
		return anyType
	}
	return kept
}
