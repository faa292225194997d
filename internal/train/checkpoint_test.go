package train

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// TestCheckpointOfAnotherModel: a model whose parameters have the same shapes,
// but which computes something else, does not continue from a checkpoint. The
// same model does, also from an older checkpoint that does not name its model.
func TestCheckpointOfAnotherModel(t *testing.T) {
	dir := t.TempDir()
	run := runs["text-video"]
	if err := run(t.Context(), tiny(t), options(dir, 2)); err != nil {
		t.Fatal(err)
	}
	c := tiny(t).Config
	c.Flow.TopK = 1
	other, err := reel.New(c, tiny(t).BPE, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), other, options(dir, 3)); err == nil || !strings.Contains(err.Error(), "another shape") {
		t.Errorf("a model with one expert a token went on from one with two: %v", err)
	}

	path := filepath.Join(dir, "text-video.checkpoint.safetensors")
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{}
	for k, v := range f.Metadata() {
		meta[k] = v
	}
	delete(meta, metaModel)
	meta["config"] = "{Width:64 Height:32}"
	var ts []safetensors.Tensor
	for _, name := range f.Names() {
		v, shape, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, safetensors.FromFloat32(name, safetensors.F32, v, shape...))
	}
	f.Close()
	if err := safetensors.WriteFile(path, ts, meta); err != nil {
		t.Fatal(err)
	}
	o, first := options(dir, 3), 0
	o.Progress = func(p Progress) {
		if first == 0 {
			first = p.Step
		}
	}
	if err := run(t.Context(), tiny(t), o); err != nil || first != 3 {
		t.Errorf("the older checkpoint: began with step %d: %v", first, err)
	}
}
