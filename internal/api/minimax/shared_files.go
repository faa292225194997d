package minimax

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/web"
)

// sharedFiles is /v1/files, the one path that OpenAI's clients and some of
// MiniMax's use for the same thing. An answer has the fields of both APIs, and
// an error has OpenAI's HTTP status and both forms: a client that looks at
// either sees what happened.
type sharedFiles struct{ v1 V1 }

func newSharedFiles(s Service) web.API { return &sharedFiles{V1{service: s}} }

// Routes are the endpoints of /v1/files.
func (a *sharedFiles) Routes() []web.Route {
	return []web.Route{
		{Pattern: "POST /v1/files", Scope: web.ScopeFiles, Handle: a.answer(a.upload), Summary: "Upload a file"},
		{Pattern: "GET /v1/files", Scope: web.ScopeFiles, Handle: a.answer(a.list), Summary: "List files"},
		{Pattern: "GET /v1/files/{file_id}", Scope: web.ScopeFiles, Handle: a.answer(a.retrieve), Summary: "Look at a file, and get a link to it"},
		{Pattern: "GET /v1/files/{file_id}/content", Scope: web.ScopeFiles, Handle: a.content, Summary: "Download a file"},
		{Pattern: "DELETE /v1/files/{file_id}", Scope: web.ScopeFiles, Handle: a.answer(a.remove), Summary: "Delete a file"},
		{Pattern: "DELETE /v1/files", Scope: web.ScopeFiles, Handle: a.answer(a.remove), Summary: "Delete a file"}, // MiniMax's clients: the id is a parameter, or in the body
	}
}

// openAIPurposes are what OpenAI's clients may upload a file for.
var openAIPurposes = []string{"vision", "user_data", "assistants", "batch", "fine-tune", "evals"}

// Bounds of expires_after.seconds, as OpenAI has them.
const (
	expiryLeast = 3600
	expiryMost  = 30 * 24 * 3600
)

var (
	sharedUploadForm = fieldRules{
		{name: "purpose", kind: aString, need: true, oneOf: append(slices.Clone(openAIPurposes), slices.DeleteFunc(slices.Clone(filePurposes), func(s string) bool { return slices.Contains(openAIPurposes, s) })...)},
		{name: "file", kind: anyValue, need: true},
		{name: "expires_after[anchor]", kind: aString, oneOf: []string{"created_at"}},
		{name: "expires_after[seconds]", kind: aWholeNumber, from: expiryLeast, to: expiryMost},
	}
	sharedListForm = fieldRules{
		{name: "purpose", kind: aString, most: 64},
		{name: "after", kind: aFileID},
		{name: "limit", kind: aWholeNumber, from: 1, to: service.MaxFilesPage},
		{name: "order", kind: aString, oneOf: []string{"asc", "desc"}},
	}
)

// fileObject is a file in OpenAI's form.
type fileObject struct {
	ID        string `json:"id"` // what input_reference.file_id takes
	Object    string `json:"object"`
	Bytes     int64  `json:"bytes"`
	CreatedAt int64  `json:"created_at"` // Unix seconds
	ExpiresAt *int64 `json:"expires_at"`
	Name      string `json:"filename"`
	Purpose   string `json:"purpose"`
	Status    string `json:"status"` // "processed"
}

func fileObjectOf(f store.File) fileObject {
	return fileObject{
		ID: service.FileName(f.ID), Object: "file", Bytes: f.Bytes, CreatedAt: f.CreatedAt.Unix(), ExpiresAt: web.UnixTime(f.ExpiresAt),
		Name: f.Name, Purpose: f.Purpose, Status: "processed",
	}
}

// sharedFile is a file in both forms.
type sharedFile struct {
	fileObject
	File fileAnswer `json:"file"`
	Base baseResp   `json:"base_resp"`
}

// sharedList is a page of files in both forms.
type sharedList struct {
	Object  string       `json:"object"` // "list"
	Data    []fileObject `json:"data"`
	FirstID *string      `json:"first_id"`
	LastID  *string      `json:"last_id"`
	HasMore bool         `json:"has_more"`
	Files   []fileAnswer `json:"files"`
	Base    baseResp     `json:"base_resp"`
}

// sharedGone confirms a deletion in both forms.
type sharedGone struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"` // "file"
	Deleted bool     `json:"deleted"`
	FileID  int64    `json:"file_id"`
	Base    baseResp `json:"base_resp"`
}

// answer makes a handler of a function that returns what is to be written.
func (a *sharedFiles) answer(f func(*http.Request, auth.Principal) (any, error)) func(http.ResponseWriter, *http.Request, auth.Principal) {
	return func(w http.ResponseWriter, r *http.Request, who auth.Principal) {
		v, err := f(r, who)
		if err != nil {
			a.Fail(w, r, err)
			return
		}
		traced(w, r)
		writeJSON(w, http.StatusOK, v)
	}
}

// Fail answers in the forms of both APIs.
func (a *sharedFiles) Fail(w http.ResponseWriter, r *http.Request, err error) { failBoth(w, r, err) }

func (a *sharedFiles) upload(r *http.Request, who auth.Principal) (any, error) {
	v, file, err := sharedUploadForm.readUpload(r)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f, err := a.v1.service.AddFile(r.Context(), who, service.NewFile{
		Purpose: v.text("purpose"), Name: file.name, Keep: time.Duration(v.whole("expires_after[seconds]", 0)) * time.Second,
	}, file)
	if err != nil {
		return nil, err
	}
	return sharedFile{fileObjectOf(f), fileOf(f), success}, nil
}

func (a *sharedFiles) list(r *http.Request, who auth.Principal) (any, error) {
	v, err := sharedListForm.readURL(r)
	if err == nil {
		err = sharedListForm.onlyKnown(r.URL.Query())
	}
	if err != nil {
		return nil, err
	}
	limit := int(v.whole("limit", service.MaxFilesPage))
	files, err := a.v1.service.Files(r.Context(), who, store.FileFilter{
		Purpose: v.text("purpose"), After: v.whole("after", 0), Ascending: v.text("order") == "asc", Limit: limit + 1, // one more tells whether there are more
	})
	if err != nil {
		return nil, err
	}
	out := sharedList{Object: "list", Data: []fileObject{}, Files: []fileAnswer{}, HasMore: len(files) > limit, Base: success}
	for _, f := range files[:min(limit, len(files))] {
		out.Data, out.Files = append(out.Data, fileObjectOf(f)), append(out.Files, fileOf(f))
	}
	if n := len(out.Data); n > 0 {
		out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
	}
	return out, nil
}

// asked is the file that a request names.
func (a *sharedFiles) asked(r *http.Request, who auth.Principal) (store.File, error) {
	if id := r.PathValue("file_id"); id != "" {
		if _, ok := service.ParseFileID(id); !ok {
			return store.File{}, job.Errorf(job.NotFound, "", "there is no file %.60q", id)
		}
	}
	return a.v1.fileAsked(r, who)
}

func (a *sharedFiles) retrieve(r *http.Request, who auth.Principal) (any, error) {
	f, err := a.asked(r, who)
	if err != nil {
		return nil, err
	}
	out := sharedFile{fileObjectOf(f), fileOf(f), success}
	out.File.DownloadURL = linkFor(r, a.v1.service.FileURL(web.BaseOf(r.Context()), f, linkTime))
	return out, nil
}

// content answers with a file's bytes.
func (a *sharedFiles) content(w http.ResponseWriter, r *http.Request, who auth.Principal) {
	f, err := a.asked(r, who)
	if err == nil {
		err = web.ServeBlob(w, r, a.v1.service, f.Key, f.Name)
	}
	if err != nil {
		a.Fail(w, r, err)
	}
}

func (a *sharedFiles) remove(r *http.Request, who auth.Principal) (any, error) {
	f, err := a.asked(r, who)
	if err != nil {
		return nil, err
	}
	return sharedGone{ID: service.FileName(f.ID), Object: "file", Deleted: true, FileID: f.ID, Base: success}, a.v1.service.DeleteFile(r.Context(), who, f.ID)
}

// onlyKnown refuses parameters of a URL that the table has not, but for the
// group that old clients of MiniMax name in every URL.
func (f fieldRules) onlyKnown(q url.Values) error {
	for name := range q {
		if name != "GroupId" && !slices.ContainsFunc(f, func(field fieldRule) bool { return field.name == name }) {
			return web.UnknownField(name)
		}
	}
	return nil
}

// bothFailure is an error in OpenAI's form with MiniMax's beside it.
type bothFailure struct {
	web.OpenAIFailure
	Base baseResp `json:"base_resp"`
}

// failBoth answers clients of either API: with OpenAI's HTTP status, headers and
// error, and with MiniMax's base_resp.
func failBoth(w http.ResponseWriter, r *http.Request, err error) {
	e := web.Report(r, err)
	status, body := web.OpenAIFailed(w, e, err)
	traced(w, r)
	writeJSON(w, status, bothFailure{body, baseResp{codeFor(r, e).number, messageOf(e)}})
}

// Missing is none.
func (a *sharedFiles) Missing() []string { return nil }
