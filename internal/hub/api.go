package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/shelf"
)

// Info is what a hub says of a repository.
type Info struct {
	Commit  string // that the revision stands for
	Licence catalog.Licence
}

// Remote is a file of a repository.
type Remote struct {
	Path string
	Size int64
	// Digest is the file's SHA-256 where the hub keeps it as a large file, and Object
	// the id of its Git object, a SHA-1, where it does not. The other is "".
	Digest, Object string
}

var (
	commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Info asks for a repository at a revision; "" means main.
func (h *Hub) Info(ctx context.Context, repository, revision string) (Info, error) {
	if err := catalog.CheckRepository(repository, revision); err != nil {
		return Info{}, err
	}
	if revision == "" {
		revision = "main"
	}
	var got struct {
		SHA  string `json:"sha"`
		Card struct {
			License any    `json:"license"` // a string, or a list
			Name    string `json:"license_name"`
			Link    string `json:"license_link"`
		} `json:"cardData"`
	}
	owner, name, _ := strings.Cut(repository, "/")
	u := h.at("", "api", "models", owner, name, "revision", revision)
	if _, err := h.json(ctx, u, subject{repository, revision, ""}, &got); err != nil {
		return Info{}, err
	}
	if !commitForm.MatchString(got.SHA) {
		return Info{}, fmt.Errorf("%s: the hub says that revision %s is %.50q, which is no commit", repository, revision, got.SHA)
	}
	return Info{Commit: got.SHA, Licence: h.licenceOf(repository, got.Card.License, got.Card.Name, got.Card.Link)}, nil
}

// licenceOf makes a licence of what a repository's card says. Without anything, it
// has no name.
func (h *Hub) licenceOf(repository string, id any, name, link string) catalog.Licence {
	var ids []string
	switch v := id.(type) {
	case string:
		ids = []string{v}
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				ids = append(ids, s)
			}
		}
	}
	l := catalog.Licence{Name: strings.Join(ids, ", "), Link: h.Endpoint() + "/" + repository}
	if name != "" {
		l.Name = name
	}
	if strings.HasPrefix(link, "https://") && len(link) <= 500 {
		l.Link = link
	}
	l.Name = printable(l.Name, 100)
	l.Link = printable(l.Link, 500)
	return l
}

// List lists the files of a repository at a commit.
func (h *Hub) List(ctx context.Context, repository, commit string) (files []Remote, err error) {
	if err := catalog.CheckRepository(repository, commit); err != nil {
		return nil, err
	}
	owner, name, _ := strings.Cut(repository, "/")
	u := h.at("", "api", "models", owner, name, "tree", commit)
	u.RawQuery = "recursive=true"
	for range MaxPages {
		var page []listed
		a, err := h.json(ctx, u, subject{repository, commit, ""}, &page)
		if err != nil {
			return nil, err
		}
		for _, l := range page {
			if l.Type != "file" {
				continue
			}
			r, err := l.remote()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", repository, err)
			}
			if files = append(files, r); len(files) > MaxListed {
				return nil, fmt.Errorf("%s has more than %d files", repository, MaxListed)
			}
		}
		next := nextPage(a.Header.Values("Link"))
		if next == "" {
			return files, nil
		}
		if u, err = a.at.Parse(next); err != nil || !h.own(u) {
			return nil, fmt.Errorf("%s: the list of its files goes on at %.100q, which is not on the hub", repository, next)
		}
	}
	return nil, fmt.Errorf("%s: the list of its files has more than %d pages", repository, MaxPages)
}

// listed is a file in a list.
type listed struct {
	Type string `json:"type"`
	Path string `json:"path"`
	Size int64  `json:"size"`
	OID  string `json:"oid"`
	LFS  *struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	} `json:"lfs"`
}

func (l listed) remote() (Remote, error) {
	r := Remote{Path: l.Path, Size: l.Size}
	switch {
	case l.LFS != nil && (!sha256Form.MatchString(l.LFS.OID) || l.LFS.Size != l.Size):
		return r, fmt.Errorf("the digest or the size of %.80q is none", l.Path)
	case l.LFS != nil:
		r.Digest = l.LFS.OID
	case !commitForm.MatchString(l.OID):
		return r, fmt.Errorf("the object id of %.80q is none", l.Path)
	default:
		r.Object = l.OID
	}
	if r.Size < 0 || r.Object != "" && r.Size > maxPlainBytes {
		return r, fmt.Errorf("the size of %.80q is %d bytes: that is refused", l.Path, l.Size)
	}
	return r, nil
}

var nextForm = regexp.MustCompile(`<([^<>]*)>\s*;[^,]*\brel="?next"?`)

// nextPage finds the address of the next page in Link headers (RFC 8288).
func nextPage(links []string) string {
	for _, l := range links {
		if m := nextForm.FindStringSubmatch(l); m != nil {
			return m[1]
		}
	}
	return ""
}

// json reads an answer in JSON.
func (h *Hub) json(ctx context.Context, u *url.URL, of subject, v any) (a *answer, err error) {
	err = h.retry(ctx, maxAsks, nil, func(func()) error {
		data, got, err := h.small(ctx, u, of, MaxJSONBytes)
		if err != nil {
			return err
		}
		a = got
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(v); err != nil {
			return fmt.Errorf("%s: the hub's answer is not what it should be: %w", of.repository, err)
		}
		return nil
	})
	return a, err
}

// small reads a short answer.
func (h *Hub) small(ctx context.Context, u *url.URL, of subject, most int64) ([]byte, *answer, error) {
	a, err := h.get(ctx, u, "")
	if err != nil {
		return nil, nil, err
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return nil, nil, h.refusal(a, of)
	}
	data, err := io.ReadAll(io.LimitReader(a.Body, most+1))
	switch {
	case err != nil:
		return nil, nil, &passing{err: fmt.Errorf("%s: %w", of.repository, err)}
	case int64(len(data)) > most:
		return nil, nil, fmt.Errorf("%s: the hub's answer has more than %d bytes", of.repository, most)
	}
	return data, a, nil
}

// resolve is where a file of a repository is fetched.
func (h *Hub) resolve(f shelf.File) *url.URL {
	owner, name, _ := strings.Cut(f.Repository, "/")
	return h.at(f.Source, owner, name, "resolve", f.Commit)
}

// errNoIndex is the error of modelIndex for a repository that is no model of
// diffusers.
var errNoIndex = errors.New("has no model_index.json, as models for diffusers have: name it in a list of models of your own")

// modelIndex reads which pipeline a repository is for, and the folders of its parts.
func (h *Hub) modelIndex(ctx context.Context, repository, commit string) (pipeline string, parts []string, err error) {
	var index map[string]any
	const name = "model_index.json"
	u := h.resolve(shelf.File{Repository: repository, Commit: commit, Source: name})
	if _, err := h.json(ctx, u, subject{repository, commit, name}, &index); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound {
			return "", nil, fmt.Errorf("%s %w", repository, errNoIndex)
		}
		return "", nil, err
	}
	pipeline, _ = index["_class_name"].(string)
	for part, v := range index {
		pair, ok := v.([]any)
		if !ok || len(pair) != 2 || pair[0] == nil || catalog.CheckPath(part) != nil || strings.Contains(part, "/") {
			continue
		}
		parts = append(parts, part)
	}
	return printable(pipeline, 100), parts, nil
}
