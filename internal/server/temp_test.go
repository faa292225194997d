package server

import (
	"bytes"
	"image"
	"image/png"
	"math/rand/v2"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTemporaryFiles: if the system has no folder for temporary files, a server
// reports that it is not ready. With its own folder it does not need the
// system's.
func TestTemporaryFiles(t *testing.T) {
	s, keys := realServer(t, nil)
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, filepath.Join(t.TempDir(), "missing"))
	}
	// A picture that is too large to be parsed in memory.
	noise := image.NewNRGBA(image.Rect(0, 0, 1280, 720))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise.Pix {
		noise.Pix[i] = byte(r.Uint32()) | byte(i%4/3*0xff)
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("input_reference", "noise.png")
	if err == nil {
		err = png.Encode(part, noise)
	}
	if err == nil {
		err = form.WriteField("prompt", "a ball")
	}
	if err == nil {
		err = form.WriteField("size", "1280x720")
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil || body.Len() < 2<<20 {
		t.Fatalf("a form of %d bytes, %v", body.Len(), err)
	}
	upload := func() (int, string) {
		resp, answer := call(t, s, "POST", "/v1/videos", keys.API, body.String(), "Content-Type", form.FormDataContentType())
		return resp.StatusCode, answer
	}

	if status, answer := upload(); status != 503 {
		t.Errorf("without a temporary folder: %d %s", status, answer)
	}
	if resp, answer := call(t, s, "GET", "/readyz", "", ""); resp.StatusCode != 503 || !strings.Contains(answer, "temporary files") {
		t.Errorf("/readyz: %d %s", resp.StatusCode, answer)
	}

	if err := UseTemp(s.cfg); err != nil {
		t.Fatal(err)
	}
	if status, answer := upload(); status != 200 {
		t.Errorf("with its own folder: %d %s", status, answer)
	}
	if resp, answer := call(t, s, "GET", "/readyz", "", ""); resp.StatusCode != 200 {
		t.Errorf("/readyz with its own folder: %d %s", resp.StatusCode, answer)
	}
	dir := filepath.Join(s.cfg.Data, "work", "tmp")
	if os.TempDir() != dir {
		t.Errorf("temporary files are in %s, want %s", os.TempDir(), dir)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}

	// Files of a killed process are removed; files in use are not.
	old, used := filepath.Join(dir, "multipart-1"), filepath.Join(dir, "kinora-2")
	for _, path := range []string{old, used} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-staleTemp)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.tidyTemp(now)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("after a corrected clock files in use were removed: there is %v, %v", left, err)
	}
	s.tidyTemp(now.Add(leftTemp))
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "kinora-2" {
		t.Errorf("after tidying there is %v, %v", left, err)
	}
	s.cfg.Data = filepath.Join(used, "below")
	if err := UseTemp(s.cfg); err == nil || !strings.Contains(err.Error(), "temporary files") {
		t.Errorf("a folder that cannot be made: %v", err)
	}
}
