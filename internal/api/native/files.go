package native

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// purposeDefault is the purpose of a file that says none.
const purposeDefault = "input"

// maxPurpose is the most of a purpose, in bytes.
const maxPurpose = 64

// File is a file that the project uploaded.
type File struct {
	ID          string     `json:"id" doc:"Names the file, as \"file_\" and 16 digits." example:"file_4503599627370497"`
	Purpose     string     `json:"purpose" doc:"Yours; \"input\" where none was given."`
	Name        string     `json:"name" doc:"As it was uploaded."`
	ContentType string     `json:"content_type" doc:"As its bytes show."`
	Bytes       int64      `json:"bytes"`
	SHA256      string     `json:"sha256" doc:"In hex."`
	URL         string     `json:"url" doc:"A signed link that needs no key and ends after a while."`
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty" doc:"When the server forgets it."`
}

func (n *API) fileOf(ctx context.Context, f store.File) File {
	return File{
		ID: service.FileName(f.ID), Purpose: f.Purpose, Name: f.Name, ContentType: f.ContentType, Bytes: f.Bytes, SHA256: f.SHA256,
		URL: n.Service.FileURL(web.BaseOf(ctx), f, 0), CreatedAt: f.CreatedAt.UTC(), ExpiresAt: timeOf(f.ExpiresAt),
	}
}

// FilePath is the part of a path that names a file.
type FilePath struct {
	ID string `path:"id" doc:"The file's id." example:"file_4503599627370497"`
}

type fileOut struct {
	Body File
}

type filesIn struct {
	Purpose string `query:"purpose" maxLength:"64" doc:"Only files of this purpose."`
	After   string `query:"after" doc:"Begin after this file: the next of the page before."`
	Limit   int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many files on a page."`
}

type fileList struct {
	Data    []File `json:"data"`
	HasMore bool   `json:"has_more"`
	Next    string `json:"next,omitempty" doc:"What after is for the next page."`
}

type filesOut struct {
	Body fileList
}

// uploadIn keeps the request, whose body is read as a stream.
type uploadIn struct{ r *http.Request }

// Resolve is called by huma with the request.
func (in *uploadIn) Resolve(ctx huma.Context) []error {
	in.r, _ = humago.Unwrap(ctx)
	return nil
}

func (n *API) addFiles() {
	upload := operation{
		id: "upload-file", method: http.MethodPost, path: "/v1/uploads", scope: web.ScopeFiles, tag: "files", status: http.StatusCreated,
		summary: "Upload a file", more: "A form with the part file, which is the last, and before it the optional field purpose. Its type is told by its bytes.",
		errors: []job.Code{job.Invalid, job.TooLarge},
	}.of()
	huma.Register(n.huma, upload, func(ctx context.Context, in *uploadIn) (*fileOut, error) {
		f, err := n.upload(ctx, in.r)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return &fileOut{n.fileOf(ctx, f)}, nil
	})
	// Said afterwards: huma would read a body that it knows of.
	n.huma.OpenAPI().Paths["/v1/uploads"].Post.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
		Type: huma.TypeObject, Required: []string{"file"},
		Properties: map[string]*huma.Schema{
			"purpose": {Type: huma.TypeString, MaxLength: ptr(maxPurpose), Description: "Yours, to find it by."},
			"file":    {Type: huma.TypeString, Format: "binary", Description: "The bytes."},
		},
	}}}}
	register(n, operation{
		id: "list-files", method: http.MethodGet, path: "/v1/uploads", scope: web.ScopeFiles, tag: "files",
		summary: "List files", more: "Newest first.", errors: []job.Code{job.Invalid},
	}, n.files)
	register(n, operation{
		id: "get-file", method: http.MethodGet, path: "/v1/uploads/{id}", scope: web.ScopeFiles, tag: "files",
		summary: "Look at a file, and get a link to it", errors: []job.Code{job.NotFound},
	}, func(ctx context.Context, in *FilePath) (*fileOut, error) {
		id, err := parseNumber(in.ID, service.FilePrefix, "file")
		if err != nil {
			return nil, err
		}
		f, err := n.Service.File(ctx, principal(ctx), id)
		if err != nil {
			return nil, err
		}
		return &fileOut{n.fileOf(ctx, f)}, nil
	})
	register(n, operation{
		id: "delete-file", method: http.MethodDelete, path: "/v1/uploads/{id}", scope: web.ScopeFiles, tag: "files", status: http.StatusNoContent,
		summary: "Delete a file", errors: []job.Code{job.NotFound},
	}, func(ctx context.Context, in *FilePath) (*struct{}, error) {
		id, err := parseNumber(in.ID, service.FilePrefix, "file")
		if err != nil {
			return nil, err
		}
		return nil, n.Service.DeleteFile(ctx, principal(ctx), id)
	})
}

func ptr[T any](v T) *T { return &v }

// upload reads a form up to its file, which goes straight into the store.
func (n *API) upload(ctx context.Context, r *http.Request) (store.File, error) {
	web.KeepBody(r, 0) // it is a stream
	form, err := r.MultipartReader()
	if err != nil {
		return store.File{}, job.Errorf(job.Invalid, "", "the body must be multipart/form-data with a part named file")
	}
	purpose := purposeDefault
	for {
		part, err := web.NextPart(form)
		switch {
		case err != nil:
			return store.File{}, err
		case part == nil:
			return store.File{}, job.Errorf(job.Invalid, "file", "the form has no part named file")
		}
		switch part.FormName() {
		case "purpose":
			if purpose, err = readPurpose(part); err != nil {
				return store.File{}, err
			}
		case "file":
			body := &readErrors{Reader: part}
			f, err := n.Service.AddFile(ctx, principal(ctx), service.NewFile{Purpose: purpose, Name: part.FileName()}, body)
			switch {
			case err == nil:
				return f, n.afterFile(ctx, form, f)
			case body.err != nil: // the sender's, and not the store's
				err = web.FormError(body.err)
			}
			return f, err
		default:
			return store.File{}, job.Errorf(job.Invalid, web.FieldName(part.FormName()), "the form has a part that is neither purpose nor file")
		}
	}
}

// afterFile sees that a form ends after its file, and otherwise takes the file
// back: a purpose that came too late would be lost without a word, and a form
// without its end may be half of one.
func (n *API) afterFile(ctx context.Context, form *multipart.Reader, f store.File) error {
	part, err := web.NextPart(form)
	if part == nil && err == nil {
		return nil
	}
	if err == nil {
		name := web.FieldName(part.FormName())
		err = job.Errorf(job.Invalid, name, "the form has the part %q after the part file, which has to be the last", name)
	}
	return errors.Join(err, n.Service.DeleteFile(context.WithoutCancel(ctx), principal(ctx), f.ID))
}

// readErrors notes why reading failed.
type readErrors struct {
	io.Reader
	err error
}

// Read keeps the error that ends the reading, unless it is the end.
func (r *readErrors) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func readPurpose(part *multipart.Part) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(part, maxPurpose+1))
	if err != nil {
		return "", web.FormError(err)
	}
	wrongLength := job.Errorf(job.Invalid, "purpose", "purpose must have 1 to %d bytes", maxPurpose)
	if len(raw) > maxPurpose { // its end may be half a character
		return "", wrongLength
	}
	text, err := web.FormText("purpose", string(raw))
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", wrongLength
	}
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return "", job.Errorf(job.Invalid, "purpose", "purpose must be text without control characters")
		}
	}
	return text, nil
}

func (n *API) files(ctx context.Context, in *filesIn) (*filesOut, error) {
	var after int64
	if in.After != "" {
		id, err := parseNumber(in.After, service.FilePrefix, "file")
		if err != nil {
			return nil, job.Errorf(job.Invalid, "after", "after: there is no file %.40q", in.After)
		}
		after = id
	}
	list, err := n.Service.Files(ctx, principal(ctx), store.FileFilter{Purpose: in.Purpose, After: after, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	out := &filesOut{fileList{Data: []File{}, HasMore: len(list) > in.Limit}}
	for _, f := range list[:min(in.Limit, len(list))] {
		out.Body.Data = append(out.Body.Data, n.fileOf(ctx, f))
	}
	if k := len(out.Body.Data); k > 0 && out.Body.HasMore {
		out.Body.Next = out.Body.Data[k-1].ID
	}
	return out, nil
}
