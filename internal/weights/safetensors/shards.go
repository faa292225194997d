package safetensors

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/kinora-video/kinora/internal/tensor"
)

// Shards are several files that together hold the tensors of one model.
type Shards struct {
	files []*File
	of    map[string]*File
}

// OpenShards opens files as Open does. It is an error if two of them hold the same tensor.
func OpenShards(paths ...string) (*Shards, error) {
	s := &Shards{of: map[string]*File{}}
	for _, path := range paths {
		f, err := Open(path)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.files = append(s.files, f)
		for _, name := range f.names {
			if other := s.of[name]; other != nil {
				err := fmt.Errorf("safetensors: %s and %s both hold tensor %q: they are not parts of one model", other.mem.Name(), f.mem.Name(), name)
				return nil, errors.Join(err, s.Close())
			}
			s.of[name] = f
		}
	}
	return s, nil
}

// Stored describes a tensor in any of the files, as File.Stored does.
func (s *Shards) Stored(name string) (tensor.Stored, []int, error) {
	f := s.of[name]
	if f == nil {
		return tensor.Stored{}, nil, fmt.Errorf("safetensors: none of %d files has tensor %q: %w", len(s.files), name, tensor.ErrNotStored)
	}
	return f.Stored(name)
}

// Close closes the files.
func (s *Shards) Close() error {
	var err error
	for _, f := range s.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// Names returns the names of the tensors in all files, sorted.
func (s *Shards) Names() []string {
	return slices.Sorted(maps.Keys(s.of))
}
