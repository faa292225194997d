package studio

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"
)

// staticPath begins the addresses of files. The next part is their version, so that
// a browser may keep them for ever.
const staticPath = Path + "static/"

//go:embed static
var staticFiles embed.FS

// assets are the files of pages.
type assets struct {
	files   map[string][]byte // by path, such as js/core.js
	version string            // of all together
}

// types are the media types of files, whatever the machine's own list says.
var types = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

func newAssets() (assets, error) {
	a := assets{files: map[string][]byte{}}
	sum := sha256.New()
	root, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return a, err
	}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		a.files[name] = data
		sum.Write([]byte(name)) // a hash never fails
		sum.Write(data)
		return err
	})
	a.version = hex.EncodeToString(sum.Sum(nil)[:8])
	return a, err
}

// at is the address of a file.
func (a assets) at(name string) string { return staticPath + a.version + "/" + name }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	data, ok := a.files[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	kind := types[path.Ext(r.PathValue("file"))]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(r.PathValue("file")))
	}
	w.Header().Set("Content-Type", kind)
	if r.PathValue("version") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
