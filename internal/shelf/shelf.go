package shelf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/scratch"
	"github.com/kinora-video/kinora/internal/text"
)

// DirEnv names the variable that holds the folder of models.
const DirEnv = "KINORA_MODELS"

// Limits of what is read back. A model on disk is checked before it is used, as
// anybody may have written there.
const (
	MaxFiles       = 2000    // of a model
	maxRecordBytes = 4 << 20 // of kinora.json
)

// RecordName is the file in the folder of a model that says what it is.
const RecordName = "kinora.json"

const (
	pulling  = ".pull-" // begins the name of a model's folder until it is whole
	leaving  = ".gone-" // begins the name of a folder that is being removed
	blobs    = ".blobs"
	locks    = ".locks"
	licences = "licences.json"
)

// ErrNotPulled is the error of Find for a model that is not there.
var ErrNotPulled = errors.New("it has not been pulled")

// Shelf is a folder of models. The folder need not be there.
type Shelf struct{ dir string }

// At is the shelf in a folder.
func At(dir string) *Shelf { return &Shelf{dir} }

// Dir is the folder of models: what KINORA_MODELS says, or kinora/models in the
// user's data folder.
func Dir() (string, error) {
	if dir := os.Getenv(DirEnv); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kinora", "models"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no home folder to keep models in: name a folder with %s", DirEnv)
	}
	return filepath.Join(home, ".local", "share", "kinora", "models"), nil
}

// Default is the shelf in Dir.
func Default() (*Shelf, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	return At(dir), nil
}

// Folder is the shelf's folder.
func (s *Shelf) Folder() string { return s.dir }

// ModelDir is the folder of a pulled model.
func (s *Shelf) ModelDir(name string) string { return filepath.Join(s.dir, name) }

// Record says what a pulled model is.
type Record struct {
	Name     string            `json:"name"`
	Aliases  []string          `json:"aliases,omitempty"`
	About    string            `json:"about"`
	Engine   string            `json:"engine"`
	Licences []catalog.Licence `json:"licences"`
	Pulled   time.Time         `json:"pulled"`
	Files    []File            `json:"files"`
}

// File is a file of a model.
type File struct {
	Path       string `json:"path"` // in the model's folder
	Size       int64  `json:"size"`
	Digest     string `json:"sha256,omitempty"` // hex; "" until it has been fetched
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
	Source     string `json:"source"` // its path in the repository
}

// Size is how many bytes the model's files have.
func (r Record) Size() (n int64) {
	for _, f := range r.Files {
		n += f.Size
	}
	return n
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check checks a record that was read. whole says that no digest may be missing.
func (r Record) check(name string, whole bool) error {
	switch {
	case r.Name != name:
		return fmt.Errorf("it is the record of %q", r.Name)
	case r.Engine == "":
		return errors.New("it names no engine")
	case len(r.Files) == 0 || len(r.Files) > MaxFiles:
		return fmt.Errorf("it lists %d files", len(r.Files))
	}
	for _, f := range r.Files {
		if err := catalog.CheckPath(f.Path); err != nil {
			return err
		}
		if f.Size < 0 || f.Digest != "" && !digestForm.MatchString(f.Digest) || whole && f.Digest == "" {
			return fmt.Errorf("the size or digest of %s is none", f.Path)
		}
	}
	return nil
}

// Find returns a pulled model by its name or an alias. The error is ErrNotPulled
// if there is none.
func (s *Shelf) Find(name string) (Record, error) {
	if catalog.CheckName(name) != nil {
		return Record{}, ErrNotPulled
	}
	r, err := s.read(s.ModelDir(name), name, true)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	for _, r := range s.Models() {
		if slices.Contains(r.Aliases, name) {
			return r, nil
		}
	}
	return Record{}, ErrNotPulled
}

// Unfinished returns the record of a model that was not pulled to its end.
func (s *Shelf) Unfinished(name string) (Record, error) {
	r, err := s.read(filepath.Join(s.dir, pulling+name), name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, ErrNotPulled
	}
	return r, err
}

// read reads and checks the record in a folder.
func (s *Shelf) read(dir, name string, whole bool) (r Record, err error) {
	path := filepath.Join(dir, RecordName)
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	data, err := text.Read(f, maxRecordBytes)
	if err == nil {
		err = json.Unmarshal([]byte(data), &r)
	}
	if err == nil {
		err = r.check(name, whole)
	}
	if err != nil {
		return r, fmt.Errorf("%s is damaged: %w: remove the model with kinora rm %s, and pull it again", path, err, name)
	}
	return r, nil
}

// Models are the pulled models, sorted by name. What cannot be read is left out:
// Find says why.
func (s *Shelf) Models() []Record { return s.all("", s.Find) }

// AllUnfinished are the models that were not pulled to their end, sorted by name.
func (s *Shelf) AllUnfinished() []Record { return s.all(pulling, s.Unfinished) }

func (s *Shelf) all(prefix string, read func(name string) (Record, error)) (out []Record) {
	entries, _ := os.ReadDir(s.dir) // sorted; where there is no folder there are no models
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || !e.IsDir() || catalog.CheckName(name) != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(s.dir, e.Name(), RecordName)); err != nil {
			continue
		}
		if r, err := read(name); err == nil {
			out = append(out, r)
		}
	}
	return out
}

// Damaged says what is wrong with a pulled model: a file that is missing, or that
// has another size. nil if nothing is. It reads no contents.
func (s *Shelf) Damaged(r Record) error {
	for _, f := range r.Files {
		path := filepath.Join(s.ModelDir(r.Name), filepath.FromSlash(f.Path))
		info, err := os.Stat(path)
		if err == nil && info.Size() != f.Size {
			err = fmt.Errorf("%s has %d bytes instead of %d", path, info.Size(), f.Size)
		}
		if err != nil {
			return fmt.Errorf("%w: kinora pull %s fetches it again", err, r.Name)
		}
	}
	return nil
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return scratch.WriteBytes(path, append(data, '\n'))
}
