package hub

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/shelf"
)

// Plan is what a pull will fetch.
type Plan struct {
	Record shelf.Record
	remote []Remote // of Record.Files, in the same order
	// Bytes are those of the model, and Missing, about, those that are not on the
	// shelf yet.
	Bytes, Missing int64
	// Here says that the model is on the shelf as the plan would make it.
	Here bool
}

// Plan finds out which files a model is made of, and which of them a shelf lacks.
// It fetches lists, and no weights.
func (h *Hub) Plan(ctx context.Context, s *shelf.Shelf, e catalog.Entry) (*Plan, error) {
	p := &Plan{Record: shelf.Record{Name: e.Name, Aliases: e.Aliases, About: e.About, Engine: e.Engine, Licences: e.Licences()}}
	lists := map[string]listing{}
	for _, c := range e.Components {
		l, err := h.listing(ctx, lists, c)
		if err != nil {
			return nil, err
		}
		files, err := chosen(c, l)
		if err != nil {
			return nil, err
		}
		for _, r := range files {
			p.Record.Files = append(p.Record.Files, shelf.File{
				Path: path.Join(c.Into, r.Path), Size: r.Size, Digest: r.Digest,
				Repository: c.Repository, Commit: l.commit, Source: r.Path,
			})
			p.remote = append(p.remote, r)
		}
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	p.compare(s)
	return p, nil
}

// listing is the files of a repository at a commit.
type listing struct {
	commit string
	files  []Remote
}

// listing lists the files of a component's repository, once.
func (h *Hub) listing(ctx context.Context, known map[string]listing, c catalog.Component) (listing, error) {
	key := c.Repository + "@" + c.Revision
	if l, ok := known[key]; ok {
		return l, nil
	}
	commit := c.Revision
	if !commitForm.MatchString(commit) {
		info, err := h.Info(ctx, c.Repository, c.Revision)
		if err != nil {
			return listing{}, err
		}
		commit = info.Commit
	}
	files, err := h.List(ctx, c.Repository, commit)
	if err != nil {
		return listing{}, err
	}
	known[key] = listing{commit, files}
	return known[key], nil
}

// chosen are the files that a component takes of its repository.
func chosen(c catalog.Component, l listing) (out []Remote, err error) {
	for _, pattern := range c.Files {
		found := false
		for _, r := range l.files {
			if !catalog.Match(pattern, r.Path) {
				continue
			}
			found = true
			if slices.ContainsFunc(out, func(o Remote) bool { return o.Path == r.Path }) {
				continue
			}
			if err := catalog.CheckPath(r.Path); err != nil {
				return nil, fmt.Errorf("%s: %w", c.Repository, err)
			}
			if want := c.Digests[r.Path]; want != "" && r.Digest != "" && r.Digest != want {
				return nil, fmt.Errorf("%s: %s has the digest %s at the hub, and should have %s: it is not the file that this program knows", c.Repository, r.Path, r.Digest, want)
			}
			out = append(out, r)
		}
		if !found {
			return nil, fmt.Errorf("%s at %s has no file %s, which the model is made of", c.Repository, l.commit, pattern)
		}
	}
	return out, nil
}

// check checks the files of the model together.
func (p *Plan) check() error {
	if len(p.Record.Files) > shelf.MaxFiles {
		return fmt.Errorf("it would have %d files, more than %d", len(p.Record.Files), shelf.MaxFiles)
	}
	var paths []string
	for _, f := range p.Record.Files {
		if err := catalog.CheckPath(f.Path); err != nil {
			return err
		}
		paths = append(paths, f.Path)
	}
	if a, b, found := catalog.Collision(append(paths, shelf.RecordName)); found {
		return fmt.Errorf("%s and %s would be the same file on some disks", a, b)
	}
	return nil
}

// compare finds what the shelf lacks.
func (p *Plan) compare(s *shelf.Shelf) {
	old, err := s.Find(p.Record.Name)
	p.Here = err == nil && s.Damaged(old) == nil && len(old.Files) == len(p.Record.Files)
	counted := map[string]bool{}
	for i, f := range p.Record.Files {
		p.Bytes += f.Size
		if p.Here {
			o := old.Files[i]
			p.Here = o.Path == f.Path && o.Size == f.Size && o.Source == f.Source && (f.Digest == o.Digest || f.Digest == "" && o.Commit == f.Commit)
		}
		switch {
		case f.Digest == "":
			p.Missing += f.Size
		case !counted[f.Digest] && !s.HasBlob(f.Digest, f.Size):
			p.Missing += f.Size - s.PartBytes(f.Digest, f.Size)
		}
		counted[f.Digest] = true
	}
	if p.Here {
		p.Missing = 0
	}
}

// Unlisted makes an entry of a catalogue for a repository that is in none: a model
// for diffusers whose pipeline one of the engines runs.
func (h *Hub) Unlisted(ctx context.Context, c *catalog.Catalog, engines []string, name, repository, revision string) (catalog.Entry, error) {
	info, err := h.Info(ctx, repository, revision)
	if err != nil {
		return catalog.Entry{}, err
	}
	pipeline, parts, err := h.modelIndex(ctx, repository, info.Commit)
	if err != nil {
		return catalog.Entry{}, err
	}
	engine, ok := c.EngineOf(pipeline)
	if !ok || !slices.Contains(engines, engine) {
		return catalog.Entry{}, fmt.Errorf("%s is for the pipeline %q, which this program cannot run: it runs %s", repository, pipeline, orNone(c.Pipelines(engines)))
	}
	files, err := h.List(ctx, repository, info.Commit)
	if err != nil {
		return catalog.Entry{}, err
	}
	component := catalog.Component{Repository: repository, Revision: info.Commit, Files: []string{"model_index.json"}}
	for _, r := range files {
		folder, _, deep := strings.Cut(r.Path, "/")
		if deep && slices.Contains(parts, folder) && wanted(r.Path, files) {
			component.Files = append(component.Files, r.Path)
		}
	}
	if len(component.Files) == 1 {
		return catalog.Entry{}, fmt.Errorf("%s has no weights in safetensors", repository)
	}
	l := info.Licence
	if l.Name == "" {
		l.Name = "no licence that its page names"
	}
	return catalog.Entry{Name: name, About: "from " + repository, Engine: engine, Licence: l, Components: []catalog.Component{component}}, nil
}

// wanted says whether a file of a part belongs to the model: its configuration, its
// tokenizer, or weights, but not such of another precision beside the usual ones.
func wanted(p string, all []Remote) bool {
	name := path.Base(p)
	switch path.Ext(name) {
	case ".json", ".model", ".txt":
	case ".safetensors":
	default:
		return false
	}
	for _, kind := range []string{".fp16", ".bf16", ".fp32"} {
		if stem, rest, cut := strings.Cut(name, kind); cut {
			usual := path.Join(path.Dir(p), stem+rest)
			if slices.ContainsFunc(all, func(r Remote) bool { return r.Path == usual }) {
				return false
			}
		}
	}
	return true
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// Reference splits what names an unlisted repository, hf:owner/name or
// hf:owner/name@revision.
func Reference(s string) (repository, revision string, is bool, err error) {
	rest, is := strings.CutPrefix(s, "hf:")
	if !is {
		return "", "", false, nil
	}
	repository, revision, at := strings.Cut(rest, "@")
	if at && revision == "" {
		return "", "", true, errors.New("there is no revision after the @")
	}
	return repository, revision, true, catalog.CheckRepository(repository, revision)
}
