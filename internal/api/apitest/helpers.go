package apitest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
)

// Ask sends a request and decodes the answer.
func Ask(t testing.TB, s *httptest.Server, key, method, path, kind, body string, header ...string) (*http.Response, map[string]any, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	_ = json.Unmarshal(text, &got) // nil for what is no object
	return resp, got, string(text)
}

// Form is a multipart body of fields, and a file for each name that begins
// with @.
func Form(fields map[string]string) (kind, body string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range fields {
		if file, ok := strings.CutPrefix(name, "@"); ok {
			p, _ := w.CreateFormFile(file, "anonymous_file")
			_, _ = p.Write([]byte(value))
			continue
		}
		_ = w.WriteField(name, value)
	}
	_ = w.Close()
	return w.FormDataContentType(), b.String()
}

// AllCodes reads the codes from package job's source, so that none is missed.
func AllCodes(t *testing.T) (codes []job.Code) {
	t.Helper()
	var text []byte
	err := os.ErrNotExist
	for dir := ".."; err != nil && len(dir) < 20; dir = filepath.Join(dir, "..") {
		text, err = os.ReadFile(filepath.Join(dir, "job", "errors.go"))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ +Code = "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
		codes = append(codes, job.Code(m[1]))
	}
	if len(codes) < 20 {
		t.Fatalf("found only %v", codes)
	}
	return codes
}

// Itoa is a number in decimal.
func Itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// JSONFields are the names of a struct's fields in JSON.
func JSONFields(v any) (names []string) {
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// FormBody is a multipart form; the values of "file" are files.
func FormBody(fields ...[2]string) (kind string, body []byte) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, f := range fields {
		if f[0] == "file" {
			part, _ := w.CreateFormFile("file", "picture.png")
			_, _ = part.Write([]byte(f[1]))
			continue
		}
		_ = w.WriteField(f[0], f[1])
	}
	_ = w.Close()
	return w.FormDataContentType(), buf.Bytes()
}

// At walks into JSON objects.
func At(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// JSONText is a value as JSON.
func JSONText(v any) string { b, _ := json.Marshal(v); return string(b) }

// Base64 is data in base64.
func Base64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// ChatAnswer makes an upstream's answer.
func ChatAnswer(status int, kind, body string) *service.ChatAnswer {
	return &service.ChatAnswer{Status: status, ContentType: kind, Body: io.NopCloser(strings.NewReader(body))}
}

// Decode is a JSON object.
func Decode(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	return out
}

// JSON is the media type of JSON.
const JSON = "application/json"

// DataURI is a PNG of that size as a data: URI.
func DataURI(w, h int) string { return "data:image/png;base64," + Base64(PNG(w, h)) }
