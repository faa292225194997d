package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/blob"
	"github.com/kinora-video/kinora/internal/egress"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/store"
)

// Limits of what customers send.
const (
	MaxPictureBytes  = 20 << 20 // of an image, however it comes
	MaxPicturePixels = 64 << 20
	MaxFileName      = 200 // bytes
	MaxFilesPage     = store.MaxFiles - 1
	// picturesAtOnce are decoded and encoded at the same time: the largest takes
	// about a gigabyte of memory meanwhile. Others wait for their turn.
	picturesAtOnce = 2
)

// MediaPath begins the path of every signed link.
const MediaPath = "/media/"

// Picture fetches an image that a request names.
func (s *Service) Picture(ctx context.Context, who auth.Principal, param, ref string, rules PictureRules) (Picture, error) {
	id, ours := strings.CutPrefix(ref, "file:")
	if HasScheme(ref, "mm_file") {
		id, ours = ref[len("mm_file://"):], true
	}
	if ours {
		n, ok := ParseFileID(id)
		if !ok {
			return Picture{}, job.Errorf(job.Invalid, param, "%s: %.40q names no file: give the id of one that was uploaded", param, id)
		}
		f, err := s.DB.File(ctx, who.Project.ID, n)
		switch {
		case err != nil && job.CodeOf(err) == job.NotFound:
			return Picture{}, job.Errorf(job.Invalid, param, "%s: there is no file %d: upload it first", param, n)
		case err != nil:
			return Picture{}, err
		}
		r, _, err := s.OpenBlob(ctx, f.Key)
		if err != nil {
			return Picture{}, err
		}
		defer r.Close()
		return s.PictureFrom(ctx, who, param, r, rules)
	}
	got, err := s.Fetch.FetchURL(ctx, ref, egress.Limits{MaxBytes: maxBytes(rules), Accept: []string{"image/"}})
	if err != nil {
		return Picture{}, fetchError(param, err)
	}
	return s.PictureFrom(ctx, who, param, bytes.NewReader(got.Data), rules)
}

func maxBytes(r PictureRules) int64 {
	if r.MaxBytes == 0 {
		return MaxPictureBytes
	}
	return r.MaxBytes
}

// fetchError tells a customer why a URL could not be fetched.
func fetchError(param string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &job.Error{Code: job.Invalid, Param: param, Message: fmt.Sprintf("%s: %v", param, err), Err: err}
}

// PictureFrom checks an image and keeps it as a PNG: what the engine and ffmpeg
// see later is our own encoding, never the customer's bytes.
func (s *Service) PictureFrom(ctx context.Context, _ auth.Principal, param string, r io.Reader, rules PictureRules) (Picture, error) {
	if err := s.CheckRoom(); err != nil {
		return Picture{}, err
	}
	var out bytes.Buffer
	p, err := s.reencode(ctx, &out, param, r, rules)
	if err != nil {
		return Picture{}, err
	}
	if out.Len() > s.maxPNG {
		return Picture{}, job.Errorf(job.Invalid, param, "%s: the image takes %d bytes as a PNG, and may take %d: send it with fewer pixels", param, out.Len(), s.maxPNG)
	}
	key, err := blob.NewKey(blob.KindImage, "image/png")
	if err != nil {
		return Picture{}, err
	}
	if _, err := s.Blobs.Put(ctx, key, &out, blob.Meta{ContentType: "image/png"}); err != nil {
		return Picture{}, StorageError(err)
	}
	p.Key = key
	return p, nil
}

// CopyPicture keeps a picture, or a sound of a job, once more.
func (s *Service) CopyPicture(ctx context.Context, key string) (string, error) {
	kind, mime := blob.KindImage, "image/png"
	if strings.HasPrefix(key, blob.KindSound+"/") {
		kind, mime = blob.KindSound, soundType
	}
	if err := s.CheckRoom(); err != nil {
		return "", err
	}
	r, _, err := s.OpenBlob(ctx, key)
	if err != nil {
		return "", err
	}
	defer r.Close()
	made, err := blob.NewKey(kind, mime)
	if err != nil {
		return "", err
	}
	if _, err := s.Blobs.Put(ctx, made, r, blob.Meta{ContentType: mime}); err != nil {
		return "", StorageError(err)
	}
	return made, nil
}

// reencode checks an image and writes it as a PNG, when it is its turn.
func (s *Service) reencode(ctx context.Context, out io.Writer, param string, r io.Reader, rules PictureRules) (Picture, error) {
	if err := s.pictures.Acquire(ctx, 1); err != nil {
		return Picture{}, err
	}
	defer s.pictures.Release(1)
	f, kind, err := media.DecodeImageWithin(r, media.ImageLimits{Bytes: maxBytes(rules), Pixels: MaxPicturePixels})
	if err != nil {
		if _, unread := errors.AsType[*media.ReadError](err); unread {
			return Picture{}, err
		}
		return Picture{}, &job.Error{Code: job.Invalid, Param: param, Message: fmt.Sprintf("%s: %v", param, media.Plain(err)), Err: err}
	}
	p := Picture{Width: f.W, Height: f.H, Animated: kind.Animated}
	short, aspect := min(p.Width, p.Height), float64(p.Width)/float64(p.Height)
	switch {
	case short < rules.MinSide:
		return p, job.Errorf(job.Invalid, param, "%s: the image has %d×%d pixels: the short side must have at least %d", param, p.Width, p.Height, rules.MinSide)
	case rules.MinAspect > 0 && aspect < rules.MinAspect, rules.MaxAspect > 0 && aspect > rules.MaxAspect:
		return p, job.Errorf(job.Invalid, param, "%s: the image has %d×%d pixels: width over height must be between %.2g and %.2g", param, p.Width, p.Height, rules.MinAspect, rules.MaxAspect)
	}
	return p, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(out, f.Image())
}

// StorageError tells a customer that bytes could not be kept.
func StorageError(err error) error {
	if errors.Is(err, blob.ErrTooLarge) {
		return &job.Error{Code: job.TooLarge, Message: "the file is too large", Err: err}
	}
	return &job.Error{Code: job.Unavailable, Message: "the file could not be stored: try again later", RetryAfter: 30 * time.Second, Err: err}
}

// AddFile keeps a file that a customer sends.
func (s *Service) AddFile(ctx context.Context, who auth.Principal, n NewFile, r io.Reader) (store.File, error) {
	if err := s.CheckRoom(); err != nil {
		return store.File{}, err
	}
	head := make([]byte, 512)
	read, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return store.File{}, err
	}
	if read == 0 {
		return store.File{}, job.Errorf(job.Invalid, "file", "the file is empty")
	}
	kind := MediaType(head[:read])
	key, err := blob.NewKey(blob.KindFile, kind)
	if err != nil {
		return store.File{}, err
	}
	info, err := s.Blobs.Put(ctx, key, io.MultiReader(bytes.NewReader(head[:read]), r), blob.Meta{ContentType: kind, MaxBytes: s.FileBytes})
	if err != nil {
		return store.File{}, StorageError(err)
	}
	now, keep := s.DB.Now(), s.KeepFiles
	if n.Keep > 0 {
		keep = min(keep, n.Keep)
	}
	f := store.File{
		ID: store.NewID(), Project: who.Project.ID, Purpose: n.Purpose, Name: cleanName(n.Name), ContentType: kind, Key: key,
		SHA256: info.SHA256, Bytes: info.Size, CreatedAt: now, ExpiresAt: now.Add(keep),
	}
	kept, err := s.DB.AddFile(ctx, f)
	if err != nil {
		s.DropBlobs(ctx, []string{key})
	}
	return kept, err
}

// cleanName is the last part of a file name, printable and of bounded length.
func cleanName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r): // such as the narrow one that macOS puts before AM and PM
			return ' '
		case !unicode.IsPrint(r) || r == '"' || r == utf8.RuneError: // which no link can carry
			return -1
		}
		return r
	}, name)
	for len(name) > MaxFileName {
		name = name[:len(name)-1]
	}
	name = strings.ToValidUTF8(name, "")
	if name == "." || name == "/" || name == "" {
		return "file"
	}
	return name
}

// File returns one of the project's files.
func (s *Service) File(ctx context.Context, who auth.Principal, id int64) (store.File, error) {
	return s.DB.File(ctx, who.Project.ID, id)
}

// Files lists the project's files.
func (s *Service) Files(ctx context.Context, who auth.Principal, f store.FileFilter) ([]store.File, error) {
	f.Project = who.Project.ID
	return s.DB.Files(ctx, f)
}

// DeleteFile removes a file.
func (s *Service) DeleteFile(ctx context.Context, who auth.Principal, id int64) error {
	key, err := s.DB.DeleteFile(ctx, who.Project.ID, id)
	if err != nil {
		return err
	}
	s.DropBlobs(ctx, []string{key})
	return nil
}

// OpenBlob opens stored bytes.
func (s *Service) OpenBlob(ctx context.Context, key string) (io.ReadSeekCloser, int64, error) {
	r, info, err := s.Blobs.Open(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, 0, &job.Error{Code: job.NotFound, Message: "the file is gone: files are kept for a limited time", Err: err}
	}
	if err != nil {
		return nil, 0, &job.Error{Code: job.Unavailable, Message: "the file cannot be read now: try again later", RetryAfter: 10 * time.Second, Err: err}
	}
	return r, info.Size, nil
}

// FileURL is a signed link to a file. It begins with base, or, where that is "",
// with the address that the configuration names.
func (s *Service) FileURL(base string, f store.File, good time.Duration) string {
	return s.link(base, f.Key, f.Name, good)
}

// BlobURL is a signed link to a file of a result.
func (s *Service) BlobURL(base string, f job.File, good time.Duration) string {
	return s.link(base, f.Key, fmt.Sprintf("%s-%d%s", f.Role, f.ID, path.Ext(f.Key)), good)
}

func (s *Service) link(base, key, name string, good time.Duration) string {
	if good <= 0 {
		good = s.KeepLinks
	}
	l, err := s.Signer.Link("GET", MediaPath+key, name, time.Now().Add(good))
	if err != nil {
		s.Log.Error("signing a link", "key", key, "error", err)
		return ""
	}
	return cmp.Or(base, s.Address) + l
}

// FilePrefix begins the ids of files.
const FilePrefix = "file_"

// FileName is a file's id as all APIs but MiniMax's write it.
func FileName(id int64) string { return FilePrefix + strconv.FormatInt(id, 10) }

// ParseFileID reads a file's id as any of the APIs writes it: "file_" and
// digits, or the digits alone.
func ParseFileID(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(s, FilePrefix), 10, 64)
	return n, err == nil && n > 0
}

// HasScheme says whether a URL has one of some schemes and more behind it.
// Schemes are the same in either case (RFC 3986, section 3.1).
func HasScheme(link string, schemes ...string) bool {
	before, rest, ok := strings.Cut(link, ":")
	if !ok {
		return false
	}
	scheme := strings.ToLower(before)
	if scheme != "data" {
		rest, ok = strings.CutPrefix(rest, "//")
	}
	return ok && rest != "" && slices.Contains(schemes, scheme)
}

// MediaType is what a file's first bytes show it to be, without parameters.
func MediaType(head []byte) string {
	t, _, err := mime.ParseMediaType(http.DetectContentType(head))
	if err != nil {
		return "application/octet-stream"
	}
	return t
}
