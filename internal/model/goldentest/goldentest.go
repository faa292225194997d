// Package goldentest reads what a reference computed, its goldens, for tests of models.
// A golden that is missing fails its test, which says how to make it.
//
// It is never part of the program.
package goldentest

import (
	"encoding/json"
	"math"
	"path/filepath"
	"testing"

	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// Set are the goldens of a package: files of safetensors in a folder.
type Set struct {
	Dir  string
	Make string // the command that makes them
}

// Open opens a file of the set, until the test ends.
func (s Set) Open(t testing.TB, name string) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(s.Dir, name+".safetensors"))
	s.Need(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// Read returns the numbers and the shape of a tensor of a file.
func (s Set) Read(t testing.TB, f *safetensors.File, name string) ([]float32, []int) {
	t.Helper()
	v, shape, err := f.Float32(name)
	s.Need(t, err)
	return v, shape
}

// Values returns the numbers of a tensor of a file.
func (s Set) Values(t testing.TB, f *safetensors.File, name string) []float32 {
	t.Helper()
	v, _ := s.Read(t, f, name)
	return v
}

// About reads what a file says of itself: JSON, under the key "about" of its metadata.
func (s Set) About(t testing.TB, f *safetensors.File, to any) {
	t.Helper()
	s.Need(t, json.Unmarshal([]byte(f.Metadata()["about"]), to))
}

// Need ends the test if there is an error, and says how to make the goldens.
func (s Set) Need(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v; make the goldens with: %s", err, s.Make)
	}
}

// RelativeL2 is ‖got-want‖/‖want‖, and infinite for slices of different lengths.
func RelativeL2(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var diff, norm float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff += d * d
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(diff / norm)
}
