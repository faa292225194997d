package wanvae

import (
	"fmt"
	"testing"

	"github.com/kinora-video/kinora/internal/nn"
)

// BenchmarkDecode decodes with random weights of real size:
//
//	go test -run '^$' -bench Decode/wan21/832x480 -benchtime 1x ./internal/model/wanvae
func BenchmarkDecode(b *testing.B) {
	for _, k := range []struct {
		name string
		c    Config
	}{{"wan21", Wan21()}, {"wan22", Wan22()}} {
		for _, s := range []struct{ w, h, frames int }{{208, 128, 5}, {416, 240, 5}, {832, 480, 17}, {1280, 720, 5}} {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", k.name, s.w, s.h, s.frames), func(b *testing.B) {
				m := build(k.c, &diffusersLayout, nn.NewParams(1))
				m.Params.Freeze()
				space, t := m.Config.Spatial(), 1+(s.frames-1)/m.Config.Temporal()
				h, w := s.h/space, s.w/space
				z := make([]float32, t*h*w*m.Config.ZDim)
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
