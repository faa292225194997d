// Package hubtest is a hub for tests: a server on this machine that speaks the file
// API of Hugging Face's hub as far as kinora uses it, and can be made to fail in
// every way that a test wants. It holds what tests put into it, and nothing else.
package hubtest

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // Git names its objects by it
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is a hub and, on another address, the CDN that it redirects to for large
// files.
type Server struct {
	Hub, CDN *httptest.Server

	mu    sync.Mutex
	repos map[string]*Repo
	blobs map[string][]byte // large files, by their path at the CDN
	log   []Request
	// The hooks see a request first. They return true if they have answered it.
	onHub, onCDN func(w http.ResponseWriter, r *http.Request) bool
}

// Repo is a repository. A file is a large one, kept at the CDN, if its name ends in
// .safetensors.
type Repo struct {
	Commit   string
	Branches map[string]string // to commits; main is Commit without being here
	Files    map[string][]byte
	Licence  string
	Token    string // that reads it; "" if everybody may
	Gated    bool
	Page     int // files of a page of the list; 0 for all

	digests map[string]string // of large files, by path
}

// Request is one that the server got.
type Request struct {
	CDN                bool
	Path, Range, Token string
}

// New starts a hub.
func New() *Server {
	s := &Server{repos: map[string]*Repo{}, blobs: map[string][]byte{}}
	s.Hub = httptest.NewServer(http.HandlerFunc(s.hub))
	s.CDN = httptest.NewServer(http.HandlerFunc(s.cdn))
	return s
}

// Close stops it.
func (s *Server) Close() {
	s.Hub.CloseClientConnections()
	s.CDN.CloseClientConnections()
	s.Hub.Close()
	s.CDN.Close()
}

// Put adds or replaces a repository.
func (s *Server) Put(name string, r Repo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Commit == "" {
		r.Commit = Commit(name)
	}
	r.digests = map[string]string{}
	for p, b := range r.Files {
		if large(p) {
			r.digests[p] = Digest(b)
			s.blobs["/lfs/"+r.digests[p]] = b
		}
	}
	s.repos[name] = &r
}

// Commit is a commit that a text stands for.
func Commit(text string) string {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // a name
	return hex.EncodeToString(sum[:])
}

// Digest is the SHA-256 of bytes, in hex.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// OnHub lets f answer requests to the hub, and OnCDN those to the CDN; nil ends that.
func (s *Server) OnHub(f func(w http.ResponseWriter, r *http.Request) bool) { s.hook(&s.onHub, f) }

// OnCDN is OnHub for the CDN.
func (s *Server) OnCDN(f func(w http.ResponseWriter, r *http.Request) bool) { s.hook(&s.onCDN, f) }

func (s *Server) hook(at *func(http.ResponseWriter, *http.Request) bool, f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*at = f
}

// Requests returns what was asked since the last call.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.log
	s.log = nil
	return out
}

func (s *Server) note(r *http.Request, cdn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, Request{cdn, r.URL.Path, r.Header.Get("Range"), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")})
}

func large(path string) bool { return strings.HasSuffix(path, ".safetensors") }

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", message)
	w.WriteHeader(status)
}

// repo finds the repository of a request and checks the right to read it.
func (s *Server) repo(w http.ResponseWriter, r *http.Request, name string) *Repo {
	s.mu.Lock()
	repo := s.repos[name]
	s.mu.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case token == "hf_bad":
		fail(w, http.StatusUnauthorized, "", "Invalid credentials in Authorization header")
	case repo == nil && token != "":
		fail(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
	case repo == nil || repo.Token != "" && token == "" && !repo.Gated:
		fail(w, http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
	case repo.Gated && token != repo.Token:
		fail(w, http.StatusForbidden, "GatedRepo", "Access to model "+name+" is restricted.")
	case repo.Token != "" && token != repo.Token:
		fail(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
	default:
		return repo
	}
	return nil
}

func (r *Repo) commit(revision string) (string, bool) {
	if revision == "main" || revision == r.Commit {
		return r.Commit, true
	}
	c, ok := r.Branches[revision]
	return c, ok
}

func (s *Server) hub(w http.ResponseWriter, r *http.Request) {
	s.note(r, false)
	s.mu.Lock()
	hook := s.onHub
	s.mu.Unlock()
	if hook != nil && hook(w, r) {
		return
	}
	p := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i := range p {
		p[i], _ = url.PathUnescape(p[i])
	}
	api := len(p) >= 6 && p[0] == "api" && p[1] == "models"
	if api {
		p = p[2:]
	}
	if len(p) < 4 {
		fail(w, http.StatusNotFound, "", "no such page")
		return
	}
	name, kind, revision, rest := p[0]+"/"+p[1], p[2], p[3], strings.Join(p[4:], "/")
	repo := s.repo(w, r, name)
	if repo == nil {
		return
	}
	commit, ok := repo.commit(revision)
	switch {
	case !ok:
		fail(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
	case api && kind == "revision":
		card := map[string]any{}
		if repo.Licence != "" {
			card["license"] = repo.Licence
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"id": name, "sha": commit, "cardData": card})
	case api && kind == "tree":
		s.tree(w, r, repo)
	case kind == "resolve":
		s.resolve(w, r, repo, commit, rest)
	default:
		fail(w, http.StatusNotFound, "", "no such page")
	}
}

// tree lists the files, a page at a time.
func (s *Server) tree(w http.ResponseWriter, r *http.Request, repo *Repo) {
	var paths []string
	for p := range repo.Files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	to := len(paths)
	if repo.Page > 0 && from+repo.Page < to {
		to = from + repo.Page
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, s.Hub.URL, r.URL.EscapedPath(), to))
	}
	list := []map[string]any{{"type": "directory", "oid": Commit("dir"), "size": 0, "path": "vae"}}
	for _, p := range paths[from:to] {
		b := repo.Files[p]
		f := map[string]any{"type": "file", "path": p, "size": len(b), "oid": Commit("pointer")}
		if large(p) {
			f["lfs"] = map[string]any{"oid": repo.digests[p], "size": len(b), "pointerSize": 135}
		} else {
			f["oid"] = Commit(fmt.Sprintf("blob %d\x00%s", len(b), b))
		}
		list = append(list, f)
	}
	_ = json.NewEncoder(w).Encode(list)
}

func (s *Server) resolve(w http.ResponseWriter, r *http.Request, repo *Repo, commit, path string) {
	b, ok := repo.Files[path]
	if !ok {
		fail(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	w.Header().Set("X-Repo-Commit", commit)
	if large(path) {
		w.Header().Set("X-Linked-Etag", `"`+repo.digests[path]+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(b)))
		http.Redirect(w, r, s.CDN.URL+"/lfs/"+repo.digests[path]+"?Signature=s3cret", http.StatusFound)
		return
	}
	w.Header().Set("ETag", `"`+Commit(fmt.Sprintf("blob %d\x00%s", len(b), b))+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// Large finds the bytes of a large file by the path at the CDN.
func (s *Server) Large(path string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blobs[path]
}

func (s *Server) cdn(w http.ResponseWriter, r *http.Request) {
	s.note(r, true)
	s.mu.Lock()
	hook := s.onCDN
	s.mu.Unlock()
	if hook != nil && hook(w, r) {
		return
	}
	b := s.Large(r.URL.Path)
	if b == nil || r.URL.Query().Get("Signature") == "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("ETag", `"`+strings.TrimPrefix(r.URL.Path, "/lfs/")+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}
