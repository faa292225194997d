package wan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kinora-video/kinora/internal/nn"
	"github.com/kinora-video/kinora/internal/weights/gguf"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// The folders of a model, as diffusers has them, and one more for the decoder of
// previews and --decoder tiny.
const (
	transformerDir = "transformer"
	secondDir      = "transformer_2"
	encoderDir     = "text_encoder"
	tokenizerDir   = "tokenizer"
	vaeDir         = "vae"
	schedulerDir   = "scheduler"
	imageDir       = "image_encoder"
	tinyDir        = "tiny_decoder"
)

// readJSON reads a file of a model's folder into v. It is an error wrapping
// fs.ErrNotExist if there is none.
func readJSON(path string, v any) error {
	data, err := readSmall(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: it is not a configuration: %w", path, err)
	}
	return nil
}

// readSmall reads a file that may have maxConfig bytes.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%s: it has more than %d bytes: it is no configuration", path, maxConfig)
	}
	return data, nil
}

// stored are the weights of a part: shards of safetensors, or one GGUF file.
type stored interface {
	nn.Listed
	io.Closer
}

// openWeights opens the weights in a folder: one GGUF file, the shards that an index
// lists, or all files of safetensors.
func openWeights(dir string) (stored, error) {
	paths, err := weightFiles(dir)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(paths[0]) == ".gguf" {
		return gguf.Open(paths[0])
	}
	return safetensors.OpenShards(paths...)
}

// weightFiles finds the files of weights in a folder. A GGUF file takes the place of
// safetensors beside it: a user has put it there, who need not take a pulled model
// apart for that.
func weightFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var plain, blocks, indexes []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasSuffix(e.Name(), ".safetensors.index.json"):
			indexes = append(indexes, path)
		case filepath.Ext(path) == ".safetensors":
			plain = append(plain, path)
		case filepath.Ext(path) == ".gguf":
			blocks = append(blocks, path)
		}
	}
	switch {
	case len(blocks) > 1:
		return nil, fmt.Errorf("%s: it holds %s: keep the one that is to be used", dir, names(blocks))
	case len(blocks) == 1:
		return blocks, nil
	case len(indexes) > 1:
		return nil, fmt.Errorf("%s: it holds %s: keep the one that is to be used", dir, names(indexes))
	case len(indexes) == 1:
		return safetensors.Indexed(indexes[0])
	case len(plain) == 0:
		return nil, fmt.Errorf("%s: it holds no weights (*.safetensors or *.gguf): pull the model again", dir)
	case len(plain) > safetensors.MaxShards:
		return nil, fmt.Errorf("%s: it holds %d files of weights, at most %d are read", dir, len(plain), safetensors.MaxShards)
	}
	return plain, nil
}

func names(paths []string) string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = filepath.Base(p)
	}
	return strings.Join(out, " and ")
}

// there says whether a folder of the model is there.
func there(dir, part string) bool {
	info, err := os.Stat(filepath.Join(dir, part))
	return err == nil && info.IsDir()
}

// partConfig reads the config.json of a part by parse or, where there is none,
// infers it from the weights.
func partConfig[C any](dir string, parse func(data []byte) (C, error), infer func(w nn.Weights) (C, error)) (c C, err error) {
	data, err := readSmall(filepath.Join(dir, "config.json"))
	if err == nil {
		if c, err = parse(data); err != nil {
			err = fmt.Errorf("%s: %w", dir, err)
		}
		return c, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	w, err := openWeights(dir)
	if err != nil {
		return c, err
	}
	c, err = infer(w)
	if err != nil {
		err = fmt.Errorf("%s: %w", dir, err)
	}
	return c, errors.Join(err, w.Close())
}
