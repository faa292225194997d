package catalog

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/kinora-video/kinora/internal/text"
)

// Limits of a catalogue file.
const (
	MaxFileBytes  = 1 << 20
	MaxEntries    = 1000
	MaxComponents = 32
	MaxPatterns   = 64
	MaxNameBytes  = 64
)

// FileEnv names the variable that holds the path of the user's own catalogue.
const FileEnv = "KINORA_CATALOG"

//go:embed models.yaml
var builtin []byte

// Catalog is a list of models, in the order of the files.
type Catalog struct {
	Entries []Entry
	Engines map[string]Engine
}

// Engine is a part of the program that runs models of one architecture.
type Engine struct {
	// Pipelines are the classes of a model_index.json that it runs.
	Pipelines []string `yaml:"pipelines"`
	// Options are flags of kinora generate that all or some of its models take.
	Options []string `yaml:"options"`
}

// Entry is a model that can be pulled.
type Entry struct {
	Name       string      `yaml:"name"`
	Aliases    []string    `yaml:"aliases"`
	About      string      `yaml:"about"`
	Engine     string      `yaml:"engine"`
	Licence    Licence     `yaml:"licence"`
	Video      Video       `yaml:"video"`
	Chat       Chat        `yaml:"chat"`
	Memory     int64       `yaml:"memory"` // bytes that it needs at least; 0 where not known
	Work       Work        `yaml:"work"`
	Components []Component `yaml:"components"`
}

// Licence is the terms under which weights are given.
type Licence struct {
	Name string `yaml:"name" json:"name,omitempty"`
	Link string `yaml:"link" json:"link,omitempty"`
}

// Video is what a model makes when nothing else is asked for. Zero where not known.
type Video struct {
	Width      int  `yaml:"width"` // pixels
	Height     int  `yaml:"height"`
	Frames     int  `yaml:"frames"`
	FPS        int  `yaml:"fps"`
	FirstFrame bool `yaml:"first_frame"` // takes a picture that the video begins with
	LastFrame  bool `yaml:"last_frame"`
}

// Chat is what a language model is; zero for models of videos, and where not known.
type Chat struct {
	Parameters int64 `yaml:"parameters"`
	Context    int   `yaml:"context"` // tokens of a conversation and the answer
}

// Seconds is the length of the video.
func (v Video) Seconds() float64 {
	if v.FPS == 0 {
		return 0
	}
	return float64(v.Frames) / float64(v.FPS)
}

// Work is what sampling one Video takes.
type Work struct {
	Parameters float64 `yaml:"parameters"` // of the transformer, those that a pass uses
	Layers     int     `yaml:"layers"`
	Width      int     `yaml:"width"`
	Tokens     int     `yaml:"tokens"`
	Passes     int     `yaml:"passes"`
}

// Operations is the number of floating-point operations: each weight multiplies and
// adds once a token, and so does each pair of tokens in the two products of
// attention.
func (w Work) Operations() float64 {
	n := float64(w.Tokens)
	return float64(w.Passes) * (2*w.Parameters*n + 4*n*n*float64(w.Width)*float64(w.Layers))
}

// Component is some files of one repository.
type Component struct {
	Repository string            `yaml:"repository"` // owner/name
	Revision   string            `yaml:"revision"`   // a branch, tag or commit; "" for main
	Files      []string          `yaml:"files"`      // patterns of paths
	Into       string            `yaml:"into"`       // a folder of the model, or ""
	Size       int64             `yaml:"size"`       // bytes, about; 0 where not known
	Digests    map[string]string `yaml:"digests"`    // SHA-256 in hex, by path
	Licence    Licence           `yaml:"licence"`    // none for that of the model
}

// Size is about how many bytes the model has. exact is false where that of a
// component is not known, and so not in the sum.
func (e Entry) Size() (bytes int64, exact bool) {
	exact = true
	for _, c := range e.Components {
		bytes += c.Size
		// What is small next to the rest says nothing of the size.
		exact = exact && (c.Size > 0 || c.Into != "")
	}
	return bytes, exact
}

// Licences are those of the model and its components, each once.
func (e Entry) Licences() []Licence {
	var all []Licence
	for _, c := range e.Components {
		l := c.Licence
		if l == (Licence{}) {
			l = e.Licence
		}
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// UserFile is the path of the user's own catalogue: what KINORA_CATALOG says, or
// models.yaml in the folder kinora of the user's configuration. "" where there is
// no such folder.
func UserFile() string {
	if path := os.Getenv(FileEnv); path != "" {
		return path
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "kinora", "models.yaml")
}

// Builtin is the catalogue inside the program.
func Builtin() *Catalog {
	c := &Catalog{Engines: map[string]Engine{}}
	if err := c.add(builtin); err != nil {
		panic(err) // a mistake in the program, which a test sees
	}
	return c
}

// Load returns the catalogue inside the program with what the user's own file adds
// to it. That file need not be there.
func Load() (*Catalog, error) {
	c := Builtin()
	path := UserFile()
	if path == "" {
		return c, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv(FileEnv) == "" {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read your list of models: %w", err)
	}
	defer f.Close()
	data, err := text.Read(f, MaxFileBytes)
	if err == nil {
		err = c.add([]byte(data))
	}
	if err != nil {
		return nil, fmt.Errorf("your list of models, %s: %w", path, err)
	}
	return c, nil
}

// add reads a file and adds what it lists.
func (c *Catalog) add(data []byte) error {
	var file struct {
		Engines map[string]Engine `yaml:"engines"`
		Models  []Entry           `yaml:"models"`
	}
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		return errors.New(yaml.FormatError(err, false, true))
	}
	if len(file.Models) > MaxEntries {
		return fmt.Errorf("it lists %d models, more than %d", len(file.Models), MaxEntries)
	}
	for name, e := range file.Engines {
		c.Engines[name] = e
	}
	seen := map[string]bool{}
	for i, e := range file.Models {
		if err := e.check(); err != nil {
			return fmt.Errorf("model %d, %q: %w", i+1, e.Name, err)
		}
		for _, name := range append([]string{e.Name}, e.Aliases...) {
			if seen[name] {
				return fmt.Errorf("model %d: the name %s is used twice", i+1, name)
			}
			seen[name] = true
		}
		// A later file's names win.
		c.Entries = slices.DeleteFunc(c.Entries, func(old Entry) bool { return old.Name == e.Name })
		for j := range c.Entries {
			old := &c.Entries[j]
			old.Aliases = slices.DeleteFunc(slices.Clone(old.Aliases), func(a string) bool { return a == e.Name || slices.Contains(e.Aliases, a) })
		}
		c.Entries = append(c.Entries, e)
	}
	return nil
}

// Find returns the model with a name or an alias.
func (c *Catalog) Find(name string) (Entry, bool) {
	for _, e := range c.Entries {
		if e.Name == name {
			return e, true
		}
	}
	for _, e := range c.Entries {
		if slices.Contains(e.Aliases, name) {
			return e, true
		}
	}
	return Entry{}, false
}

// EngineOf names the engine that runs a pipeline, as its model_index.json calls it.
func (c *Catalog) EngineOf(pipeline string) (engine string, ok bool) {
	for name, e := range c.Engines {
		if slices.Contains(e.Pipelines, pipeline) {
			return name, true
		}
	}
	return "", false
}

// Pipelines are the classes that any of some engines runs, sorted.
func (c *Catalog) Pipelines(engines []string) []string {
	var all []string
	for name, e := range c.Engines {
		if slices.Contains(engines, name) {
			all = append(all, e.Pipelines...)
		}
	}
	slices.Sort(all)
	return all
}

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	repoForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
	revForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$`)
)

// CheckName checks the name of a model, which is also that of its folder.
func CheckName(name string) error {
	switch {
	case len(name) > MaxNameBytes:
		return fmt.Errorf("the name %.20q… has more than %d letters", name, MaxNameBytes)
	case !nameForm.MatchString(name) || strings.HasSuffix(name, "."):
		return fmt.Errorf("%q is no name of a model: use small letters, digits, \".\", \"_\" and \"-\"", name)
	}
	return CheckPath(name)
}

// CheckRepository checks a repository's name and, if it is not "", a revision.
func CheckRepository(repository, revision string) error {
	switch {
	case !repoForm.MatchString(repository) || strings.Contains(repository, ".."):
		return fmt.Errorf("%q is no repository: write owner/name", repository)
	case revision != "" && (!revForm.MatchString(revision) || strings.Contains(revision, "..")):
		return fmt.Errorf("%q is no revision: write a branch, a tag or a commit", revision)
	}
	return nil
}

func (e Entry) check() error {
	for _, name := range append([]string{e.Name}, e.Aliases...) {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	switch {
	case e.About == "" || strings.ContainsAny(e.About, "\n\r"):
		return errors.New("about is to be one line")
	case !nameForm.MatchString(e.Engine):
		return fmt.Errorf("engine is %q", e.Engine)
	case e.Licence.Name == "":
		return errors.New("licence has no name")
	case len(e.Components) == 0 || len(e.Components) > MaxComponents:
		return fmt.Errorf("it has %d components; 1 to %d are possible", len(e.Components), MaxComponents)
	case e.Memory < 0 || e.Work.Operations() < 0 || e.Chat.Parameters < 0 || e.Chat.Context < 0 || min(e.Video.Width, e.Video.Height, e.Video.Frames, e.Video.FPS) < 0:
		return errors.New("a number is negative")
	}
	for _, l := range e.Licences() {
		if l.Name == "" || l.Link != "" && !strings.HasPrefix(l.Link, "https://") {
			return fmt.Errorf("the licence %q with the link %q: it wants a name, and a link that begins with https://", l.Name, l.Link)
		}
	}
	for _, c := range e.Components {
		if err := c.check(); err != nil {
			return err
		}
	}
	return nil
}

func (c Component) check() error {
	if err := CheckRepository(c.Repository, c.Revision); err != nil {
		return err
	}
	if len(c.Files) == 0 || len(c.Files) > MaxPatterns {
		return fmt.Errorf("%s: it has %d patterns of files; 1 to %d are possible", c.Repository, len(c.Files), MaxPatterns)
	}
	for _, p := range c.Files {
		if err := checkPattern(p); err != nil {
			return fmt.Errorf("%s: %w", c.Repository, err)
		}
	}
	if c.Into != "" {
		if err := CheckPath(c.Into); err != nil {
			return fmt.Errorf("%s: into: %w", c.Repository, err)
		}
	}
	for path, sum := range c.Digests {
		if !digestForm.MatchString(sum) {
			return fmt.Errorf("%s: the digest of %s is no SHA-256 in small hex", c.Repository, path)
		}
	}
	if c.Size < 0 {
		return fmt.Errorf("%s: the size is negative", c.Repository)
	}
	return nil
}
