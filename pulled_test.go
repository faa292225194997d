package kinora

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/hub"
	"github.com/kinora-video/kinora/internal/hub/hubtest"
	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/shelf"
)

// TestMain keeps the tests away from the models and lists of whoever runs them.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kinora-models")
	if err != nil {
		panic(err)
	}
	os.Setenv(shelf.DirEnv, filepath.Join(dir, "models"))
	list := filepath.Join(dir, "models.yaml")
	if err := os.WriteFile(list, nil, 0o600); err != nil {
		panic(err)
	}
	os.Setenv(catalog.FileEnv, list)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// list is a user's own list of models, with a reel of a repository.
const list = `
models:
  - name: cinema
    aliases: [kino]
    about: a reel that learned elsewhere
    engine: reel
    licence: {name: Apache-2.0, link: "https://example.com/licence"}
    components:
      - {repository: test/cinema, files: [reel.safetensors]}
  - name: future
    about: of an engine that is not there
    engine: unheard
    licence: {name: Apache-2.0}
    components:
      - {repository: test/cinema, files: [reel.safetensors]}
`

// pullReel puts the models of list into a hub, and a folder for models and the list
// into the environment.
func pullReel(t *testing.T) (pull func(name string)) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(shelf.DirEnv, filepath.Join(dir, "models"))
	t.Setenv(catalog.FileEnv, filepath.Join(dir, "models.yaml"))
	if err := os.WriteFile(filepath.Join(dir, "models.yaml"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := hubtest.New()
	t.Cleanup(srv.Close)
	srv.Put("test/cinema", hubtest.Repo{Files: map[string][]byte{"reel.safetensors": reel.Embedded()}})
	return func(name string) {
		t.Helper()
		c, err := catalog.Load()
		if err != nil {
			t.Fatal(err)
		}
		e, ok := c.Find(name)
		s, err := shelf.Default()
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		h, err := hub.New(hub.Options{Endpoint: srv.Hub.URL})
		if err == nil {
			err = s.Accept(e.Name, e.Licences(), time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
		plan, err := h.Plan(t.Context(), s, e)
		if err == nil {
			err = h.Pull(t.Context(), s, plan, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestPulledModel: a model that was pulled opens by its name and makes the video
// that its weights make; one that was not says how to get it.
func TestPulledModel(t *testing.T) {
	pull := pullReel(t)
	for name, want := range map[string]string{
		"cinema": "kinora pull cinema", "kino": "kinora pull cinema",
		"future": "the models are reel, testcard", "nothing": "the models are reel, testcard",
	} {
		_, err := Open(t.Context(), name)
		if KindOf(err) != NotFound || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want one that says %q", name, err, want)
		}
	}
	pull("cinema")
	if got := Models(); !slices.Equal(got, []string{"cinema", "reel", "testcard"}) {
		t.Errorf("the models are %q", got)
	}
	said, err := CapabilitiesOf("kino")
	if err != nil || said.Name != "cinema" {
		t.Fatalf("%+v, %v", said, err)
	}
	wellFormed(t, said)
	m, err := Open(t.Context(), "cinema", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if open := m.Capabilities(); open.Name != said.Name || open.About != said.About || open.Lengths != said.Lengths {
		t.Errorf("it is said to be %+v, and open it is %+v", said, open)
	}
	inside, err := Open(t.Context(), "reel", WithLatentsDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	r := Request{Prompt: "a red ball", Seconds: 0.04, Steps: 1, Seed: 5}
	a, b := drawnFirst(t, m, r), drawnFirst(t, inside, r)
	if !slices.Equal(a, b) {
		t.Error("the same weights make another frame when they were pulled")
	}
	pool := NewPool(0, WithLatentsDir(t.TempDir()))
	pooled, release, err := pool.Use(t.Context(), "cinema")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(drawnFirst(t, pooled, r), a) {
		t.Error("a model of a pool makes another frame")
	}
	release()
	if err := pool.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func drawnFirst(t *testing.T, m *Model, r Request) []byte {
	t.Helper()
	clip := generate(t, m, r)
	for frame, err := range clip.Frames(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(frame.Pix)
	}
	t.Fatal("there is no frame")
	return nil
}

// TestDamagedModel: a pulled model of which something is missing or wrong is not
// opened, and the error says what to do.
func TestDamagedModel(t *testing.T) {
	pullReel(t)("cinema")
	s, err := shelf.Default()
	if err != nil {
		t.Fatal(err)
	}
	dir := s.ModelDir("cinema")
	record, err := os.ReadFile(filepath.Join(dir, shelf.RecordName))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, record, want string
		kind               Kind
	}{
		{"another engine", strings.Replace(string(record), `"engine": "reel"`, `"engine": "unheard"`, 1), `no engine "unheard"`, Unsupported},
		{"a record of nothing", "{}", "kinora rm cinema", Storage},
		{"a path out of the folder", strings.Replace(string(record), `"path": "reel.safetensors"`, `"path": "../../reel"`, 1), "kinora rm cinema", Storage},
		{"a longer file", strings.Replace(string(record), `"size": `, `"size": 1`, 1), "kinora pull cinema", Storage},
	} {
		if err := os.WriteFile(filepath.Join(dir, shelf.RecordName), []byte(tt.record), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), "cinema"); KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, shelf.RecordName), record, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "reel.safetensors")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), "cinema"); KindOf(err) != Storage || !strings.Contains(err.Error(), "kinora pull cinema") {
		t.Errorf("a file that is gone: %v", err)
	}
	// The others are as they were.
	if _, err := CapabilitiesOf("reel"); err != nil {
		t.Error(err)
	}
}
