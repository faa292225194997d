package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/hub/hubtest"
	"github.com/kinora-video/kinora/internal/shelf"
)

const repository = "test/model"

// many is the size of a file of several pieces, of which the last is short.
const many = 5*shelf.PieceBytes + 12345

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// big is a file of many bytes.
var big = sync.OnceValue(func() []byte { return random(many) })

// files are those of a small model.
func files() map[string][]byte {
	return map[string][]byte{
		"model_index.json":                     []byte(`{"_class_name": "TestPipeline", "transformer": ["diffusers", "X"], "absent": [null, null]}`),
		"transformer/config.json":              []byte(`{"layers": 3}`),
		"transformer/a-00001-of-1.safetensors": big(),
		"vae/vae.safetensors":                  random(1000),
		"README.md":                            []byte("not wanted"),
		"../../escape.bin":                     []byte("not wanted either"),
	}
}

func entry() catalog.Entry {
	return catalog.Entry{
		Name: "small", About: "a test", Engine: "test", Licence: catalog.Licence{Name: "test", Link: "https://example.com/licence"},
		Components: []catalog.Component{{Repository: repository, Files: []string{"model_index.json", "transformer/*.json", "transformer/*.safetensors", "vae/*.safetensors"}}},
	}
}

// setup starts a hub with a model, a client for it, and an empty shelf on which the
// licence of entry was accepted.
func setup(t *testing.T, o Options) (*hubtest.Server, *Hub, *shelf.Shelf) {
	t.Helper()
	srv := hubtest.New()
	t.Cleanup(srv.Close)
	srv.Put(repository, hubtest.Repo{Files: files(), Licence: "apache-2.0"})
	return srv, client(t, srv, o), accepted(t)
}

func client(t *testing.T, srv *hubtest.Server, o Options) *Hub {
	t.Helper()
	o.Endpoint, o.Pause = srv.Hub.URL, time.Millisecond
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func accepted(t *testing.T) *shelf.Shelf {
	t.Helper()
	s := shelf.At(filepath.Join(t.TempDir(), "models"))
	if err := s.Accept("small", entry().Licences(), time.Now()); err != nil {
		t.Fatal(err)
	}
	return s
}

func pull(ctx context.Context, h *Hub, s *shelf.Shelf) error {
	plan, err := h.Plan(ctx, s, entry())
	if err != nil {
		return err
	}
	return h.Pull(ctx, s, plan, nil)
}

// whole checks that the model is on the shelf, as the server has it.
func whole(t *testing.T, srv *hubtest.Server, s *shelf.Shelf, want map[string][]byte) {
	t.Helper()
	r, err := s.Find("small")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Damaged(r); err != nil {
		t.Error(err)
	}
	for path, b := range want {
		got, err := os.ReadFile(filepath.Join(s.ModelDir("small"), path))
		if path == "README.md" || strings.Contains(path, "..") {
			if err == nil {
				t.Errorf("%s was fetched", path)
			}
			continue
		}
		if err != nil || string(got) != string(b) {
			t.Errorf("%s has %d bytes that are not those of the hub: %v", path, len(got), err)
		}
	}
	if _, err := s.Unfinished("small"); !errors.Is(err, shelf.ErrNotPulled) {
		t.Errorf("something unfinished is left: %v", err)
	}
	leftovers, _ := filepath.Glob(filepath.Join(s.Folder(), ".blobs", "*.p*"))
	if len(leftovers) > 0 {
		t.Errorf("left over: %q", leftovers)
	}
	_ = srv
}

// none checks that no model is on the shelf.
func none(t *testing.T, s *shelf.Shelf) {
	t.Helper()
	if _, err := s.Find("small"); !errors.Is(err, shelf.ErrNotPulled) {
		t.Errorf("a model is on the shelf: %v", err)
	}
	if _, err := os.Stat(s.ModelDir("small")); err == nil {
		t.Error("the model has its folder")
	}
}

// TestPull: a model comes whole, in ranges over the CDN, of pages of the list; a
// second pull fetches nothing.
func TestPull(t *testing.T) {
	srv, h, s := setup(t, Options{Token: "hf_mine"})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want, Page: 2, Token: "hf_mine"})
	plan, err := h.Plan(t.Context(), s, entry())
	if err != nil {
		t.Fatal(err)
	}
	if plan.Missing != plan.Bytes || plan.Bytes < many || plan.Here {
		t.Errorf("the plan misses %d of %d bytes, here %v", plan.Missing, plan.Bytes, plan.Here)
	}
	var last Progress
	if err := h.Pull(t.Context(), s, plan, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if last.Done != last.Total || last.Total != plan.Bytes || last.Here != 0 {
		t.Errorf("progress ended at %+v", last)
	}
	whole(t, srv, s, want)
	pages, ranges := 0, 0
	for _, r := range srv.Requests() {
		if r.CDN != (r.Token == "") {
			t.Errorf("the token %q went to %s (CDN %v)", r.Token, r.Path, r.CDN)
		}
		if strings.Contains(r.Path, "/tree/") {
			pages++
		}
		if r.CDN {
			ranges++
		}
	}
	if pages < 3 || ranges < 6 {
		t.Errorf("%d pages of the list and %d ranges were asked for", pages, ranges)
	}
	plan, err = h.Plan(t.Context(), s, entry())
	if err != nil || !plan.Here || plan.Missing != 0 {
		t.Errorf("afterwards the plan is %+v, %v", plan, err)
	}
}

// TestPullShares: a file that another model has is not fetched again, and is kept
// once; it goes with the last model.
func TestPullShares(t *testing.T) {
	srv, h, s := setup(t, Options{})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want})
	if err := pull(t.Context(), h, s); err != nil {
		t.Fatal(err)
	}
	e := entry()
	e.Name = "second"
	if err := s.Accept("second", e.Licences(), time.Now()); err != nil {
		t.Fatal(err)
	}
	srv.Requests()
	plan, err := h.Plan(t.Context(), s, e)
	if err == nil {
		err = h.Pull(t.Context(), s, plan, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range srv.Requests() {
		if r.CDN {
			t.Errorf("%s was fetched again", r.Path)
		}
	}
	if freed, err := s.Remove(t.Context(), "second"); err != nil || freed != 0 {
		t.Errorf("removing the one freed %d, %v", freed, err)
	}
	whole(t, srv, s, want)
	freed, err := s.Remove(t.Context(), "small")
	if err != nil || freed != plan.Bytes {
		t.Errorf("removing both freed %d of %d, %v", freed, plan.Bytes, err)
	}
	none(t, s)
	if left, _ := os.ReadDir(filepath.Join(s.Folder(), ".blobs")); len(left) != 0 {
		t.Errorf("%d blobs are left", len(left))
	}
}

// TestLicence: nothing is fetched before the licence was accepted.
func TestLicence(t *testing.T) {
	srv, h, _ := setup(t, Options{})
	s := shelf.At(t.TempDir())
	err := pull(t.Context(), h, s)
	if e, ok := errors.AsType[*LicenceError](err); !ok || !strings.Contains(e.Error(), "test, https://example.com/licence") {
		t.Fatal(err)
	}
	for _, r := range srv.Requests() {
		if r.CDN || strings.Contains(r.Path, "/resolve/") {
			t.Errorf("%s was fetched", r.Path)
		}
	}
	if err := s.Accept("small", entry().Licences(), time.Now()); err != nil {
		t.Fatal(err)
	}
	all, err := s.Accepted()
	if err != nil || len(all) != 1 || all[0].Model != "small" || all[0].Name != "test" {
		t.Errorf("accepted: %+v, %v", all, err)
	}
	if err := pull(t.Context(), h, s); err != nil {
		t.Error(err)
	}
}

// TestRefusals: what a hub refuses is said with what to do about it.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name, token string
		repo        *hubtest.Repo // nil for none
		revision    string
		want        []string
	}{
		{"missing", "", nil, "", []string{"test/model is not there, or is private", "HF_TOKEN"}},
		{"missing, with a token", "hf_x", nil, "", []string{"is not there, or your token may not read it"}},
		{"private", "", &hubtest.Repo{Token: "hf_theirs"}, "", []string{"is private", "HF_TOKEN"}},
		{"private, another's token", "hf_x", &hubtest.Repo{Token: "hf_theirs"}, "", []string{"your token may not read it"}},
		{"a bad token", "hf_bad", &hubtest.Repo{}, "", []string{"cannot be read with your token", "Invalid credentials", "settings/tokens"}},
		{"gated", "", &hubtest.Repo{Token: "hf_theirs", Gated: true}, "", []string{"is gated", "accept their conditions", "HF_TOKEN"}},
		{"gated, no access", "hf_x", &hubtest.Repo{Token: "hf_theirs", Gated: true}, "", []string{"account of your token has no access"}},
		{"wrong revision", "", &hubtest.Repo{}, "v9", []string{"has no revision v9"}},
		{"no such files", "", &hubtest.Repo{Files: map[string][]byte{"a": nil}}, "", []string{"has no file model_index.json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, h, s := setup(t, Options{Token: tt.token})
			if tt.repo == nil {
				srv.Put(repository, hubtest.Repo{})
				h = client(t, srv, Options{Token: tt.token})
				e := entry()
				e.Components[0].Repository = "test/none"
				_, err := h.Plan(t.Context(), s, e)
				mentions(t, err, strings.ReplaceAll(tt.want[0], "test/model", "test/none"))
				return
			}
			srv.Put(repository, *tt.repo)
			e := entry()
			e.Components[0].Revision = tt.revision
			_, err := h.Plan(t.Context(), s, e)
			mentions(t, err, tt.want...)
		})
	}
}

func mentions(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("it succeeded")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// TestLists: lists that no repository should have are refused before anything is
// fetched.
func TestLists(t *testing.T) {
	ok := fmt.Sprintf(`{"type":"file","path":"model_index.json","size":2,"oid":"%s"}`, hubtest.Commit("x"))
	file := func(path string) string {
		return fmt.Sprintf(`{"type":"file","path":%q,"size":2,"oid":"%s","lfs":{"oid":"%s","size":2}}`, path, hubtest.Commit("x"), hubtest.Digest(nil))
	}
	for name, tt := range map[string]struct{ list, want string }{
		"out of the folder": {"[" + ok + "," + file("transformer/../../x.safetensors") + "]", "has no file transformer/*"},
		"a device":          {"[" + ok + "," + file("transformer/con.safetensors") + "]", "Windows"},
		"a backslash":       {"[" + ok + "," + file(`transformer/..\\..\\x.safetensors`) + "]", "letters that file names"},
		"a colliding case":  {"[" + ok + "," + file("transformer/A.safetensors") + "," + file("transformer/a.safetensors") + "]", "the same file on some disks"},
		"no digest":         {`[{"type":"file","path":"model_index.json","size":2,"oid":"x"}]`, "object id"},
		"a negative size":   {fmt.Sprintf(`[{"type":"file","path":"model_index.json","size":-2,"oid":"%s"}]`, hubtest.Commit("x")), "-2 bytes"},
		"another lfs size":  {fmt.Sprintf(`[{"type":"file","path":"x","size":2,"oid":"","lfs":{"oid":"%s","size":3}}]`, hubtest.Digest(nil)), "the size of"},
		"no list":           {`{"error": "x"}`, "not what it should be"},
		"too long":          {"[" + strings.Repeat(" ", MaxJSONBytes), "more than 8388608 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, h, s := setup(t, Options{})
			srv.OnHub(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/tree/") {
					return false
				}
				_, _ = io.WriteString(w, tt.list)
				return true
			})
			e := entry()
			e.Components[0].Files = []string{"model_index.json", "transformer/*.safetensors"}
			_, err := h.Plan(t.Context(), s, e)
			mentions(t, err, tt.want)
			none(t, s)
		})
	}
}

// TestPages: the list goes on only on the hub itself, and not for ever.
func TestPages(t *testing.T) {
	srv, h, s := setup(t, Options{Token: "hf_mine"})
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for with the token %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	srv.OnHub(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/tree/") {
			return false
		}
		w.Header().Set("Link", "<"+elsewhere.URL+`/more>; rel="next"`)
		_, _ = io.WriteString(w, "[]")
		return true
	})
	_, err := h.Plan(t.Context(), s, entry())
	mentions(t, err, "not on the hub")
	srv.OnHub(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/tree/") {
			return false
		}
		w.Header().Set("Link", `<?page=1>; rel="next"`)
		_, _ = io.WriteString(w, "[]")
		return true
	})
	_, err = h.Plan(t.Context(), s, entry())
	mentions(t, err, "more than 1000 pages")
}

// TestDiskFull: a disk that is full ends the pull with what to do, and the next one
// goes on.
func TestDiskFull(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a full disk has another number there")
	}
	srv, h, s := setup(t, Options{})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want})
	plan, err := h.Plan(t.Context(), s, entry())
	if err != nil {
		t.Fatal(err)
	}
	const done = 3 // pieces that the disk takes
	err = h.pull(t.Context(), s, plan, nil, func(p *shelf.Part, b []byte, off int64) (int, error) {
		if p.Size() != many || off < done*shelf.PieceBytes {
			return p.WriteAt(b, off)
		}
		for p.Have() < done*shelf.PieceBytes {
			time.Sleep(time.Millisecond)
		}
		return 0, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	})
	mentions(t, err, "a-00001-of-1.safetensors of test/model", "is full", "goes on from here")
	none(t, s)
	again, err := h.Plan(t.Context(), s, entry())
	if err != nil || again.Missing > plan.Missing-done*shelf.PieceBytes {
		t.Errorf("afterwards %d of %d bytes are missing, %v", again.Missing, plan.Missing, err)
	}
	if err := pull(t.Context(), h, s); err != nil {
		t.Fatal(err)
	}
	whole(t, srv, s, want)
	// A disk that is too small from the start is not even begun with.
	huge := *plan
	huge.Missing = 1 << 60
	mentions(t, h.Pull(t.Context(), s, &huge, nil), "no room in")
}

// TestTwoPulls: two pulls of one model do not meet, and a removal waits for a pull.
func TestTwoPulls(t *testing.T) {
	srv, h, s := setup(t, Options{})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want})
	plan, err := h.Plan(t.Context(), s, entry())
	if err != nil {
		t.Fatal(err)
	}
	meet, second := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	srv.OnCDN(func(http.ResponseWriter, *http.Request) bool {
		if once.CompareAndSwap(false, true) {
			close(meet)
		}
		<-second
		return false
	})
	first := make(chan error)
	go func() { first <- h.Pull(t.Context(), s, plan, nil) }()
	<-meet
	err = h.Pull(t.Context(), s, plan, nil)
	if _, busy := errors.AsType[*shelf.BusyError](err); !busy {
		t.Errorf("a second pull: %v", err)
	}
	mentions(t, err, "another kinora is pulling small")
	if _, err := s.Remove(t.Context(), "small"); err == nil || !strings.Contains(err.Error(), "another kinora is pulling or removing") {
		t.Errorf("a removal: %v", err)
	}
	close(second)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	whole(t, srv, s, want)
}

// TestCancel: a pull ends when its context does, and the next one goes on.
func TestCancel(t *testing.T) {
	srv, h, s := setup(t, Options{})
	want := files()
	srv.Put(repository, hubtest.Repo{Files: want})
	ctx, cancel := context.WithCancel(t.Context())
	srv.OnCDN(func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	if err := pull(ctx, h, s); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled pull: %v", err)
	}
	none(t, s)
	srv.OnCDN(nil)
	if err := pull(t.Context(), h, s); err != nil {
		t.Fatal(err)
	}
	whole(t, srv, s, want)
}

// TestUpdate: a model whose repository has changed is fetched anew, but for what is
// the same, and the old one stays until the new one is whole.
func TestUpdate(t *testing.T) {
	srv, h, s := setup(t, Options{})
	old := files()
	srv.Put(repository, hubtest.Repo{Files: old})
	if err := pull(t.Context(), h, s); err != nil {
		t.Fatal(err)
	}
	changed := files()
	delete(changed, "transformer/config.json")
	changed["transformer/new.json"] = []byte("{}")
	srv.Put(repository, hubtest.Repo{Files: changed, Commit: hubtest.Commit("next")})
	srv.OnCDN(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	if err := pull(t.Context(), h, s); err == nil {
		t.Fatal("it was pulled from a CDN that has nothing")
	}
	if r, err := s.Find("small"); err != nil || s.Damaged(r) != nil {
		t.Errorf("the old model: %v", err)
	}
	srv.OnCDN(nil)
	srv.Requests()
	if err := pull(t.Context(), h, s); err != nil {
		t.Fatal(err)
	}
	whole(t, srv, s, changed)
	for _, r := range srv.Requests() {
		if strings.Contains(r.Path, hubtest.Digest(old["transformer/a-00001-of-1.safetensors"])) {
			t.Error("a file that had not changed was fetched again")
		}
	}
	if _, err := os.Stat(filepath.Join(s.ModelDir("small"), "transformer", "config.json")); err == nil {
		t.Error("a file that is gone from the repository is still in the model")
	}
}

// TestUnlisted: a repository that no list has is pulled if its pipeline is one that
// an engine runs.
func TestUnlisted(t *testing.T) {
	srv, h, s := setup(t, Options{})
	want := files()
	want["transformer/a-00001-of-1.fp16.safetensors"] = random(10)
	srv.Put(repository, hubtest.Repo{Files: want, Licence: "apache-2.0"})
	c := &catalog.Catalog{Engines: map[string]catalog.Engine{"test": {Pipelines: []string{"TestPipeline"}}}}
	e, err := h.Unlisted(t.Context(), c, []string{"test"}, "small", repository, "")
	if err != nil {
		t.Fatal(err)
	}
	if e.Engine != "test" || e.Licence.Name != "apache-2.0" || strings.Contains(fmt.Sprint(e.Components), "fp16") || strings.Contains(fmt.Sprint(e.Components), "vae") {
		t.Errorf("%+v", e)
	}
	if err := s.Accept("small", e.Licences(), time.Now()); err != nil {
		t.Fatal(err)
	}
	plan, err := h.Plan(t.Context(), s, e)
	if err == nil {
		err = h.Pull(t.Context(), s, plan, nil)
	}
	if err != nil {
		t.Error(err)
	}
	_, err = h.Unlisted(t.Context(), c, nil, "small", repository, "")
	mentions(t, err, `is for the pipeline "TestPipeline", which this program cannot run`)
	srv.Put("test/other", hubtest.Repo{Files: map[string][]byte{"x.bin": nil}})
	_, err = h.Unlisted(t.Context(), c, nil, "small", "test/other", "")
	mentions(t, err, "has no model_index.json")
}

// TestWaits: a long pause is told, a short one is not, and bytes end it.
func TestWaits(t *testing.T) {
	var got []string
	p := &puller{tell: func(now Progress) { got = append(got, now.Waits) }}
	p.waits(worthSaying-1, errors.New("soon"))
	p.waits(30*time.Second, errors.New("too\x1b[2J often"))
	p.add(-5, false)
	p.add(1, false)
	if want := []string{"waiting 30 s: too[2J often", "waiting 30 s: too[2J often", ""}; !slices.Equal(got, want) {
		t.Errorf("told were %q, want %q", got, want)
	}
}
