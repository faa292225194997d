package web

import (
	"errors"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/text"
)

// ParseForm reads a whole multipart form and checks its texts. Files beyond so
// many bytes in all are kept on disk until the form's RemoveAll is called.
func ParseForm(r *http.Request, memory int64) (*multipart.Form, error) {
	if err := r.ParseMultipartForm(memory); err != nil {
		return nil, FormError(err)
	}
	form := r.MultipartForm
	KeepBody(r, formBytes(form, memory))
	if err := checkForm(form); err != nil {
		return nil, errors.Join(err, form.RemoveAll())
	}
	return form, nil
}

// checkForm checks all names and texts of a form, and removes byte order marks
// from its texts.
func checkForm(form *multipart.Form) error {
	for name, list := range form.Value {
		if err := CheckText("", "the name of a field", name); err != nil {
			return err
		}
		for i, s := range list {
			value, err := FormText(FieldName(name), s)
			if err != nil {
				return err
			}
			list[i] = value
		}
	}
	for name, list := range form.File {
		for _, head := range list {
			if err := checkPart(name, head.Filename); err != nil {
				return err
			}
		}
	}
	return nil
}

// FormText is the value of a form's field as text, without its byte order mark.
func FormText(name, value string) (string, error) {
	if err := CheckText(name, name, value); err != nil {
		return "", err
	}
	b, err := text.Decode([]byte(value))
	return string(b), err
}

// checkPart checks the name of a part and of its file.
func checkPart(name, file string) error {
	if err := CheckText("", "the name of a field", name); err != nil {
		return err
	}
	return CheckText(FieldName(name), "the file name of "+FieldName(name), file)
}

// NextPart returns the next part of a form that is read as a stream, with its
// names checked, and nil after the last.
func NextPart(form *multipart.Reader) (*multipart.Part, error) {
	part, err := form.NextPart()
	switch {
	case err == io.EOF: // a form that is cut short has a wrapped EOF
		return nil, nil //nolint:nilnil // nil means the end
	case err != nil:
		return nil, FormError(err)
	}
	return part, checkPart(part.FormName(), part.FileName())
}

// FormError classifies an error of reading a form. Errors of our limits are
// returned as they are. Errors of the disk that holds the files are the server's.
// All others are the sender's, whether multipart, textproto, mime or bufio
// reports them.
func FormError(err error) error {
	var large *http.MaxBytesError
	var aside *fs.PathError
	switch {
	case err == nil, errors.As(err, &large), IsReported(err):
		return err
	case errors.As(err, &aside):
		return &job.Error{Code: job.Unavailable, Message: "the file could not be stored: try again later", RetryAfter: 30 * time.Second, Err: err}
	case errors.Is(err, multipart.ErrMessageTooLarge):
		return job.Errorf(job.TooLarge, "", "a field or a header of the form is too large: send large images as a file part, not as text")
	}
	return &job.Error{Code: job.Invalid, Message: "the body must be a multipart form (multipart/form-data): this one has another type, ends early or is malformed", Err: err}
}
