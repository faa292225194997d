package openai

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/web"
)

// Limits of a form. What is larger in a multipart body is kept in a temporary
// file until the request was answered.
const (
	formMemory = 1 << 20 // bytes
	maxFields  = 32      // of a request
)

// formField is a field of a request.
type formField struct {
	name string // objects' fields in brackets: "input_reference[image_url]"
	// extra marks a field of our own, which OpenAI's API has not.
	extra bool
	// file says that the field may be, or is, a file part.
	file bool
	// refuse says why a field that OpenAI's API has is refused here.
	refuse string
}

// Fields of each request. The decoder takes these and no others, and
// docs/api-compatibility.md is held to them.
var (
	createFields = []formField{
		{name: "prompt"},
		{name: "model"},
		{name: "seconds"},
		{name: "size"},
		{name: "input_reference", file: true},
		{name: "input_reference[image_url]"},
		{name: "input_reference[file_id]"},
		{name: "seed", extra: true},
		{name: "fps", extra: true},
		{name: "num_inference_steps", extra: true},
		{name: "guidance_scale", extra: true},
	}
	remixFields  = []formField{{name: "prompt"}}
	extendFields = []formField{
		{name: "prompt"},
		{name: "seconds"},
		{name: "video[id]"},
		{name: "video", file: true, refuse: "a video from elsewhere cannot be gone on from: name one that was made here by its id"},
	}
	editFields      = []formField{{name: "prompt"}, {name: "video[id]"}, {name: "video", file: true}}
	characterFields = []formField{{name: "name"}, {name: "video", file: true}}
)

// requestForm is a request's fields as they came, whether by multipart or by JSON.
type requestForm struct {
	values map[string]string
	files  map[string]*multipart.FileHeader
	form   *multipart.Form // to be removed
	// empty are the fields that are there and hold nothing: null, or an object
	// without fields.
	empty map[string]bool
}

// close removes temporary files.
func (f *requestForm) close() {
	if f.form != nil {
		_ = f.form.RemoveAll() // the system clears its temporary folder in the end
	}
}

// has says whether a field is there and holds something.
func (f *requestForm) has(name string) bool { return f.values[name] != "" || f.files[name] != nil }

// asks says whether a field or one of its object's is there, though it may hold
// nothing.
func (f *requestForm) asks(name string) bool {
	is := func(other string) bool { return other == name || strings.HasPrefix(other, name+"[") }
	for other := range f.values {
		if is(other) {
			return true
		}
	}
	for other := range f.empty {
		if is(other) {
			return true
		}
	}
	return f.files[name] != nil
}

// readForm reads a request's body: a multipart form, as both SDKs send even
// without a file, or JSON.
func readForm(r *http.Request, fields []formField) (*requestForm, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Header.Get("Content-Type") == "" {
		kind, err = "application/json", nil
	}
	var f *requestForm
	switch {
	case err == nil && kind == "multipart/form-data":
		f, err = readMultipart(r)
	case err == nil && kind == "application/json":
		f, err = readJSON(r.Body)
	default:
		return nil, job.Errorf(job.Invalid, "", "the body must be multipart/form-data or application/json")
	}
	if err != nil {
		return nil, err
	}
	if err := f.check(fields); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func readMultipart(r *http.Request) (*requestForm, error) {
	form, err := web.ParseForm(r, formMemory)
	if err != nil {
		return nil, err
	}
	f := &requestForm{values: map[string]string{}, files: map[string]*multipart.FileHeader{}, form: form}
	for name, list := range form.Value {
		if len(list) != 1 {
			f.close()
			return nil, job.Errorf(job.Invalid, web.FieldName(name), "the field is there %d times", len(list))
		}
		f.values[name] = list[0]
	}
	for name, list := range form.File {
		if _, twice := f.values[name]; len(list) != 1 || twice {
			f.close()
			return nil, job.Errorf(job.Invalid, web.FieldName(name), "the field is there more than once")
		}
		f.files[name] = list[0]
	}
	return f, nil
}

// readJSON reads an object whose values are strings, numbers, booleans, or
// objects of them, which become fields in brackets as multipart has them.
func readJSON(body io.Reader) (*requestForm, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) || web.IsReported(err) {
			return nil, err
		}
		return nil, &job.Error{Code: job.Invalid, Message: "the body ended early", Err: err}
	}
	if data, err = web.CheckJSON(data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var top map[string]any
	if err := dec.Decode(&top); err != nil {
		return nil, &job.Error{Code: job.Invalid, Message: "the body is no JSON object", Err: err}
	}
	if dec.More() {
		return nil, job.Errorf(job.Invalid, "", "the body goes on after its JSON object")
	}
	f := &requestForm{values: map[string]string{}, empty: map[string]bool{}}
	for name, v := range top {
		object, nested := v.(map[string]any)
		if !nested {
			object = map[string]any{"": v}
		}
		if len(object) == 0 {
			f.empty[name] = true
		}
		for inner, v := range object {
			full := name
			if nested {
				full = name + "[" + inner + "]"
			}
			s, ok := textOf(v)
			if !ok {
				return nil, job.Errorf(job.Invalid, web.FieldName(full), "the field must be a string, a number or an object of them")
			}
			if v == nil {
				f.empty[full] = true
				continue
			}
			f.values[full] = s
		}
	}
	return f, nil
}

// textOf is a JSON value as a form would have it.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// check holds a form to the fields of its endpoint.
func (f *requestForm) check(fields []formField) error {
	if n := len(f.values) + len(f.files); n > maxFields {
		return job.Errorf(job.Invalid, "", "the request has %d fields: at most %d", n, maxFields)
	}
	known := map[string]formField{}
	for _, field := range fields {
		known[field.name] = field
	}
	for name := range f.values {
		field, ok := known[name]
		switch {
		case !ok && known[name+"[id]"].name != "", ok && field.file && known[name+"[id]"].name != "":
			f.values[name+"[id]"] = f.values[name] // "video": "video_…", as some clients write it
			delete(f.values, name)
		case !ok:
			return web.UnknownField(name)
		case field.refuse != "":
			return job.Errorf(job.Unsupported, web.FieldName(name), "%s: %s", web.FieldName(name), field.refuse)
		case field.file && f.values[name] != "":
			return job.Errorf(job.Invalid, web.FieldName(name), "%s must be a file part or an object", web.FieldName(name))
		}
	}
	for name := range f.files {
		field, ok := known[name]
		switch {
		case !ok:
			return web.UnknownField(name)
		case !field.file:
			return job.Errorf(job.Invalid, web.FieldName(name), "%s must be text, not a file", web.FieldName(name))
		case field.refuse != "":
			return job.Errorf(job.Unsupported, web.FieldName(name), "%s: %s", web.FieldName(name), field.refuse)
		}
	}
	return nil
}

// sum is the request in a form that does not change when it is sent again: a
// multipart form gets another boundary each time.
func (f *requestForm) sum() ([]byte, error) {
	parts := map[string]any{"values": f.values}
	files := map[string]string{}
	for name, h := range f.files {
		file, err := h.Open()
		if err != nil {
			return nil, err
		}
		hash := sha256.New()
		_, err = io.Copy(hash, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		files[name] = hex.EncodeToString(hash.Sum(nil))
	}
	parts["files"] = files
	return json.Marshal(parts) // the keys of maps come sorted
}
