package convert

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/tensor"
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// Tensor is a tensor of a source.
type Tensor struct {
	Name   string
	Shape  []int
	Stored tensor.Stored
}

// Source is open weights.
type Source struct {
	path    string
	files   []io.Closer
	tensors []Tensor
	// entries are the metadata of a GGUF file, texts those of safetensors.
	entries []gguf.Entry
	texts   map[string]string
}

// scaleSuffix ends the name of the scales of an int8 tensor.
const scaleSuffix = ".scale"

// pipelineFile is in a folder that holds the folders of a model's components.
const pipelineFile = "model_index.json"

// Open opens a file of safetensors or GGUF, or a folder with one of them or with
// the shards of one model in safetensors.
func Open(path string) (s *Source, err error) {
	s = &Source{path: path, texts: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	paths := []string{path}
	if info, err := os.Stat(path); err != nil {
		return s, err
	} else if info.IsDir() {
		if paths, err = shards(path); err != nil {
			return s, err
		}
	}
	if len(paths) == 1 && isGGUF(paths[0]) {
		err = s.addGGUF(paths[0])
	} else {
		err = s.addSafetensors(paths)
	}
	if err == nil && len(s.tensors) == 0 {
		err = fmt.Errorf("%s holds no tensors", path)
	}
	return s, err
}

// shards returns the files of weights in a folder.
func shards(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, pipelineFile)); err == nil {
		return nil, fmt.Errorf("%s holds the parts of a model, each in a folder of its own: name one of them, such as %s", dir, filepath.Join(dir, "transformer"))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths, blocks []string
	for _, e := range entries {
		switch path := filepath.Join(dir, e.Name()); strings.ToLower(filepath.Ext(path)) {
		case ".safetensors":
			paths = append(paths, path)
		case ".gguf":
			blocks = append(blocks, path)
		}
	}
	switch {
	case len(paths) == 0 && len(blocks) == 0:
		return nil, fmt.Errorf("%s holds no .safetensors or .gguf file: name a folder that does, or a file", dir)
	case len(blocks) > 1 || len(blocks) == 1 && len(paths) > 0:
		return nil, fmt.Errorf("%s holds %d .gguf files and %d .safetensors files: name the one that is meant", dir, len(blocks), len(paths))
	case len(blocks) == 1:
		return blocks, nil
	}
	return paths, nil
}

// isGGUF looks at how the file begins. A file that cannot be read is reported by
// the reader that then opens it.
func isGGUF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [4]byte
	_, err = io.ReadFull(f, b[:])
	return err == nil && string(b[:]) == "GGUF"
}

func (s *Source) addGGUF(path string) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	for _, key := range f.Keys() {
		v, _ := f.Value(key)
		s.entries = append(s.entries, gguf.Entry{Key: key, Value: v})
		if text, err := f.Text(key); err == nil {
			s.texts[key] = text
		}
	}
	return s.add(f.Names(), f.Stored)
}

func (s *Source) addSafetensors(paths []string) error {
	of := map[string]string{}
	for _, path := range paths {
		f, err := safetensors.Open(path)
		if err != nil {
			return err
		}
		s.files = append(s.files, f)
		names := slices.DeleteFunc(f.Names(), func(name string) bool {
			base, ok := strings.CutSuffix(name, scaleSuffix)
			info, _ := f.Info(base)
			return ok && info.DType == safetensors.I8
		})
		for _, name := range names {
			if of[name] != "" {
				return fmt.Errorf("%s and %s both hold tensor %q: they are not parts of one model; name one of them", of[name], path, name)
			}
			of[name] = path
		}
		if err := s.add(names, f.Stored); err != nil {
			return err
		}
		for k, v := range f.Metadata() {
			if _, have := s.texts[k]; !have {
				s.texts[k] = v
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.texts)) {
		s.entries = append(s.entries, gguf.Entry{Key: key, Value: gguf.TextValue(s.texts[key])})
	}
	slices.SortFunc(s.tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (s *Source) add(names []string, stored func(name string) (tensor.Stored, []int, error)) error {
	for _, name := range names {
		st, shape, err := stored(name)
		if err != nil {
			return err
		}
		s.tensors = append(s.tensors, Tensor{name, shape, st})
	}
	return nil
}

// Close closes the files.
func (s *Source) Close() error {
	var err error
	for _, f := range s.files {
		err = errors.Join(err, f.Close())
	}
	return err
}
