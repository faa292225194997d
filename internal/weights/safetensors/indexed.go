package safetensors

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

const (
	// MaxShards is the most files that the weights of a model may be cut into.
	MaxShards = 1000
	// maxIndex is the largest index of shards that is read, in bytes: it has a
	// line of about 100 bytes for each tensor.
	maxIndex = 16 << 20
)

// Indexed returns the paths, sorted, of the files that an index of shards lists, as
// transformers writes it (model.safetensors.index.json). Each must lie beside the
// index.
func Indexed(index string) ([]string, error) {
	f, err := os.Open(index)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxIndex {
		return nil, fmt.Errorf("%s: it has more than %d bytes: it is no index of weights", index, maxIndex)
	}
	var list struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: it is no index of weights: %w", index, err)
	}
	listed := map[string]bool{}
	for _, file := range list.Map {
		if file != filepath.Base(file) || filepath.Ext(file) != ".safetensors" {
			return nil, fmt.Errorf("%s: it lists %.80q, which is no file of weights beside it", index, file)
		}
		listed[file] = true
	}
	if len(listed) == 0 || len(listed) > MaxShards {
		return nil, fmt.Errorf("%s: it lists %d files, 1 to %d are read", index, len(listed), MaxShards)
	}
	var paths []string
	for file := range listed {
		path := filepath.Join(filepath.Dir(index), file)
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s lists a part that is missing, pull the model again: %w", index, err)
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths, nil
}
