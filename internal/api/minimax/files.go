package minimax

import (
	"errors"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

const (
	// uploadMemory is how much of an upload is held in memory; the rest waits in a
	// temporary file.
	uploadMemory = 1 << 20
	// filesPage is how many files a page of V1's list has that says nothing.
	filesPage = 1000
	// maxFormText is the length of a form's text field, in bytes.
	maxFormText = 4096
)

// fileAnswer is a file in V1's form. Its id is a number, below 2^53.
type fileAnswer struct {
	ID          int64  `json:"file_id"`
	Bytes       int64  `json:"bytes"`
	CreatedAt   int64  `json:"created_at"` // Unix seconds
	Name        string `json:"filename"`
	Purpose     string `json:"purpose"`
	DownloadURL string `json:"download_url,omitempty"` // good for linkTime
}

func fileOf(f store.File) fileAnswer {
	return fileAnswer{ID: f.ID, Bytes: f.Bytes, CreatedAt: f.CreatedAt.Unix(), Name: f.Name, Purpose: f.Purpose}
}

type oneFileAnswer struct {
	File fileAnswer `json:"file"`
	Base baseResp   `json:"base_resp"`
}

type filesAnswer struct {
	Files   []fileAnswer `json:"files"`
	HasMore bool         `json:"has_more"` // ask again with after, the last id
	Base    baseResp     `json:"base_resp"`
}

type fileGoneAnswer struct {
	ID   int64    `json:"file_id"`
	Base baseResp `json:"base_resp"`
}

// answer writes what f gives, or its error.
func (a *V1) answer(w http.ResponseWriter, r *http.Request, f func() (any, error)) {
	v, err := f()
	if err != nil {
		a.Fail(w, r, err)
		return
	}
	traced(w, r)
	writeJSON(w, http.StatusOK, v)
}

func (a *V1) upload(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		v, file, err := uploadForm.readUpload(r)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		f, err := a.service.AddFile(r.Context(), who, service.NewFile{Purpose: v.text("purpose"), Name: file.name}, file)
		if err != nil {
			return nil, err
		}
		return oneFileAnswer{fileOf(f), success}, nil
	})
}

// upload is a file that came in a form.
type upload struct {
	multipart.File
	name string
	form *multipart.Form
}

// Close removes what was put aside.
func (u *upload) Close() error { return errors.Join(u.File.Close(), u.form.RemoveAll()) }

// readUpload reads a multipart form with a file, in any order: the official CLI
// sends the file before its purpose.
func (f fieldRules) readUpload(r *http.Request) (_ fieldValues, _ *upload, err error) {
	form, err := web.ParseForm(r, uploadMemory)
	if err != nil {
		return nil, nil, bodyError(err)
	}
	keep := false
	defer func() {
		if !keep {
			err = errors.Join(err, form.RemoveAll())
		}
	}()
	for name, list := range form.Value {
		if len(list) == 1 && len(list[0]) > maxFormText {
			delete(form.Value, name)
		}
	}
	given, err := f.given(form.Value)
	if err != nil {
		return nil, nil, err
	}
	if len(form.File["file"]) == 1 {
		given["file"] = "" // that it is there
	} else if delete(given, "file"); len(form.File["file"]) > 1 {
		return nil, nil, job.Errorf(job.Invalid, "file", "file is there %d times: upload one at a time", len(form.File["file"]))
	}
	v, err := readFields(f, "", given)
	if err != nil {
		return nil, nil, err
	}
	head := form.File["file"][0]
	if head.Size == 0 {
		return nil, nil, job.Errorf(job.Invalid, "file", "file is empty")
	}
	file, err := head.Open()
	if err != nil {
		return nil, nil, err
	}
	keep = true
	return v, &upload{File: file, name: head.Filename, form: form}, nil
}

func (a *V1) list(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		v, err := filesForm.readURL(r)
		if err != nil {
			return nil, err
		}
		limit := int(v.whole("limit", filesPage))
		files, err := a.service.Files(r.Context(), who, store.FileFilter{
			Purpose: v.text("purpose"), After: v.whole("after", 0), Limit: limit + 1, // one more tells whether there are more
		})
		if err != nil {
			return nil, err
		}
		out := filesAnswer{Files: []fileAnswer{}, HasMore: len(files) > limit, Base: success}
		for _, f := range files[:min(limit, len(files))] {
			out.Files = append(out.Files, fileOf(f))
		}
		return out, nil
	})
}

// fileAsked is the file that a request names in its path, its parameters or,
// for those that delete, its body.
func (a *V1) fileAsked(r *http.Request, who auth.Principal) (store.File, error) {
	q, err := web.Parameters(r)
	if err != nil {
		return store.File{}, err
	}
	if id := r.PathValue("file_id"); id != "" {
		q.Set("file_id", id)
	}
	v, err := fileQuery.readQuery(q)
	if !q.Has("file_id") && slices.Contains([]string{http.MethodPost, http.MethodDelete}, r.Method) {
		var body []byte
		if body, err = readBody(r); err == nil {
			v, err = fileDelete.read(body)
		}
	}
	if err != nil {
		return store.File{}, err
	}
	f, err := a.service.File(r.Context(), who, v.whole("file_id", 0))
	if err == nil && v.has("purpose") && v.text("purpose") != f.Purpose {
		err = job.Errorf(job.Invalid, "purpose", "purpose: the file %d is one for %s", f.ID, f.Purpose)
	}
	return f, err
}

func (a *V1) retrieve(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		f, err := a.fileAsked(r, who)
		if err != nil {
			return nil, err
		}
		out := oneFileAnswer{fileOf(f), success}
		out.File.DownloadURL = linkFor(r, a.service.FileURL(web.BaseOf(r.Context()), f, linkTime))
		return out, nil
	})
}

// content answers with a file's bytes.
func (a *V1) content(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	f, err := a.fileAsked(r, who)
	if err == nil {
		traced(w, r)
		err = web.ServeBlob(w, r, a.service, f.Key, f.Name)
	}
	if err != nil {
		a.Fail(w, r, err)
	}
}

func (a *V1) remove(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	a.answer(w, r, func() (any, error) {
		f, err := a.fileAsked(r, who)
		if err != nil {
			return nil, err
		}
		return fileGoneAnswer{f.ID, success}, a.service.DeleteFile(r.Context(), who, f.ID)
	})
}

// idText is an id as the APIs write it that have strings.
func idText(id int64) string { return strconv.FormatInt(id, 10) }
