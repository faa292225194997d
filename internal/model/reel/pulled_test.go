package reel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/engine"
)

// TestSpecIn: a folder of weights is a model with a name of its own, and one
// without them, or with others, is none.
func TestSpecIn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, WeightsName)
	if _, err := SpecIn("mine", dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	for _, text := range []string{"", "no weights", strings.Repeat("x", 100)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := SpecIn("mine", dir); err == nil {
			t.Errorf("%.10q is taken for weights", text)
		}
	}
	if err := os.WriteFile(path, Embedded(), 0o600); err != nil {
		t.Fatal(err)
	}
	spec, err := SpecIn("mine", dir)
	if err != nil {
		t.Fatal(err)
	}
	e, err := spec.Open(t.Context(), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	said, open := spec.Capabilities(), e.Capabilities()
	if said.Name != "mine" || open.Name != "mine" || said.About != open.About || said.Steps != open.Steps || said.Cost != open.Cost {
		t.Errorf("it is said to be %+v, and open it is %+v", said, open)
	}
}
