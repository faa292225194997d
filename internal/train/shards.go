package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/weights/safetensors"
)

// ShardOptions say what WriteShards writes.
type ShardOptions struct {
	Windows  int // in all
	PerShard int // in a file
	Chunks   int // of a window, 1 or 2
	Captions int // that each window is described by
	Seed     uint64
}

// WriteShards writes windows of films as the latents of m's codec into dir,
// for the trainer in tools/reference, which runs on a GPU: shard-NNNNN.safetensors
// with latents [N, G, H, W, C], place [N, G], seconds [N], and captions in the
// metadata. done is told the windows written. A shard that is there already is
// left as it is, so a run that was stopped goes on.
func WriteShards(ctx context.Context, m *reel.Model, src Source, dir string, o ShardOptions, done func(windows int)) error {
	if o.Windows < 1 || o.PerShard < 1 || o.Captions < 1 || o.Chunks < 1 || o.Chunks > 2 {
		return fmt.Errorf("shards: windows %d, windows a shard %d and captions %d must be at least 1, chunks %d 1 or 2", o.Windows, o.PerShard, o.Captions, o.Chunks)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for at := 0; at < o.Windows; at += o.PerShard {
		n := min(o.PerShard, o.Windows-at)
		path := filepath.Join(dir, fmt.Sprintf("shard-%05d.safetensors", at/o.PerShard))
		if _, err := os.Stat(path); err != nil {
			if err := writeShard(ctx, m, src, path, uint64(at), n, o); err != nil {
				return err
			}
		}
		done(at + n)
	}
	return nil
}

// writeShard writes windows first ≤ id < first+n.
func writeShard(ctx context.Context, m *reel.Model, src Source, path string, first uint64, n int, o ShardOptions) error {
	c := m.Config
	groups := 1 + c.Flow.Groups*o.Chunks
	var latents, place, seconds []float32
	captions := make([][]string, n)
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, err := src.Window(ctx, first+uint64(i), reel.Frames(groups), c.Width, c.Height, c.FPS)
		if err != nil {
			return err
		}
		l := encodeWindow(m, w)
		latents, place, seconds = append(latents, l.z...), append(place, l.place...), append(seconds, l.seconds)
		rng := rand.New(rand.NewPCG(o.Seed, first+uint64(i)))
		for range o.Captions {
			captions[i] = append(captions[i], l.caption(rng.Uint64N(3*4096)))
		}
	}
	text, err := json.Marshal(captions)
	if err != nil {
		return err
	}
	return safetensors.WriteFile(path, []safetensors.Tensor{
		safetensors.FromFloat32("latents", safetensors.BF16, latents, n, groups, c.Height/16, c.Width/16, c.Codec.Latent),
		safetensors.FromFloat32("place", safetensors.F32, place, n, groups),
		safetensors.FromFloat32("seconds", safetensors.F32, seconds, n),
	}, map[string]string{"captions": string(text)})
}
