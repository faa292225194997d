package reel

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// TestOpenTrustsNoConfiguration opens a small file whose configuration asks for
// terabytes: that must be an error before there is memory for it.
func TestOpenTrustsNoConfiguration(t *testing.T) {
	m := tiny(t)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"wide":   {func(c *Config) { c.Flow.Width, c.Flow.Heads, c.Flow.Hidden, c.Flow.Experts = 8192, 128, 1<<16, 256 }, "flow.in.weight"},
		"deep":   {func(c *Config) { c.Flow.Blocks = 128 }, "lacks the parameter"},
		"codec":  {func(c *Config) { c.Codec.DeepWidth = 4096 }, "codec.down.weight"},
		"vocab":  {func(c *Config) { c.Text.Vocab = 1 << 18 }, "text.table"},
		"silent": {func(c *Config) { c.FPS = 0 }, "fps"},
	} {
		t.Run(name, func(t *testing.T) {
			meta, err := m.Metadata()
			if err != nil {
				t.Fatal(err)
			}
			cfg := m.Config
			c.change(&cfg)
			text, err := json.Marshal(cfg)
			if err != nil {
				t.Fatal(err)
			}
			meta[metaConfig] = string(text)
			var ts []safetensors.Tensor
			for _, name := range append(m.CodecParams.Names(), m.FlowParams.Names()...) {
				p := m.CodecParams.Get(name)
				if p == nil {
					p = m.FlowParams.Get(name)
				}
				ts = append(ts, safetensors.FromFloat32(name, safetensors.F32, p.Data(), p.Shape...))
			}
			path := filepath.Join(t.TempDir(), "hostile.safetensors")
			if err := safetensors.WriteFile(path, ts, meta); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = Open(data)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			if took, most := after.TotalAlloc-before.TotalAlloc, uint64(16<<20); took > most {
				t.Errorf("a file of %d bytes took %d MiB", len(data), took>>20)
			}
		})
	}
}
