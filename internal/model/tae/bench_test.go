package tae

import (
	"fmt"
	"testing"

	"github.com/kinora-video/kinora/internal/nn"
)

// BenchmarkDecode decodes with random weights of real size:
//
//	go test -run '^$' -bench Decode/taew2_1/832x480 -benchtime 1x ./internal/model/tae
func BenchmarkDecode(b *testing.B) {
	widths, grow, pool := [levels + 1]int{256, 128, 64, 64}, [levels]int{1, 2, 2}, [levels]int{2, 2, 1}
	for _, k := range []struct {
		name string
		c    Config
	}{
		{"taew2_1", Config{Latent: 16, Patch: 1, Widths: widths, Grow: grow, Narrow: 64, Pool: pool}},
		{"taew2_2", Config{Latent: 48, Patch: 2, Widths: widths, Grow: grow, Narrow: 64, Pool: pool}},
		{"taew2_2_super", Config{Super: true, Latent: 48, Patch: 2, Widths: [levels + 1]int{512, 256, 128, 64}, Grow: grow, Narrow: 64, Pool: pool}},
	} {
		for _, s := range []struct{ w, h, frames int }{{416, 240, 17}, {832, 480, 17}} {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", k.name, s.w, s.h, s.frames), func(b *testing.B) {
				m := build(k.c, nn.NewParams(1))
				m.Params.Freeze()
				space, t := k.c.Spatial(), 1+(s.frames-1)/k.c.Temporal()
				h, w := s.h/space, s.w/space
				z := make([]float32, t*h*w*k.c.Latent)
				for i := range z {
					z[i] = float32(i%7)/3 - 1
				}
				for b.Loop() {
					if err := m.Decode(b.Context(), z, t, h, w, func([]byte) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
